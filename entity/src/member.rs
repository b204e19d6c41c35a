//! A person in an account, with a role.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, MemberId},
};

/// What a member may do in the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Role {
    /// Everything, and cannot be removed last.
    #[sea_orm(string_value = "owner")]
    Owner,
    /// Everything but ownership.
    #[sea_orm(string_value = "admin")]
    Admin,
    /// Money and documents.
    #[sea_orm(string_value = "billing")]
    Billing,
    /// Keys and usage.
    #[sea_orm(string_value = "developer")]
    Developer,
    /// Look only.
    #[sea_orm(string_value = "viewer")]
    Viewer,
}

impl Role {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Billing => "billing",
            Self::Developer => "developer",
            Self::Viewer => "viewer",
        }
    }
}

/// A person in an account, with a role.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "member")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MemberId,
    pub account_id: AccountId,
    #[sea_orm(unique)]
    pub email: String,
    pub password_hash: String,
    pub role: Role,
    pub email_verified_at: Option<Time>,
    pub created_at: Time,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// Rows of one account: the only way a tenant's rows are read.
    pub fn of(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }

    /// The member with this address, as typed: addresses are kept in lower case.
    pub fn by_email(email: &str) -> Select<Self> {
        Self::find().filter(Column::Email.eq(email.trim().to_lowercase()))
    }
}
