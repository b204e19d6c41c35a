//! Reads `plans/*.toml` into checked types. An error names the file, the key and what was expected.

use std::path::Path;

use entity::money::{self, Minor, Nanos};
use entity::price::{Cached, Tier, Tiers};
use serde::{Deserialize, Serialize};

use crate::platform::secret;

/// A plan as its file says it, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanFile {
    pub code: String,
    pub name: String,
    pub description: String,
    pub currency: String,
    /// Per month.
    pub base_fee: Minor,
    pub signup_credit: Nanos,
    pub requests_per_minute: i32,
    /// Calls that are served in a row when accounts wait for one device.
    #[serde(skip_serializing_if = "is_one")]
    pub weight: i32,
    /// Sorted by task and meter, so that their order in the file is no change.
    pub prices: Vec<PriceFile>,
}

/// A price of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PriceFile {
    pub meter: String,
    pub task: String,
    pub description: String,
    pub tiers: Tiers,
    #[serde(skip_serializing_if = "is_full")]
    pub cached: Cached,
}

/// Left out where they are as ever, so that plans from before they could be said keep their digest.
fn is_one(weight: &i32) -> bool {
    *weight == 1
}

fn is_full(cached: &Cached) -> bool {
    *cached == Cached::Full
}

/// A catalogue file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct CatalogueError {
    pub file: String,
    pub problem: String,
}

impl PlanFile {
    /// SHA-256 of the checked content: comments, spacing and order do not count.
    pub fn digest(&self) -> Vec<u8> {
        secret::sha256(serde_json::to_vec(self).expect("plain texts and integers always serialise"))
    }
}

/// All `*.toml` files of a folder, by name.
///
/// # Errors
/// The first file that cannot be read or used; a folder without any plan.
pub fn read_folder(folder: &Path) -> Result<Vec<PlanFile>, CatalogueError> {
    let wrong = |problem: String| CatalogueError { file: folder.display().to_string(), problem };
    let entries = std::fs::read_dir(folder).map_err(|error| wrong(error.to_string()))?;
    let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    if paths.is_empty() {
        return Err(wrong("expected at least one plan (*.toml)".into()));
    }
    let read = |path: &std::path::PathBuf| {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| CatalogueError { file: file.clone(), problem: error.to_string() })?;
        parse(&file, &text)
    };
    paths.iter().map(read).collect()
}

/// Reads one plan; `file` is only named in errors.
///
/// # Errors
/// Names the key and what was expected of it.
pub fn parse(file: &str, text: &str) -> Result<PlanFile, CatalogueError> {
    let checked = toml::from_str::<Raw>(text).map_err(|error| error.to_string()).and_then(Raw::check);
    checked.map_err(|problem| CatalogueError { file: file.into(), problem })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    code: String,
    name: String,
    description: String,
    currency: String,
    base_fee: String,
    signup_credit: String,
    requests_per_minute: i32,
    #[serde(default = "one")]
    weight: i32,
    #[serde(default)]
    price: Vec<RawPrice>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPrice {
    meter: String,
    task: String,
    description: String,
    tiers: Vec<RawTier>,
    #[serde(default)]
    cached: Cached,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTier {
    up_to: Option<i64>,
    unit: String,
}

fn one() -> i32 {
    1
}

impl Raw {
    fn check(self) -> Result<PlanFile, String> {
        if self.code.is_empty() || !self.code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return Err(format!("code: expected lower-case letters, digits and hyphens, found {:?}", self.code));
        }
        if self.currency.len() != 3 || !self.currency.bytes().all(|b| b.is_ascii_lowercase()) {
            return Err(format!("currency: expected three lower-case letters such as usd, found {:?}", self.currency));
        }
        if self.requests_per_minute < 1 {
            return Err(format!("requests_per_minute: expected at least 1, found {}", self.requests_per_minute));
        }
        if !(1..=100).contains(&self.weight) {
            return Err(format!("weight: expected a number from 1 to 100, found {}", self.weight));
        }
        let exponent = money::exponent(&self.currency);
        let base_fee = amount("base_fee", &self.base_fee)?.round(exponent);
        if base_fee.nanos(exponent).map_err(|error| format!("base_fee: {error}"))? != amount("base_fee", &self.base_fee)? {
            return Err(format!("base_fee: expected at most {exponent} digits behind the point, found {:?}", self.base_fee));
        }
        let signup_credit = amount("signup_credit", &self.signup_credit)?;
        let mut prices = Vec::new();
        for (index, price) in self.price.into_iter().enumerate() {
            prices.push(price.check(&format!("price[{index}]"))?);
        }
        prices.sort_by(|a, b| (&a.task, &a.meter).cmp(&(&b.task, &b.meter)));
        if let Some(twice) = prices.windows(2).find(|pair| (&pair[0].task, &pair[0].meter) == (&pair[1].task, &pair[1].meter)) {
            return Err(format!("price: expected one price per task and meter, found two for {} {}", twice[0].task, twice[0].meter));
        }
        Ok(PlanFile {
            code: self.code,
            name: self.name,
            description: self.description,
            currency: self.currency,
            base_fee,
            signup_credit,
            requests_per_minute: self.requests_per_minute,
            weight: self.weight,
            prices,
        })
    }
}

impl RawPrice {
    fn check(self, key: &str) -> Result<PriceFile, String> {
        if self.meter != "images" {
            return Err(format!("{key}.meter: expected images, found {:?}", self.meter));
        }
        if !["detect", "classify", "embed"].contains(&self.task.as_str()) {
            return Err(format!("{key}.task: expected detect, classify or embed, found {:?}", self.task));
        }
        let last = self.tiers.len().checked_sub(1).ok_or_else(|| format!("{key}.tiers: expected at least one tier"))?;
        let mut below = 0;
        let mut tiers = Vec::new();
        for (index, tier) in self.tiers.into_iter().enumerate() {
            let key = format!("{key}.tiers[{index}]");
            match tier.up_to {
                None if index == last => {}
                Some(up_to) if index < last && up_to > below => below = up_to,
                Some(_) if index == last => return Err(format!("{key}.up_to: expected none, the last tier has no bound")),
                found => return Err(format!("{key}.up_to: expected a number above {below}, found {found:?}")),
            }
            tiers.push(Tier { up_to: tier.up_to, unit_nanos: amount(&format!("{key}.unit"), &tier.unit)? });
        }
        Ok(PriceFile { meter: self.meter, task: self.task, description: self.description, tiers: Tiers(tiers), cached: self.cached })
    }
}

/// A decimal text such as `0.0015` in nanos, exactly: no float is involved.
fn amount(key: &str, text: &str) -> Result<Nanos, String> {
    let wrong = || format!("{key}: expected an amount such as \"0.0015\" with at most nine digits behind the point, found {text:?}");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 9 || !digits(whole) || !digits(fraction) || text.ends_with('.') {
        return Err(wrong());
    }
    format!("{whole}{fraction:0<9}").parse().map(Nanos).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDARD: &str = include_str!("../../../plans/standard.toml");

    #[test]
    fn the_default_plan_reads() {
        let plan = parse("standard.toml", STANDARD).unwrap();
        assert_eq!((plan.base_fee, plan.signup_credit), (Minor(500), Nanos(1_000_000_000)));
        let tasks: Vec<&str> = plan.prices.iter().map(|price| price.task.as_str()).collect();
        assert_eq!(tasks, ["classify", "detect", "embed"]);
        let tiers = &plan.prices[1].tiers.0;
        assert_eq!((tiers[0].up_to, tiers[0].unit_nanos, tiers[1].unit_nanos), (Some(10_000), Nanos(1_500_000), Nanos(1_000_000)));
    }

    #[test]
    fn comments_and_spacing_do_not_change_the_digest() {
        let plan = parse("a", STANDARD).unwrap();
        let same = parse("b", &format!("# more\n\n{STANDARD}")).unwrap();
        let other = parse("c", &STANDARD.replace("0.0010", "0.0011")).unwrap();
        assert_eq!(plan.digest(), same.digest());
        assert_ne!(plan.digest(), other.digest());
        // What is the default anyway is the same plan whether it is written or not.
        assert_eq!(plan.digest(), parse("d", &STANDARD.replace("cached = \"full\"", "")).unwrap().digest());
        assert_ne!(plan.digest(), parse("e", &STANDARD.replace("cached = \"full\"", "cached = \"free\"")).unwrap().digest());
    }

    #[test]
    fn an_error_names_file_key_and_expectation() {
        for (from, to, expected) in [
            ("\"0.0015\"", "\"1e3\"", "f.toml: price[0].tiers[0].unit: expected an amount"),
            ("\"0.0015\"", "\"0.00000000015\"", "f.toml: price[0].tiers[0].unit: expected an amount"),
            ("\"5.00\"", "\"5.001\"", "f.toml: base_fee: expected at most 2 digits"),
            ("up_to = 10_000", "up_to = 0", "f.toml: price[0].tiers[0].up_to: expected a number above 0"),
            ("{ unit =", "{ up_to = 20_000, unit =", "f.toml: price[0].tiers[1].up_to: expected none"),
            ("\"usd\"", "\"US\"", "f.toml: currency: expected three"),
            ("= 600", "= 0", "f.toml: requests_per_minute: expected at least 1"),
            ("= 600", "= 600\nweight = 0", "f.toml: weight: expected a number from 1 to 100"),
        ] {
            let error = parse("f.toml", &STANDARD.replace(from, to)).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let misspelt = parse("f.toml", &STANDARD.replace("cached = \"full\"", "cached = \"half\"")).unwrap_err().to_string();
        assert!(misspelt.contains("half") && misspelt.contains("`full`"), "{misspelt}");
        assert!(parse("f.toml", &format!("surprise = 1\n{STANDARD}")).unwrap_err().to_string().contains("surprise"));
    }
}
