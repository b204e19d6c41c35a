//! An event on its way to one endpoint, and how it went.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, DeliveryId, EndpointId},
};

/// An event on its way to one endpoint, and how it went.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_delivery")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DeliveryId,
    pub account_id: AccountId,
    pub endpoint_id: EndpointId,
    pub event: String,
    pub payload: Json,
    pub attempts: i32,
    pub last_status: Option<i32>,
    pub last_error: Option<String>,
    pub created_at: Time,
    pub delivered_at: Option<Time>,
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
