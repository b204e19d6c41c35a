//! The one hot row of an account: what it may still spend. Its CHECK is the guarantee against overspend.

use sea_orm::entity::prelude::*;

use crate::{ids::AccountId, money::Nanos};

/// The one hot row of an account: what it may still spend. Its CHECK is the guarantee against overspend.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "balance")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    pub credits: Nanos,
    pub debits: Nanos,
    pub held: Nanos,
    pub floor: Nanos,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// What the customer has left: held slices are still theirs until a call settles.
    pub fn remaining(&self) -> Nanos {
        // Both fit i64 by the row's CHECK, and so does their difference.
        Nanos(self.credits.0 - self.debits.0)
    }
}
