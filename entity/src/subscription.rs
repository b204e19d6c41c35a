//! Which plan version an account is on, and since when.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, PlanVersionId, SubscriptionId},
};

/// Why a subscription ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum EndReason {
    /// Another one followed at once.
    #[sea_orm(string_value = "changed")]
    Changed,
    /// For good.
    #[sea_orm(string_value = "canceled")]
    Canceled,
    /// Until the customer resumes it.
    #[sea_orm(string_value = "paused")]
    Paused,
}

/// What happens when the open period ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum AtPeriodEnd {
    /// The next plan version begins.
    #[sea_orm(string_value = "change")]
    Change,
    /// The subscription ends.
    #[sea_orm(string_value = "cancel")]
    Cancel,
    /// It ends until it is resumed.
    #[sea_orm(string_value = "pause")]
    Pause,
}

impl AtPeriodEnd {
    /// The name as stored and as shown in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Cancel => "cancel",
            Self::Pause => "pause",
        }
    }
}

/// Which plan version an account is on, and since when.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "subscription")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SubscriptionId,
    pub account_id: AccountId,
    pub plan_version_id: PlanVersionId,
    pub started_at: Time,
    pub ended_at: Option<Time>,
    /// Anniversaries are counted from it. It stays when the plan changes.
    pub anchor: Time,
    /// A name of the IANA database: where its days and months begin.
    pub time_zone: String,
    /// Before it no fee and no minimum is due.
    pub trial_ends_at: Option<Time>,
    /// Of an ended one.
    pub end_reason: Option<EndReason>,
    pub at_period_end: Option<AtPeriodEnd>,
    /// Of a change at the end of the period.
    pub next_plan_version_id: Option<PlanVersionId>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// Rows of one account: the only way a tenant's rows are read.
    pub fn of(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }

    /// The one that runs, of an account that has one.
    pub fn running(account: AccountId) -> Select<Self> {
        Self::of(account).filter(Column::EndedAt.is_null())
    }
}
