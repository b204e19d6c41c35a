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

/// What an answer costs that no model ran for, because an equal call of the account was answered before or at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum Cached {
    /// As much as any other.
    #[default]
    #[sea_orm(string_value = "full")]
    Full,
    /// Nothing: it counts no unit.
    #[sea_orm(string_value = "free")]
    Free,
}

impl Cached {
    /// The name as stored, as in the catalogue and as shown in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Free => "free",
        }
    }
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
    pub cached: Cached,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// What the price is for, and whether a repeated image is free.
    #[must_use]
    pub fn described(&self) -> String {
        match self.cached {
            Cached::Full => self.description.clone(),
            Cached::Free => format!("{} (repeated images free)", self.description),
        }
    }
}
