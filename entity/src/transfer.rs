//! A transfer of the ledger: one debit, one credit, append only.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{LedgerAccountId, TransferId},
    money::Nanos,
};

/// A transfer of the ledger: one debit, one credit, append only.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "transfer")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TransferId,
    pub kind: String,
    pub reference: String,
    pub debit_account_id: LedgerAccountId,
    pub credit_account_id: LedgerAccountId,
    pub amount_nanos: Nanos,
    pub at: Time,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
