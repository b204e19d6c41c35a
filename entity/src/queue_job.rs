//! A job of our own background work.

use sea_orm::entity::prelude::*;

use crate::{Time, ids::QueueJobId};

/// Whether the job will run again by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    /// Waits for its time or runs.
    #[sea_orm(string_value = "ready")]
    Ready,
    /// Failed for good: an operator looks at it.
    #[sea_orm(string_value = "parked")]
    Parked,
}

impl State {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Parked => "parked",
        }
    }
}

/// A job of our own background work.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "queue_job")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: QueueJobId,
    pub kind: String,
    pub key: Option<String>,
    pub payload: Json,
    pub state: State,
    pub lane: String,
    /// Earlier goes first; the moment of enqueueing, unless whoever enqueued it gave way to others.
    pub rank: Time,
    pub run_at: Time,
    pub attempts: i32,
    pub max_attempts: i32,
    pub locked_until: Option<Time>,
    pub last_error: Option<String>,
    pub created_at: Time,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
