//! An invoice. Frozen by a trigger once issued.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    account::Collection,
    ids::{AccountId, InvoiceId, PeriodId},
    money::Minor,
};

/// What the document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum DocumentState {
    /// Built, not issued.
    #[sea_orm(string_value = "draft")]
    Draft,
    /// Issued.
    #[sea_orm(string_value = "open")]
    Open,
    /// Withdrawn.
    #[sea_orm(string_value = "void")]
    Void,
    /// Given up.
    #[sea_orm(string_value = "uncollectible")]
    Uncollectible,
}

impl DocumentState {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Void => "void",
            Self::Uncollectible => "uncollectible",
        }
    }
}

/// How it is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum PaymentState {
    /// Nothing yet.
    #[sea_orm(string_value = "unpaid")]
    Unpaid,
    /// A payment is under way.
    #[sea_orm(string_value = "processing")]
    Processing,
    /// Some.
    #[sea_orm(string_value = "partial")]
    Partial,
    /// All.
    #[sea_orm(string_value = "paid")]
    Paid,
    /// Given back.
    #[sea_orm(string_value = "refunded")]
    Refunded,
}

impl PaymentState {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unpaid => "unpaid",
            Self::Processing => "processing",
            Self::Partial => "partial",
            Self::Paid => "paid",
            Self::Refunded => "refunded",
        }
    }
}

/// An invoice. Frozen by a trigger once issued.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invoice")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InvoiceId,
    pub account_id: AccountId,
    pub period_id: PeriodId,
    pub number: Option<String>,
    pub document_state: DocumentState,
    pub payment_state: PaymentState,
    pub currency: String,
    pub buyer_name: String,
    pub buyer_email: String,
    pub subtotal_minor: Minor,
    pub credits_applied_minor: Minor,
    pub total_minor: Minor,
    pub discount_minor: Minor,
    pub tax_minor: Minor,
    /// Whether prices hold the tax already.
    pub tax_included: bool,
    /// What earlier invoices left for this one; below zero in the customer's favour.
    pub carried_in_minor: Minor,
    /// What this one leaves for the next.
    pub carried_out_minor: Minor,
    pub paid_minor: Minor,
    /// What credit notes took off it.
    pub credited_minor: Minor,
    /// What went back of what was paid.
    pub refunded_minor: Minor,
    pub snapshot: Json,
    pub stripe_invoice_id: Option<String>,
    pub stripe_hosted_url: Option<String>,
    pub period_starts_at: Time,
    pub period_ends_at: Time,
    pub created_at: Time,
    pub issued_at: Option<Time>,
    pub paid_at: Option<Time>,
    /// How it is collected; sent ones are due at `due_at`.
    pub collection: Collection,
    /// Of what is sent, in the account's own time.
    pub due_at: Option<Time>,
    /// Since when the bank waits for the customer to confirm the charge, in the account's own time.
    pub action_needed_at: Option<Time>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// What is still to pay: nothing on a document that was withdrawn or given up.
    pub fn due(&self) -> Minor {
        let open = self.document_state == DocumentState::Open;
        // Within the total by the row's CHECKs, but for what credit notes gave back of what was paid.
        let left = self.total_minor.0 - (self.paid_minor.0 - self.refunded_minor.0) - self.credited_minor.0;
        Minor(if open { left.max(0) } else { 0 })
    }
}

impl Entity {
    /// Rows of one account: the only way a tenant's rows are read.
    pub fn of(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }
}
