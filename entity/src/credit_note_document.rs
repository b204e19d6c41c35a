//! The PDF of a credit note, kept as it was sent.

use sea_orm::entity::prelude::*;

use crate::ids::CreditNoteId;

/// The PDF of a credit note, kept as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "credit_note_document")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub credit_note_id: CreditNoteId,
    pub pdf: Vec<u8>,
    pub sha256: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
