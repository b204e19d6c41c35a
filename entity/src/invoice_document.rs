//! The PDF of an issued invoice, kept as it was sent.

use sea_orm::entity::prelude::*;

use crate::ids::InvoiceId;

/// The PDF of an issued invoice, kept as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invoice_document")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub invoice_id: InvoiceId,
    pub pdf: Vec<u8>,
    pub sha256: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
