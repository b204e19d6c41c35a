//! A purchase of credit, through Checkout or by itself.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, TopUpId},
    money::Minor,
};

/// How far the purchase is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    /// The customer is at the checkout.
    #[sea_orm(string_value = "pending")]
    Pending,
    /// Paid and credited.
    #[sea_orm(string_value = "paid")]
    Paid,
    /// Given up.
    #[sea_orm(string_value = "expired")]
    Expired,
    /// The card was refused.
    #[sea_orm(string_value = "failed")]
    Failed,
}

impl State {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }
}

/// A purchase of credit through Checkout.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "top_up")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TopUpId,
    pub account_id: AccountId,
    pub amount_minor: Minor,
    pub state: State,
    pub stripe_session_id: Option<String>,
    pub checkout_url: Option<String>,
    pub stripe_payment_intent_id: Option<String>,
    pub created_at: Time,
    pub paid_at: Option<Time>,
    /// Bought by itself, with the card on file.
    pub automatic: bool,
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
