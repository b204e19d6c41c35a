//! A month of usage that is in a file and in no partition any more.

use sea_orm::entity::prelude::*;

use crate::Time;

/// A month of usage that is in a file and in no partition any more.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_archive")]
pub struct Model {
    /// Its first day.
    #[sea_orm(primary_key, auto_increment = false)]
    pub month: Date,
    pub object: String,
    pub bytes: i64,
    pub events: i64,
    /// Of all its events.
    pub digest: Vec<u8>,
    /// The end of the file, which holds the SHA-256 of every other part.
    pub footer_bytes: i64,
    pub footer_sha256: Vec<u8>,
    pub archived_at: Time,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
