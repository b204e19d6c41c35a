//! Credit that was granted, and how much of it no invoice has burnt yet.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, GrantId},
    money::Nanos,
};

/// Where the credit came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    /// A top-up.
    #[sea_orm(string_value = "paid")]
    Paid,
    /// A gift.
    #[sea_orm(string_value = "promotional")]
    Promotional,
}

impl Kind {
    /// Its place in the burn order unless an operator says otherwise: gifts before what was paid for.
    pub fn priority(self) -> i16 {
        match self {
            Self::Promotional => 50,
            Self::Paid => 100,
        }
    }

    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Promotional => "promotional",
        }
    }
}

/// Credit that was granted, and how much of it no invoice has burnt yet.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "credit_grant")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: GrantId,
    pub account_id: AccountId,
    pub kind: Kind,
    pub reference: String,
    pub amount_nanos: Nanos,
    pub remaining_nanos: Nanos,
    pub created_at: Time,
    /// Lower is burnt first.
    pub priority: i16,
    pub effective_at: Time,
    /// From then on what is left of it is lost; none: never.
    pub expires_at: Option<Time>,
    /// Why an operator granted it; empty when the product did.
    pub reason: String,
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
