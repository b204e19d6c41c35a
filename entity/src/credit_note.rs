//! A correction of an issued invoice, by a document of its own.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, CreditNoteId, InvoiceId},
    money::Minor,
};

/// How what was paid goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Settlement {
    /// To where it came from.
    #[sea_orm(string_value = "refund")]
    Refund,
    /// As credit of the account.
    #[sea_orm(string_value = "credit")]
    Credit,
    /// Nothing was paid: it only takes off what is due.
    #[sea_orm(string_value = "none")]
    None,
}

impl Settlement {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refund => "refund",
            Self::Credit => "credit",
            Self::None => "none",
        }
    }
}

/// Where a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum RefundState {
    /// There is none.
    #[sea_orm(string_value = "none")]
    None,
    /// Asked for.
    #[sea_orm(string_value = "pending")]
    Pending,
    /// On its way to the customer.
    #[sea_orm(string_value = "done")]
    Done,
    /// The money came back to us: the customer is still owed it.
    #[sea_orm(string_value = "failed")]
    Failed,
}

impl RefundState {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// A correction of an issued invoice, by a document of its own.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "credit_note")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CreditNoteId,
    pub account_id: AccountId,
    pub invoice_id: InvoiceId,
    pub number: String,
    pub reason: String,
    pub currency: String,
    /// With the tax in it.
    pub amount_minor: Minor,
    pub tax_minor: Minor,
    /// What it takes off what was still to pay; the rest goes back.
    pub unpaid_minor: Minor,
    pub settlement: Settlement,
    pub refund_state: RefundState,
    pub stripe_refund_id: Option<String>,
    pub created_by: String,
    pub created_at: Time,
    /// Its counterpart at Stripe.
    pub stripe_credit_note_id: Option<String>,
    /// Which refund it is, from 1: one that failed is followed by another.
    pub refund_attempt: i32,
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
