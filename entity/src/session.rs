//! A browser session. Only the hash of its cookie is stored.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{MemberId, SessionId},
};

/// A browser session. Only the hash of its cookie is stored.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    #[sea_orm(unique)]
    pub token_hash: Vec<u8>,
    pub member_id: MemberId,
    pub user_agent: String,
    pub ip: String,
    pub created_at: Time,
    pub last_seen_at: Time,
    pub expires_at: Time,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
