//! Reads `plans/*.toml` into checked types. An error names the file, the key and what was expected.

use std::path::Path;

use entity::money;
use entity::plan_version::Billing;
use serde::Deserialize;

use super::file::PlanFile;
use super::raw_price::{RawPrice, amount, check_places};

/// A catalogue file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct CatalogueError {
    pub file: String,
    pub problem: String,
}

/// All `*.toml` files of a folder, by name.
///
/// # Errors
/// The first file that cannot be read or used; a folder without any plan; two files of one plan.
pub fn read_folder(folder: &Path) -> Result<Vec<PlanFile>, CatalogueError> {
    let wrong = |problem: String| CatalogueError { file: folder.display().to_string(), problem };
    let entries = std::fs::read_dir(folder).map_err(|error| wrong(error.to_string()))?;
    let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    if paths.is_empty() {
        return Err(wrong("expected at least one plan (*.toml)".into()));
    }
    let mut plans = Vec::<PlanFile>::new();
    for path in &paths {
        let plan = read_file(path)?;
        if let Some(index) = plans.iter().position(|known| known.code == plan.code) {
            let problem = format!("code: expected a code of its own, found that of {}", paths[index].display());
            return Err(CatalogueError { file: path.display().to_string(), problem });
        }
        plans.push(plan);
    }
    Ok(plans)
}

/// One plan.
///
/// # Errors
/// When the file cannot be read or used.
pub fn read_file(path: &Path) -> Result<PlanFile, CatalogueError> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| CatalogueError { file: file.clone(), problem: error.to_string() })?;
    parse(&file, &text)
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
    billing: Billing,
    #[serde(default)]
    trial_days: i32,
    #[serde(default = "yes")]
    listed: bool,
    #[serde(default)]
    price: Vec<RawPrice>,
}

fn one() -> i32 {
    1
}

fn yes() -> bool {
    true
}

impl Raw {
    fn check(self) -> Result<PlanFile, String> {
        self.check_words()?;
        self.check_numbers()?;
        let exponent = money::exponent(&self.currency);
        let base_fee = amount("base_fee", &self.base_fee)?.round(exponent);
        if base_fee.nanos(exponent).map_err(|error| format!("base_fee: {error}"))? != amount("base_fee", &self.base_fee)? {
            return Err(format!("base_fee: expected at most {exponent} digits behind the point, found {:?}", self.base_fee));
        }
        let mut prices = Vec::new();
        for (index, price) in self.price.into_iter().enumerate() {
            let key = format!("price[{index}]");
            prices.push((key.clone(), price.check(&key)?));
        }
        check_places(&prices)?;
        let mut prices: Vec<_> = prices.into_iter().map(|(_, price)| price).collect();
        prices.sort_by(|a, b| a.place().cmp(&b.place()));
        Ok(PlanFile {
            code: self.code,
            name: self.name,
            description: self.description,
            currency: self.currency,
            base_fee,
            signup_credit: amount("signup_credit", &self.signup_credit)?,
            requests_per_minute: self.requests_per_minute,
            weight: self.weight,
            billing: self.billing,
            trial_days: self.trial_days,
            listed: self.listed,
            prices,
        })
    }

    fn check_words(&self) -> Result<(), String> {
        if self.code.is_empty() || !self.code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return Err(format!("code: expected lower-case letters, digits and hyphens, found {:?}", self.code));
        }
        if self.name.is_empty() || self.name.chars().count() > 100 {
            return Err(format!("name: expected a text of at most 100 characters, found {:?}", self.name));
        }
        if self.currency.len() != 3 || !self.currency.bytes().all(|b| b.is_ascii_lowercase()) {
            return Err(format!("currency: expected three lower-case letters such as usd, found {:?}", self.currency));
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), String> {
        if self.requests_per_minute < 1 {
            return Err(format!("requests_per_minute: expected at least 1, found {}", self.requests_per_minute));
        }
        if !(1..=100).contains(&self.weight) {
            return Err(format!("weight: expected a number from 1 to 100, found {}", self.weight));
        }
        if !(0..=366).contains(&self.trial_days) {
            return Err(format!("trial_days: expected a number from 0 to 366, found {}", self.trial_days));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use entity::money::{Minor, Nanos};

    use super::*;

    const STANDARD: &str = include_str!("../../../plans/standard.toml");

    #[test]
    fn the_default_plan_reads() {
        let plan = parse("standard.toml", STANDARD).unwrap();
        assert_eq!((plan.base_fee, plan.signup_credit), (Minor(500), Nanos(1_000_000_000)));
        let tasks: Vec<_> = plan.prices.iter().filter_map(|price| price.task.as_deref()).collect();
        assert_eq!(tasks, ["classify", "detect", "embed"]);
        let tiers = &plan.prices[1].rate.tiers.0;
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
        assert_eq!(plan.digest(), parse("d", &STANDARD.replace("cached = \"full\"", "scheme = \"graduated\"")).unwrap().digest());
        assert_ne!(plan.digest(), parse("e", &STANDARD.replace("cached = \"full\"", "cached = \"free\"")).unwrap().digest());
        assert_ne!(plan.digest(), parse("e", &STANDARD.replace("cached = \"full\"", "scheme = \"volume\"")).unwrap().digest());
    }

    #[test]
    fn an_error_names_file_key_and_expectation() {
        for (from, to, expected) in [
            ("\"0.0015\"", "\"1e3\"", "price[0].tiers[0].unit: expected an amount"),
            ("\"0.0015\"", "\"-1\"", "price[0].tiers[0].unit: expected an amount"),
            ("\"0.0015\"", "\"0.00000000015\"", "price[0].tiers[0].unit: expected an amount"),
            ("\"5.00\"", "\"5.001\"", "base_fee: expected at most 2 digits"),
            ("up_to = 10_000", "up_to = 0", "price[0].tiers[0].up_to: expected a number above 0"),
            ("up_to = 10_000, unit", "unit", "price[0].tiers[0].up_to: expected a number above 0, found none"),
            ("{ unit =", "{ up_to = 20_000, unit =", "price[0].tiers[1].up_to: expected none"),
            ("\"usd\"", "\"US\"", "currency: expected three"),
            ("= 600", "= 0", "requests_per_minute: expected at least 1"),
            ("= 600", "= 600\nweight = 0", "weight: expected a number from 1 to 100"),
            ("= 600", "= 600\ntrial_days = -1", "trial_days: expected a number from 0 to 366"),
            ("cached = \"full\"", "scheme = \"unit\"", "price[0].tiers: a price of the scheme unit is said by unit"),
            ("cached = \"full\"", "unit = \"1\"", "price[0].unit: a price of the scheme graduated is said by tiers"),
            ("cached = \"full\"", "per = 0", "price[0].per: expected a number from 1 on"),
            ("cached = \"full\"", "included = -1", "price[0].included: expected a number from 0 on"),
            ("cached = \"full\"", "minimum = \"2\"\nmaximum = \"1\"", "price[0].maximum: expected at least the minimum"),
            (
                "cached = \"full\"",
                "megapixels = \"8+\"",
                "price[0].megapixels: expected a price for every size, found none for images up to 0.25",
            ),
            (
                "task = \"classify\"",
                "task = \"detect\"",
                "price[1]: expected one price for the same calls, found a second for detect beside price[0]",
            ),
            ("task = \"classify\"", "task = \"paint\"", "price[1].task: expected detect"),
        ] {
            let error = parse("f.toml", &STANDARD.replace(from, to)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("f.toml: {expected}")), "{error}");
        }
        for (from, to, word) in [
            ("cached = \"full\"", "cached = \"half\"", "half"),
            ("cached = \"full\"", "scheme = \"stairs\"", "stairs"),
            ("meter = \"images\"", "meter = \"pages\"", "pages"),
            ("code =", "surprise = 1\ncode =", "surprise"),
            ("cached = \"full\"", "megapixels = \"3\"", "megapixels"),
        ] {
            let error = parse("f.toml", &STANDARD.replace(from, to)).unwrap_err().to_string();
            assert!(error.starts_with("f.toml: ") && error.contains(word), "{error}");
        }
    }

    #[test]
    fn device_time_is_priced_by_the_second_and_counted_in_microseconds() {
        let timed = STANDARD.replacen("meter = \"images\"", "meter = \"compute_time\"\nincluded = 2", 1);
        let rate = &parse("f.toml", &timed).unwrap().prices[1].rate;
        assert_eq!((rate.per, rate.included, rate.tiers.0[0].up_to), (1_000_000, 2_000_000, Some(10_000_000_000)));
    }

    #[test]
    fn a_size_without_a_price_of_its_own_may_fall_back() {
        let large = "[[price]]\nmeter = \"images\"\ntask = \"detect\"\nmegapixels = \"8+\"\ndescription = \"Large\"\nscheme = \"unit\"\nunit = \"1\"\n";
        assert_eq!(parse("f.toml", &format!("{STANDARD}\n{large}")).unwrap().prices.len(), 4);
        let alone = large.replace("\"detect\"", "\"detect\"\nmodel = \"elements\"");
        assert!(parse("f.toml", &format!("{STANDARD}\n{alone}")).is_ok(), "the price of the task is the one to fall back to");
    }

    #[test]
    fn two_files_of_one_plan_are_refused() {
        let folder = std::env::temp_dir().join(format!("lensmeter-plans-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["a.toml", "b.toml"] {
            std::fs::write(folder.join(name), STANDARD).unwrap();
        }
        let error = read_folder(&folder).unwrap_err().to_string();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(error.contains("b.toml: code: expected a code of its own") && error.contains("a.toml"), "{error}");
    }
}
