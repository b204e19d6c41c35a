//! A coupon that an account has.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, CouponId, CouponRedemptionId},
};

/// A coupon that an account has.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "coupon_redemption")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CouponRedemptionId,
    pub account_id: AccountId,
    pub coupon_id: CouponId,
    /// In the account's own time.
    pub redeemed_at: Time,
    /// Invoices of periods that start from then on have it no more; none: not bounded by time.
    pub ends_at: Option<Time>,
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
