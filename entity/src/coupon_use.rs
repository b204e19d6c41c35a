//! What a coupon took off an invoice.

use sea_orm::entity::prelude::*;

use crate::{
    ids::{CouponRedemptionId, InvoiceId},
    money::Minor,
};

/// What a coupon took off an invoice.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "coupon_use")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub invoice_id: InvoiceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub redemption_id: CouponRedemptionId,
    pub amount_minor: Minor,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
