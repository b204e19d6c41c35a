//! One immutable version of a plan.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{PlanId, PlanVersionId},
    money::{Minor, Nanos},
};

/// One immutable version of a plan.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "plan_version")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PlanVersionId,
    pub plan_id: PlanId,
    pub version: i32,
    pub name: String,
    pub description: String,
    pub currency: String,
    pub base_fee_minor: Minor,
    pub signup_credit_nanos: Nanos,
    pub requests_per_minute: i32,
    /// Calls that are served in a row when accounts wait for one device, 1 to 100.
    pub weight: i32,
    pub digest: Vec<u8>,
    pub created_at: Time,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
