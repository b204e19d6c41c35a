//! A `[[price]]` of a plan file: its keys, and what is expected of each.

use entity::money::Nanos;
use entity::price::{Cached, Megapixels, Meter, Rate, Scheme, Tier, Tiers};
use serde::Deserialize;

use super::file::{PriceFile, size_in_words};

/// More would be a mistake of whoever generates the file.
const MOST_TIERS: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPrice {
    meter: Meter,
    task: Option<String>,
    model: Option<String>,
    megapixels: Option<Megapixels>,
    description: String,
    #[serde(default)]
    scheme: Scheme,
    /// Of graduated and volume prices.
    tiers: Option<Vec<RawTier>>,
    /// Of unit and package prices.
    unit: Option<String>,
    /// Of flat prices.
    flat: Option<String>,
    per: Option<i64>,
    #[serde(default)]
    included: i64,
    minimum: Option<String>,
    maximum: Option<String>,
    #[serde(default)]
    cached: Cached,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTier {
    up_to: Option<i64>,
    unit: Option<String>,
    flat: Option<String>,
}

impl RawPrice {
    /// `key` is its place in the file.
    pub(super) fn check(self, key: &str) -> Result<PriceFile, String> {
        if let Some(task) = self.task.as_deref().filter(|task| !["detect", "classify", "embed"].contains(task)) {
            return Err(format!("{key}.task: expected detect, classify or embed, or none for every task, found {task:?}"));
        }
        if self.model.as_deref().is_some_and(|model| model.is_empty() || model.contains(['/', '\0'])) {
            return Err(format!("{key}.model: expected the name of a model without a version"));
        }
        if self.description.is_empty() || self.description.chars().count() > 200 {
            return Err(format!("{key}.description: expected a text of at most 200 characters"));
        }
        let tiers = self.tiers(key)?;
        let rate = self.rate(key, tiers)?;
        let Self { meter, task, model, megapixels, description, cached, .. } = self;
        Ok(PriceFile { meter, task, model, megapixels, description, rate, cached })
    }

    fn rate(&self, key: &str, tiers: Vec<Tier>) -> Result<Rate, String> {
        let scale = self.meter.scale();
        let per = self.per.unwrap_or(1);
        let scaled = |name: &str, number: i64, least: i64| {
            let scaled = number.checked_mul(scale).filter(|_| number >= least);
            scaled.ok_or_else(|| format!("{key}.{name}: expected a number from {least} on, found {number}"))
        };
        if self.scheme == Scheme::Package && self.per.is_none() {
            return Err(format!("{key}.per: expected the size of a package"));
        }
        let minimum = optional(&format!("{key}.minimum"), self.minimum.as_deref())?.unwrap_or_default();
        let maximum = optional(&format!("{key}.maximum"), self.maximum.as_deref())?;
        if let Some(maximum) = maximum.filter(|maximum| *maximum < minimum) {
            return Err(format!("{key}.maximum: expected at least the minimum, found {}", maximum.decimal(0)));
        }
        let (per, included) = (scaled("per", per, 1)?, scaled("included", self.included, 0)?);
        Ok(Rate { scheme: self.scheme, tiers: Tiers(tiers), per, included, minimum, maximum })
    }

    /// Each scheme says its prices in a key of its own; another's is a mistake.
    fn tiers(&self, key: &str) -> Result<Vec<Tier>, String> {
        let given = [("tiers", self.tiers.is_some()), ("unit", self.unit.is_some()), ("flat", self.flat.is_some())];
        let wanted = match self.scheme {
            Scheme::Graduated | Scheme::Volume => "tiers",
            Scheme::Unit | Scheme::Package => "unit",
            Scheme::Flat => "flat",
        };
        if let Some((name, given)) = given.into_iter().find(|(name, given)| *given != (*name == wanted)) {
            let found = if given { "found this one" } else { "found none" };
            return Err(format!("{key}.{name}: a price of the scheme {} is said by {wanted}, {found}", self.scheme.as_str()));
        }
        let one = |unit: Nanos, flat: Nanos| vec![Tier { up_to: None, unit_nanos: unit, flat_nanos: flat }];
        match (&self.tiers, self.unit.as_deref(), self.flat.as_deref()) {
            (Some(tiers), _, _) => self.several(key, tiers),
            (_, Some(unit), _) => Ok(one(amount(&format!("{key}.unit"), unit)?, Nanos(0))),
            (_, _, flat) => Ok(one(Nanos(0), amount(&format!("{key}.flat"), flat.unwrap_or_default())?)),
        }
    }

    fn several(&self, key: &str, raw: &[RawTier]) -> Result<Vec<Tier>, String> {
        let last = raw.len().checked_sub(1).ok_or_else(|| format!("{key}.tiers: expected at least one tier"))?;
        if raw.len() > MOST_TIERS {
            return Err(format!("{key}.tiers: expected at most {MOST_TIERS} tiers, found {}", raw.len()));
        }
        let mut below = 0;
        let mut tiers = Vec::new();
        for (index, tier) in raw.iter().enumerate() {
            let key = format!("{key}.tiers[{index}]");
            let up_to = match tier.up_to {
                None if index == last => None,
                Some(_) if index == last => return Err(format!("{key}.up_to: expected none, the last tier has no bound")),
                Some(up_to) if up_to > below => {
                    below = up_to;
                    Some(up_to.checked_mul(self.meter.scale()).ok_or_else(|| format!("{key}.up_to: too large"))?)
                }
                found => return Err(format!("{key}.up_to: expected a number above {below}, found {}", shown(found))),
            };
            if tier.unit.is_none() && tier.flat.is_none() {
                return Err(format!("{key}.unit: expected an amount, or flat"));
            }
            let price = |name: &str, text: Option<&str>| optional(&format!("{key}.{name}"), text).map(Option::unwrap_or_default);
            let (unit_nanos, flat_nanos) = (price("unit", tier.unit.as_deref())?, price("flat", tier.flat.as_deref())?);
            tiers.push(Tier { up_to, unit_nanos, flat_nanos });
        }
        Ok(tiers)
    }
}

fn shown(number: Option<i64>) -> String {
    number.map_or_else(|| "none".into(), |number| number.to_string())
}

/// A decimal text such as `0.0015` in nanos, exactly: no float is involved.
pub(super) fn amount(key: &str, text: &str) -> Result<Nanos, String> {
    let wrong = || format!("{key}: expected an amount such as \"0.0015\" with at most nine digits behind the point, found {text:?}");
    Nanos::parse(text).ok_or_else(wrong)
}

fn optional(key: &str, text: Option<&str>) -> Result<Option<Nanos>, String> {
    text.map(|text| amount(key, text)).transpose()
}

/// No two prices may apply to the same calls, and an image of any size must have one. `keys` are their places in the file.
pub(super) fn check_places(prices: &[(String, PriceFile)]) -> Result<(), String> {
    for (index, (key, price)) in prices.iter().enumerate() {
        if let Some((first, _)) = prices[..index].iter().find(|(_, other)| other.place() == price.place()) {
            let place = price.place_in_words();
            return Err(format!("{key}: expected one price for the same calls, found a second for {place} beside {first}"));
        }
    }
    for (key, price) in prices.iter().filter(|(_, price)| price.megapixels.is_some()) {
        let fits =
            |other: &PriceFile| (other.task.is_none() || other.task == price.task) && (other.model.is_none() || other.model == price.model);
        let sold = |size: Megapixels| prices.iter().any(|(_, other)| fits(other) && other.megapixels.is_none_or(|own| own == size));
        if let Some(size) = Megapixels::ALL.into_iter().find(|size| !sold(*size)) {
            return Err(format!("{key}.megapixels: expected a price for every size, found none for images {}", size_in_words(size)));
        }
    }
    Ok(())
}
