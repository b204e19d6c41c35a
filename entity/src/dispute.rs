//! A customer who asked the bank for the money back.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, InvoiceId, TopUpId},
    money::{Minor, Nanos},
};

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    /// The bank asks; no money moved.
    #[sea_orm(string_value = "inquiry")]
    Inquiry,
    /// The bank took the money back until it is decided.
    #[sea_orm(string_value = "open")]
    Open,
    /// The money is ours.
    #[sea_orm(string_value = "won")]
    Won,
    /// The money is gone.
    #[sea_orm(string_value = "lost")]
    Lost,
}

impl State {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inquiry => "inquiry",
            Self::Open => "open",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }
}

/// A customer who asked the bank for the money back: for a top-up, or for an invoice.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dispute")]
pub struct Model {
    /// The payment provider's.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub account_id: AccountId,
    pub top_up_id: Option<TopUpId>,
    pub invoice_id: Option<InvoiceId>,
    pub payment_intent: String,
    pub amount_minor: Minor,
    pub currency: String,
    /// In the bank's words.
    pub reason: String,
    pub state: State,
    /// Credit that cannot be spent until it is decided.
    pub frozen_nanos: Nanos,
    pub created_at: Time,
    pub closed_at: Option<Time>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// Rows of one account: the only way a tenant's rows are read.
    pub fn of(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }
}
