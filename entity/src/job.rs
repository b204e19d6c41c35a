//! A customer's asynchronous inference. Its input and its result are objects in the store.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, JobId, KeyId, RequestId},
    money::Nanos,
};

/// Where a job stands. The last three are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Status {
    /// Waits for a worker, also between two attempts.
    #[sea_orm(string_value = "queued")]
    Queued,
    /// A worker has it.
    #[sea_orm(string_value = "processing")]
    Processing,
    /// It has its result and was charged.
    #[sea_orm(string_value = "succeeded")]
    Succeeded,
    /// It has an error and was not charged.
    #[sea_orm(string_value = "failed")]
    Failed,
    /// It was called off and not charged.
    #[sea_orm(string_value = "canceled")]
    Canceled,
}

impl Status {
    pub const ALL: [Self; 5] = [Self::Queued, Self::Processing, Self::Succeeded, Self::Failed, Self::Canceled];

    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

/// A customer's asynchronous inference.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "job")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: JobId,
    pub account_id: AccountId,
    pub key_id: KeyId,
    pub request_id: RequestId,
    pub task: String,
    pub model: Option<String>,
    pub options: Json,
    pub image_url: Option<String>,
    pub status: Status,
    pub price_nanos: Nanos,
    pub currency: String,
    pub error_code: Option<String>,
    pub error_detail: Option<String>,
    pub created_at: Time,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
    pub erased_at: Option<Time>,
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
