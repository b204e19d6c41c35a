//! What the accounts live in: a database with the catalogue, metering, a Stripe, and nobody who carries mail.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use entity::coupon;
use entity::money::Minor;
use object_store::memory::InMemory;
use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use tokio::task::JoinHandle;

use super::catalogue;
use super::till::Till;
use crate::billing::allowance::Allowances;
use crate::billing::coupon::{self as coupons, NewCoupon, Off};
use crate::billing::jobs::Means;
use crate::billing::plan;
use crate::metering::archive::Archive;
use crate::metering::{Metering, upkeep};
use crate::platform::clock::Clock;
use crate::platform::config::{Dunning, Seller, TaxRate};

/// What links in letters start with.
const PUBLIC_URL: &str = "https://lensmeter.test";

/// The coupons that accounts redeem.
pub(super) const COUPONS: [&str; 3] = ["TENTH", "THIRD", "LESS"];

pub(super) struct House {
    pub db: DatabaseConnection,
    pub clock: Clock,
    pub metering: Metering,
    /// Nothing is in it: no month ends long before the bench does.
    pub archive: Archive,
    pub allowances: Allowances,
    pub till: Till,
    pub seller: Seller,
    pub dunning: Dunning,
}

impl House {
    pub async fn furnish(db: &DatabaseConnection, template: Option<PathBuf>) -> anyhow::Result<Self> {
        let clock = Clock::System;
        plan::apply(db, catalogue::plans()?, clock.now()).await?;
        upkeep::run(db, clock.now()).await?;
        let percent = |code: &str, basis_points, duration, months| {
            let (code, description) = (code.to_owned(), "A discount".to_owned());
            NewCoupon { code, description, off: Off::Percent(basis_points), duration, months }
        };
        let less = Off::Amount(Minor(300), "usd".into());
        for new in [
            percent(COUPONS[0], 1_000, coupon::Duration::Forever, None),
            percent(COUPONS[1], 3_333, coupon::Duration::Repeating, Some(3)),
            NewCoupon { off: less, ..percent(COUPONS[2], 1, coupon::Duration::Once, None) },
        ] {
            coupons::create_in(db, new, clock.now()).await?;
        }
        let metering = Metering::start(db);
        let till = Till::open().await?;
        let archive = Archive::over(Arc::new(InMemory::new()));
        let (allowances, dunning) = (Allowances::default(), Dunning::default());
        Ok(Self { db: db.clone(), clock, metering, archive, allowances, till, seller: Seller { template, ..seller() }, dunning })
    }

    pub fn means(&self) -> Means<'_> {
        Means { db: &self.db, stripe: &self.till.stripe, seller: &self.seller, dunning: &self.dunning, public_url: PUBLIC_URL }
    }

    /// Letters are written and never sent: their jobs go until the task is called off.
    pub fn carry_no_mail(&self) -> JoinHandle<()> {
        let db = self.db.clone();
        tokio::spawn(async move {
            loop {
                drop(db.execute_unprepared("DELETE FROM queue_job WHERE kind = 'mail.send'").await);
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        })
    }
}

fn seller() -> Seller {
    let rate = |country: &str, basis_points, included, reverse_charge| TaxRate {
        country: country.into(),
        name: "VAT".into(),
        basis_points,
        included,
        reverse_charge,
    };
    Seller {
        name: "Lensmeter Example GmbH".into(),
        address: "1 Example Street".into(),
        postal_code: "10115".into(),
        city: "Berlin".into(),
        country: "DE".into(),
        tax_id: "DE123456789".into(),
        taxes: vec![rate("DE", 1_900, false, false), rate("FR", 2_000, false, true), rate("JP", 1_000, true, false)],
        template: None,
    }
}
