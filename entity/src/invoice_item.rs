//! What stands on an invoice beside usage and the base fee: waits until an invoice takes it.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, InvoiceId, InvoiceItemId},
    money::Nanos,
};

/// Why the item is charged or given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    /// An operator's own item.
    #[sea_orm(string_value = "one_off")]
    OneOff,
    /// A part of a fee, after a change of plan.
    #[sea_orm(string_value = "proration")]
    Proration,
}

impl Kind {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneOff => "one_off",
            Self::Proration => "proration",
        }
    }
}

/// What stands on an invoice beside usage and the base fee: waits until an invoice takes it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invoice_item")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InvoiceItemId,
    pub account_id: AccountId,
    pub kind: Kind,
    pub description: String,
    pub quantity: i64,
    pub unit_nanos: Nanos,
    /// Exact, and below zero where it is given back.
    pub amount_nanos: Nanos,
    pub currency: String,
    /// What it is for, in the account's own time.
    pub starts_at: Time,
    /// Excluded.
    pub ends_at: Time,
    /// In the account's own time: the invoice of the period in which this lies takes the item.
    pub created_at: Time,
    pub created_by: String,
    pub invoice_id: Option<InvoiceId>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// Rows of one account: the only way a tenant's rows are read.
    pub fn of(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }

    /// What the invoice of a period that ends at `until` takes: created by then, on no invoice yet, in order of creation.
    pub fn waiting(account: AccountId, until: Time) -> Select<Self> {
        use sea_orm::QueryOrder;
        Self::of(account).filter(Column::InvoiceId.is_null()).filter(Column::CreatedAt.lte(until)).order_by_asc(Column::Id)
    }
}
