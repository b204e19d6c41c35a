//! One price of a plan version: graduated tiers for a meter and a task.

use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{PlanVersionId, PriceId},
    money::Nanos,
};

/// Graduated tiers, in rising order; the last has no bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Tiers(pub Vec<Tier>);

/// Each unit up to `up_to` (counted from the start of the period) costs `unit_nanos`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<i64>,
    pub unit_nanos: Nanos,
}

/// One price of a plan version: graduated tiers for a meter and a task.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "price")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PriceId,
    pub plan_version_id: PlanVersionId,
    pub meter: String,
    pub task: String,
    pub description: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub tiers: Tiers,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
