//! What became of a grant: taken by an invoice, given back, expired, or revoked. Append only.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, CreditMovementId, GrantId, InvoiceId},
    money::Nanos,
};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    /// An invoice took it.
    #[sea_orm(string_value = "burn")]
    Burn,
    /// The invoice that took it was withdrawn.
    #[sea_orm(string_value = "return")]
    Return,
    /// Its time was over.
    #[sea_orm(string_value = "expiry")]
    Expiry,
    /// An operator took it back.
    #[sea_orm(string_value = "revocation")]
    Revocation,
}

impl Kind {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Burn => "burn",
            Self::Return => "return",
            Self::Expiry => "expiry",
            Self::Revocation => "revocation",
        }
    }
}

/// What became of a grant: taken by an invoice, given back, expired, or revoked. Append only.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "credit_movement")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CreditMovementId,
    pub account_id: AccountId,
    pub grant_id: GrantId,
    pub kind: Kind,
    pub amount_nanos: Nanos,
    /// Of the invoice that took it, or that was withdrawn.
    pub invoice_id: Option<InvoiceId>,
    pub reason: String,
    pub at: Time,
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
