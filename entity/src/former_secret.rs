//! A secret that a rotation replaced: it still opens its key until it expires.

use sea_orm::entity::prelude::*;

use crate::{Time, ids::KeyId};

/// A secret that a rotation replaced: it still opens its key until it expires.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "former_secret")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub secret_hash: Vec<u8>,
    pub key_id: KeyId,
    pub hint: String,
    pub expires_at: Time,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// Those of a key. The key itself was found through its account, or is the one being checked.
    pub fn of(key: KeyId) -> Select<Self> {
        Self::find().filter(Column::KeyId.eq(key))
    }
}
