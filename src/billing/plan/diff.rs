//! What `plans apply` would change, in words.

use entity::money::{self, Nanos};
use entity::price::Tiers;
use entity::{plan_version, price};
use sea_orm::{ConnectionTrait, DbErr};

use super::catalogue::PlanFile;

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

/// Compares files with the newest versions; empty when there is nothing to apply.
///
/// # Errors
/// When the database refuses.
pub async fn diff(db: &impl ConnectionTrait, plans: &[PlanFile]) -> Result<Vec<Change>, DbErr> {
    let mut changes = Vec::new();
    for file in plans {
        let after = described(file);
        let before = match super::newest(db, &file.code).await? {
            Some(version) => described(&stored(&version, super::prices_of(db, &version).await?, &file.code)),
            None => Vec::new(),
        };
        let keys = before.iter().chain(after.iter().filter(|(key, _)| !before.iter().any(|(known, _)| known == key)));
        for (key, _) in keys {
            let of =
                |side: &[(String, String)]| side.iter().find(|(known, _)| known == key).map(|(_, text)| text.clone()).unwrap_or_default();
            let (from, to) = (of(&before), of(&after));
            if from != to {
                changes.push(Change { plan: file.code.clone(), key: key.clone(), from, to });
            }
        }
    }
    Ok(changes)
}

fn stored(version: &plan_version::Model, prices: Vec<price::Model>, code: &str) -> PlanFile {
    let price = |row: price::Model| {
        let price::Model { meter, task, description, tiers, cached, .. } = row;
        super::PriceFile { meter, task, description, tiers, cached }
    };
    PlanFile {
        code: code.into(),
        name: version.name.clone(),
        description: version.description.clone(),
        currency: version.currency.clone(),
        base_fee: version.base_fee_minor,
        signup_credit: version.signup_credit_nanos,
        requests_per_minute: version.requests_per_minute,
        weight: version.weight,
        prices: prices.into_iter().map(price).collect(),
    }
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
    ];
    for price in &plan.prices {
        let key = format!("price {} {}", price.task, price.meter);
        texts.push((format!("{key}: description"), price.description.clone()));
        texts.push((format!("{key}: tiers"), tiers_text(&price.tiers, exponent)));
        texts.push((format!("{key}: cached"), price.cached.as_str().into()));
    }
    texts
}

/// `0.0015 up to 10000, then 0.001`.
fn tiers_text(tiers: &Tiers, exponent: u32) -> String {
    let unit = |nanos: Nanos| nanos.decimal(exponent);
    let texts = tiers.0.iter().map(|tier| match tier.up_to {
        Some(up_to) => format!("{} up to {up_to}", unit(tier.unit_nanos)),
        None => unit(tier.unit_nanos),
    });
    texts.collect::<Vec<_>>().join(", then ")
}
