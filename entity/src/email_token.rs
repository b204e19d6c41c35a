//! A single-use link that was mailed: verification of an address, reset of a password.

use sea_orm::entity::prelude::*;

use crate::{Time, ids::MemberId};

/// What the link is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Purpose {
    /// Proves the address.
    #[sea_orm(string_value = "verify")]
    Verify,
    /// Sets a new password.
    #[sea_orm(string_value = "reset")]
    Reset,
}

impl Purpose {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
        }
    }
}

/// A single-use link that was mailed: verification of an address, reset of a password.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_token")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_hash: Vec<u8>,
    pub member_id: MemberId,
    pub purpose: Purpose,
    pub expires_at: Time,
    pub used_at: Option<Time>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
