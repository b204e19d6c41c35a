//! A discount that operators hand out under a code. Immutable.

use sea_orm::entity::prelude::*;

use crate::{Time, ids::CouponId, money::Minor};

/// For how long it takes something off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Duration {
    /// One invoice.
    #[sea_orm(string_value = "once")]
    Once,
    /// Invoices of periods that start within so many months.
    #[sea_orm(string_value = "repeating")]
    Repeating,
    /// Every invoice.
    #[sea_orm(string_value = "forever")]
    Forever,
}

impl Duration {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Repeating => "repeating",
            Self::Forever => "forever",
        }
    }
}

/// A discount that operators hand out under a code. Immutable.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "coupon")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CouponId,
    /// Capitals, digits, `-` and `_`.
    pub code: String,
    pub description: String,
    /// Hundredths of a per cent; or an amount.
    pub percent_bp: Option<i32>,
    pub amount_minor: Option<Minor>,
    /// Of the amount.
    pub currency: Option<String>,
    pub duration: Duration,
    /// Of a repeating one.
    pub months: Option<i32>,
    pub created_at: Time,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
