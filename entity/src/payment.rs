//! Money received for an invoice.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, InvoiceId, PaymentId},
    money::Minor,
};

/// How the money came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Method {
    /// Through Stripe.
    #[sea_orm(string_value = "stripe")]
    Stripe,
    /// By another way, as an operator saw.
    #[sea_orm(string_value = "transfer")]
    Transfer,
}

/// Money received for an invoice.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payment")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PaymentId,
    pub account_id: AccountId,
    pub invoice_id: InvoiceId,
    #[sea_orm(unique)]
    pub stripe_payment_reference: String,
    pub amount_minor: Minor,
    pub at: Time,
    /// What of it went back.
    pub refunded_minor: Minor,
    pub method: Method,
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
