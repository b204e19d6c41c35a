//! Which tax a document carries: by the countries of seller and buyer and the buyer's VAT id. One rule for all its lines, as
//! all of them are the same electronic service.

pub mod vat_id;

use entity::account;
use entity::money::{Minor, Overflow};
use serde::{Deserialize, Serialize};

use crate::platform::config::Seller;

/// Hundredths of a per cent in a whole.
const WHOLE: i128 = 10_000;

/// The VAT category codes of EN 16931 (UNTDID 5305) that we use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Category {
    /// At the standard rate.
    S,
    /// Reverse charge: the recipient owes it.
    AE,
}

/// How the tax of a document is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Whose tax it is, ISO 3166-1 alpha-2.
    pub country: String,
    /// As people say it: `VAT`, `GST`.
    pub name: String,
    pub category: Category,
    /// Hundredths of a per cent.
    pub basis_points: u32,
    /// Whether prices hold it already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub included: bool,
}

/// What a rule gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tax {
    #[serde(flatten)]
    pub rule: Rule,
    /// What it is on, without it.
    pub base: Minor,
    pub amount: Minor,
}

/// The rule for an account; `None` where the seller charges none. A buyer that has told no country is charged like one next
/// door: who wants less says where it is.
pub fn rule_for(seller: &Seller, account: &account::Model) -> Option<Rule> {
    let country = account.country.as_deref().unwrap_or(&seller.country);
    let rate = seller.taxes.iter().find(|rate| rate.country == country)?;
    let abroad = country != seller.country;
    let business = account.tax_id.as_deref().is_some_and(|id| vat_id::check(country, id).is_ok());
    let reverse = rate.reverse_charge && abroad && business;
    Some(Rule {
        country: country.into(),
        name: rate.name.clone(),
        category: if reverse { Category::AE } else { Category::S },
        basis_points: if reverse { 0 } else { rate.basis_points },
        included: rate.included && !reverse,
    })
}

impl Rule {
    /// The tax on `base`, rounded once, half away from zero.
    ///
    /// # Errors
    /// When an amount does not fit.
    pub fn on(&self, base: Minor) -> Result<Tax, Overflow> {
        let (whole, rate) = (i128::from(base.0), i128::from(self.basis_points));
        let amount = divided(whole * rate, if self.included { WHOLE + rate } else { WHOLE })?;
        let net = if self.included { base.0.checked_sub(amount).ok_or(Overflow)? } else { base.0 };
        Ok(Tax { rule: self.clone(), base: Minor(net), amount: Minor(amount) })
    }
}

/// Half away from zero; `by` is above zero.
pub(super) fn divided(amount: i128, by: i128) -> Result<i64, Overflow> {
    let half = if amount < 0 { -by / 2 } else { by / 2 };
    i64::try_from((amount + half) / by).map_err(|_| Overflow)
}

#[cfg(test)]
mod tests {
    use entity::account::Mode;
    use entity::ids::AccountId;

    use super::*;
    use crate::platform::config::TaxRate;

    fn rate(country: &str, basis_points: u32, reverse_charge: bool) -> TaxRate {
        TaxRate { country: country.into(), name: "VAT".into(), basis_points, included: false, reverse_charge }
    }

    fn asked(country: Option<&str>, tax_id: Option<&str>) -> Option<(String, Category, u32)> {
        let taxes = vec![rate("DE", 1_900, false), rate("FR", 2_000, true), rate("CH", 810, false)];
        let seller = Seller { country: "DE".into(), taxes, ..Seller::default() };
        let mut account = account::Model::new(AccountId::new(), "Ada".into(), "eur", Mode::Test, entity::Time::UNIX_EPOCH);
        (account.country, account.tax_id) = (country.map(str::to_owned), tax_id.map(str::to_owned));
        rule_for(&seller, &account).map(|rule| (rule.country, rule.category, rule.basis_points))
    }

    #[test]
    fn a_business_abroad_owes_it_itself_and_nobody_else_does() {
        assert_eq!(asked(Some("FR"), Some("FR12345678901")), Some(("FR".into(), Category::AE, 0)));
        assert_eq!(asked(Some("FR"), None), Some(("FR".into(), Category::S, 2_000)));
        assert_eq!(asked(Some("FR"), Some("DE123456789")), Some(("FR".into(), Category::S, 2_000)), "an id of another country");
        assert_eq!(asked(Some("DE"), Some("DE123456789")), Some(("DE".into(), Category::S, 1_900)), "at home");
        assert_eq!(asked(Some("CH"), Some("CHE123456789")), Some(("CH".into(), Category::S, 810)), "outside of the scheme");
        assert_eq!(asked(None, None), Some(("DE".into(), Category::S, 1_900)));
        assert_eq!(asked(Some("US"), None), None);
    }

    #[test]
    fn it_is_rounded_once_and_included_tax_is_taken_out() {
        let mut rule = Rule { country: "DE".into(), name: "VAT".into(), category: Category::S, basis_points: 1_900, included: false };
        assert_eq!(rule.on(Minor(50)).map(|tax| (tax.base, tax.amount)), Ok((Minor(50), Minor(10))), "9.5 is 10");
        assert_eq!(rule.on(Minor(-50)).map(|tax| tax.amount), Ok(Minor(-10)));
        assert!(rule.on(Minor(i64::MAX)).is_ok(), "less than the whole");
        rule.included = true;
        assert_eq!(rule.on(Minor(11_900)).map(|tax| (tax.base, tax.amount)), Ok((Minor(10_000), Minor(1_900))));
        assert_eq!(rule.on(Minor(1)).map(|tax| (tax.base, tax.amount)), Ok((Minor(1), Minor(0))));
        rule.basis_points = u32::MAX;
        rule.included = false;
        assert_eq!(rule.on(Minor(i64::MAX)), Err(Overflow));
    }
}
