//! A customer's server that wants to be told of events.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, EndpointId},
};

/// A customer's server that wants to be told of events.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_endpoint")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EndpointId,
    pub account_id: AccountId,
    pub url: String,
    pub secret: String,
    pub created_at: Time,
    pub disabled_at: Option<Time>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// Rows of one account: the only way a tenant's rows are read.
    pub fn of(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }
}
