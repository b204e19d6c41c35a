//! One immutable version of a plan.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    Time,
    ids::{PlanId, PlanVersionId},
    money::{Minor, Nanos},
};

/// When the periods of a plan begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum Billing {
    /// On the day of the month, and at the time of day, when the account began.
    #[default]
    #[sea_orm(string_value = "anniversary")]
    Anniversary,
    /// On the first of the month at midnight.
    #[sea_orm(string_value = "calendar")]
    Calendar,
}

impl Billing {
    /// The name as stored, as in the catalogue and as shown in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anniversary => "anniversary",
            Self::Calendar => "calendar",
        }
    }
}

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
    pub billing: Billing,
    /// From an account's first subscription on: no fee and no minimum is due.
    pub trial_days: i32,
    /// Whether customers may choose it themselves.
    pub listed: bool,
    pub digest: Vec<u8>,
    pub created_at: Time,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
