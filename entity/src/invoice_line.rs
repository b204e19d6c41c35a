//! A line of an invoice: exact nanos, rounded once, and a digest of its events.

use sea_orm::entity::prelude::*;

use crate::{
    ids::{InvoiceId, InvoiceLineId, PriceId},
    money::{Minor, Nanos},
};

/// What the line charges for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    /// The plan itself.
    #[sea_orm(string_value = "base_fee")]
    BaseFee,
    /// Metered calls.
    #[sea_orm(string_value = "usage")]
    Usage,
    /// The difference of a volume price to what its events were charged.
    #[sea_orm(string_value = "volume")]
    Volume,
    /// What usage lacks to the least that is due.
    #[sea_orm(string_value = "minimum")]
    Minimum,
    /// A part of a fee, after a change of plan.
    #[sea_orm(string_value = "proration")]
    Proration,
    /// An operator's own item.
    #[sea_orm(string_value = "one_off")]
    OneOff,
}

impl Kind {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BaseFee => "base_fee",
            Self::Usage => "usage",
            Self::Volume => "volume",
            Self::Minimum => "minimum",
            Self::Proration => "proration",
            Self::OneOff => "one_off",
        }
    }
}

/// A line of an invoice: exact nanos, rounded once, and a digest of its events.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invoice_line")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InvoiceLineId,
    pub invoice_id: InvoiceId,
    pub seq: i32,
    pub kind: Kind,
    pub description: String,
    pub price_id: Option<PriceId>,
    pub quantity: i64,
    pub exact_nanos: Nanos,
    pub amount_minor: Minor,
    pub rounding_nanos: Nanos,
    pub events: i64,
    pub events_digest: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// Lines of an invoice, in order. The invoice was found through its account.
    pub fn of(invoice: &crate::invoice::Model) -> Select<Self> {
        use sea_orm::QueryOrder;
        Self::find().filter(Column::InvoiceId.eq(invoice.id)).order_by_asc(Column::Seq)
    }
}
