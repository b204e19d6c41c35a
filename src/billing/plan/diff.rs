//! What `plans apply` would change, in words, and for whom.

use entity::money::{self, Nanos};
use entity::price::{Meter, Rate, Scheme};
use entity::{plan_version, subscription};
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, PaginatorTrait as _, QueryFilter as _};

use super::apply::{self, ApplyError};
use super::file::{PlanFile, PriceFile};

/// One difference between a file and the newest version in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub plan: String,
    /// The key as in the file.
    pub key: String,
    /// Empty: it is new.
    pub from: String,
    /// Empty: it goes.
    pub to: String,
}

/// What applying one plan would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanDiff {
    pub code: String,
    /// The newest version in the database.
    pub version: Option<i32>,
    pub changes: Vec<Change>,
    /// How many subscribers each version has, the oldest first. They keep theirs.
    pub subscribers: Vec<(i32, u64)>,
}

/// Compares files with the newest versions.
///
/// # Errors
/// As `apply` would fail.
pub async fn diff(db: &impl ConnectionTrait, plans: &[PlanFile]) -> Result<Vec<PlanDiff>, ApplyError> {
    let mut diffs = Vec::new();
    for file in plans {
        diffs.push(diff_one(db, file).await?);
    }
    Ok(diffs)
}

async fn diff_one(db: &impl ConnectionTrait, file: &PlanFile) -> Result<PlanDiff, ApplyError> {
    let newest = super::newest(db, &file.code).await?;
    let before = match &newest {
        Some(version) => {
            apply::check(db, version, file).await?;
            described(&PlanFile::stored(&file.code, version, super::prices_of(db, version).await?))
        }
        None => Vec::new(),
    };
    let after = described(file);
    let mut changes = Vec::new();
    for (key, _) in before.iter().chain(after.iter().filter(|(key, _)| !before.iter().any(|(known, _)| known == key))) {
        let of = |side: &[(String, String)]| side.iter().find(|(known, _)| known == key).map(|(_, text)| text.clone()).unwrap_or_default();
        let (from, to) = (of(&before), of(&after));
        if from != to {
            changes.push(Change { plan: file.code.clone(), key: key.clone(), from, to });
        }
    }
    let subscribers = match &newest {
        Some(version) => subscribers(db, version).await?,
        None => Vec::new(),
    };
    Ok(PlanDiff { code: file.code.clone(), version: newest.map(|version| version.version), changes, subscribers })
}

async fn subscribers(db: &impl ConnectionTrait, newest: &plan_version::Model) -> Result<Vec<(i32, u64)>, sea_orm::DbErr> {
    let mut counts = Vec::new();
    for version in super::versions_of(db, newest.plan_id).await? {
        let running = subscription::Entity::find()
            .filter(subscription::Column::PlanVersionId.eq(version.id))
            .filter(subscription::Column::EndedAt.is_null());
        match running.count(db).await? {
            0 => {}
            count => counts.push((version.version, count)),
        }
    }
    Ok(counts)
}

fn described(plan: &PlanFile) -> Vec<(String, String)> {
    let exponent = money::exponent(&plan.currency);
    let mut texts = vec![
        ("name".into(), plan.name.clone()),
        ("description".into(), plan.description.clone()),
        ("currency".into(), plan.currency.clone()),
        ("base_fee".into(), plan.base_fee.decimal(exponent)),
        ("signup_credit".into(), plan.signup_credit.decimal(exponent)),
        ("requests_per_minute".into(), plan.requests_per_minute.to_string()),
        ("weight".into(), plan.weight.to_string()),
        ("billing".into(), plan.billing.as_str().into()),
        ("trial_days".into(), plan.trial_days.to_string()),
        ("listed".into(), plan.listed.to_string()),
    ];
    for price in &plan.prices {
        let PriceFile { meter, description, rate, cached, .. } = price;
        let key = format!("price {}", price.place_in_words());
        texts.push((format!("{key}: description"), description.clone()));
        texts.push((format!("{key}: meter"), meter.as_str().into()));
        texts.push((format!("{key}: price"), rate_in_words(*meter, rate, exponent)));
        texts.push((format!("{key}: cached"), cached.as_str().into()));
    }
    texts
}

/// `0.0015 up to 10000, then 0.001`; `volume: 0.0015 up to 10000, then 0.001, 500 included, at least 5.00`.
pub fn rate_in_words(meter: Meter, rate: &Rate, exponent: u32) -> String {
    let scale = meter.scale();
    let amount = |nanos: Nanos| nanos.decimal(exponent);
    let mut words: Vec<String> = Vec::new();
    for tier in &rate.tiers.0 {
        let flat = if tier.flat_nanos.0 > 0 { format!("{} once", amount(tier.flat_nanos)) } else { String::new() };
        let price = match (tier.unit_nanos.0, flat.is_empty()) {
            (0, false) => flat,
            (_, true) => amount(tier.unit_nanos),
            (_, false) => format!("{} and {flat}", amount(tier.unit_nanos)),
        };
        let bound = tier.up_to.map(|up_to| format!(" up to {}", up_to / scale)).unwrap_or_default();
        words.push(format!("{}{price}{bound}", if words.is_empty() { "" } else { "then " }));
    }
    if rate.per != scale {
        words.push(format!("for {} each", rate.per / scale));
    }
    if rate.included > 0 {
        words.push(format!("{} included", rate.included / scale));
    }
    if rate.minimum.0 > 0 {
        words.push(format!("at least {}", amount(rate.minimum)));
    }
    words.extend(rate.maximum.map(|maximum| format!("at most {}", amount(maximum))));
    let scheme = if rate.scheme == Scheme::Graduated { String::new() } else { format!("{}: ", rate.scheme.as_str()) };
    format!("{scheme}{}", words.join(", "))
}
