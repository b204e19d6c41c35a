//! Plans of every price model, in several currencies.

use entity::money::{Nanos, exponent};

use crate::billing::plan::{self, PlanFile};

/// The currencies, each with what a dollar is worth in thousandths of its major unit.
pub(super) const CURRENCIES: [(&str, i64); 4] = [("usd", 1_000), ("eur", 900), ("jpy", 150_000), ("kwd", 300)];

/// An amount of so many nanos of a dollar in a currency.
pub(super) fn priced(nanos_of_a_dollar: i64, worth: i64) -> Nanos {
    Nanos(nanos_of_a_dollar / 1_000 * worth)
}

/// Codes of the plans in a currency.
pub(super) fn codes(currency: &str) -> [String; 5] {
    let standard = if currency == "usd" { "standard".to_owned() } else { format!("flow-{currency}") };
    [standard, format!("tiers-{currency}"), format!("volume-{currency}"), format!("package-{currency}"), format!("time-{currency}")]
}

/// All of them.
///
/// # Errors
/// When one is wrong, with its place.
pub(super) fn plans() -> anyhow::Result<Vec<PlanFile>> {
    let mut plans = Vec::new();
    for (currency, worth) in CURRENCIES {
        let amount = |cents_of_cents: i64| priced(cents_of_cents * 100_000, worth).decimal(exponent(currency));
        let fee = |dollars: i64| priced(dollars * 1_000_000_000, worth).round(exponent(currency)).decimal(exponent(currency));
        let [flow, tiers, volume, package, time] = codes(currency);
        let any = format!("[[price]]\nmeter = \"calls\"\ndescription = \"Other calls\"\nscheme = \"unit\"\nunit = \"{}\"\n", amount(77));
        let detect = "[[price]]\nmeter = \"images\"\ntask = \"detect\"\ndescription = \"Image detection\"\n";
        let rest = [
            (
                flow,
                format!("base_fee = \"{}\"\ntrial_days = 14", fee(5)),
                format!("{detect}scheme = \"unit\"\nunit = \"{}\"\n", amount(123)),
            ),
            (tiers, format!("base_fee = \"{}\"\nbilling = \"calendar\"", fee(20)), graduated(detect, amount)),
            (volume, "base_fee = \"0\"".into(), by_volume(detect, amount)),
            (package, format!("base_fee = \"{}\"", fee(9)), packages(detect, amount)),
            (time, format!("base_fee = \"{}\"\nbilling = \"calendar\"\ntrial_days = 40", fee(2)), timed(amount)),
        ];
        for (code, head, prices) in rest {
            plans.push(plan::parse(&code, &text(&code, currency, &head, &format!("{prices}{any}")))?);
        }
    }
    Ok(plans)
}

fn text(code: &str, currency: &str, head: &str, prices: &str) -> String {
    format!(
        "code = \"{code}\"\nname = \"{code}\"\ndescription = \"For a year.\"\ncurrency = \"{currency}\"\nsignup_credit = \"0\"\n\
         requests_per_minute = 1000000\n{head}\n{prices}"
    )
}

fn graduated(detect: &str, amount: impl Fn(i64) -> String) -> String {
    let (first, second, third, entry) = (amount(150), amount(90), amount(40), amount(20_000));
    format!(
        "{detect}included = 5\ntiers = [{{ up_to = 10, unit = \"{first}\" }}, {{ up_to = 20, unit = \"{second}\", flat = \"{entry}\" }}, {{ unit = \"{third}\" }}]\n"
    )
}

fn by_volume(detect: &str, amount: impl Fn(i64) -> String) -> String {
    let (dear, cheap, minimum) = (amount(1_000), amount(700), amount(30_000));
    format!(
        "{detect}scheme = \"volume\"\ntiers = [{{ up_to = 15, unit = \"{dear}\" }}, {{ unit = \"{cheap}\" }}]\nminimum = \"{minimum}\"\n"
    )
}

fn packages(detect: &str, amount: impl Fn(i64) -> String) -> String {
    let (package, most, flat) = (amount(9_999), amount(45_000), amount(12_345));
    format!(
        "{detect}scheme = \"package\"\nunit = \"{package}\"\nper = 7\nmaximum = \"{most}\"\n\
         [[price]]\nmeter = \"calls\"\ntask = \"classify\"\ndescription = \"Classification, all you can\"\nscheme = \"flat\"\nflat = \"{flat}\"\n"
    )
}

fn timed(amount: impl Fn(i64) -> String) -> String {
    let mut text = format!(
        "[[price]]\nmeter = \"compute_time\"\ntask = \"detect\"\ndescription = \"Device time\"\nscheme = \"unit\"\nunit = \"{}\"\n",
        amount(3_333)
    );
    for (place, size) in (1..).zip(["0.25", "0.5", "1", "2", "4", "8", "8+"]) {
        let unit = amount(place * 31);
        text.push_str(&format!(
            "[[price]]\nmeter = \"images\"\ntask = \"classify\"\nmegapixels = \"{size}\"\ndescription = \"Classification to {size} MP\"\n\
             scheme = \"unit\"\nunit = \"{unit}\"\n"
        ));
    }
    text
}
