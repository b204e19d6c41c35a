//! An issued invoice that was computed again.

use sea_orm::entity::prelude::*;

use crate::{Time, ids::InvoiceId};

/// An issued invoice that was computed again.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invoice_audit")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub invoice_id: InvoiceId,
    pub at: Time,
    /// None: the same bytes.
    pub difference: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
