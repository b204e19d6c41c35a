//! What usage comes to: roundings, edges of tiers, small and large coins.

use super::{NO_FEE, ends, selling};
use crate::billing::seller;
use crate::billing::shop::{Call, DETECT, Shop, plan_of};

/// An account on a plan of one price makes calls, and its month ends.
async fn case(name: &str, currency: &str, head: &str, price: &str, calls: usize) {
    let shop = Shop::on(&selling(currency, head, price)).await;
    shop.calls(calls, DETECT).await;
    ends(name, &shop, &seller()).await;
}

const TIERS: &str = "tiers = [{ up_to = 3, unit = \"0.10\" }, { up_to = 5, unit = \"0.05\", flat = \"1\" }, { unit = \"0.01\" }]";
const VOLUME: &str = "scheme = \"volume\"\ntiers = [{ up_to = 3, unit = \"0.10\" }, { unit = \"0.07\" }]";

#[tokio::test(flavor = "multi_thread")]
async fn zero_usage_with_a_fee() {
    case("zero_usage_with_a_fee", "eur", "base_fee = \"5\"", "scheme = \"unit\"\nunit = \"0.01\"", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn zero_usage_on_trial() {
    case("zero_usage_on_trial", "eur", "base_fee = \"5\"\ntrial_days = 90", "scheme = \"unit\"\nunit = \"0.01\"", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_nano() {
    case("one_nano", "eur", NO_FEE, "scheme = \"unit\"\nunit = \"0.000000001\"", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_cent_is_rounded_away_from_zero() {
    case("half_a_cent", "eur", NO_FEE, "scheme = \"unit\"\nunit = \"0.005\"", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nano_below_half_a_cent_is_rounded_down() {
    case("below_half_a_cent", "eur", NO_FEE, "scheme = \"unit\"\nunit = \"0.004999999\"", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_unit_of_a_tier() {
    case("the_last_unit_of_a_tier", "eur", NO_FEE, TIERS, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_unit_of_the_next_tier() {
    case("the_first_unit_of_the_next_tier", "eur", NO_FEE, TIERS, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_all_tiers() {
    case("over_all_tiers", "eur", NO_FEE, TIERS, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_unit_at_the_dear_volume_price() {
    case("the_last_unit_at_the_dear_volume_price", "eur", NO_FEE, VOLUME, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_price_gives_back() {
    case("a_volume_price_gives_back", "eur", NO_FEE, VOLUME, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_is_begun() {
    case("a_package_that_is_begun", "eur", NO_FEE, "scheme = \"package\"\nunit = \"2\"\nper = 3\nincluded = 1", 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minimum_that_is_lacking() {
    case("a_minimum_that_is_lacking", "eur", NO_FEE, "scheme = \"unit\"\nunit = \"0.5\"\nminimum = \"3.33\"", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maximum_that_is_reached() {
    case("a_maximum_that_is_reached", "eur", NO_FEE, "scheme = \"unit\"\nunit = \"0.4\"\nmaximum = \"1\"", 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn yen_have_no_cents() {
    case("yen", "jpy", "base_fee = \"500\"", "scheme = \"unit\"\nunit = \"0.5\"", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dinars_have_three_digits() {
    case("dinar", "kwd", "base_fee = \"1.234\"", "scheme = \"unit\"\nunit = \"0.0005\"", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_rounded_one_by_one() {
    let price = |task: &str| {
        format!("[[price]]\nmeter = \"calls\"\ntask = \"{task}\"\ndescription = \"Task {task}\"\nscheme = \"unit\"\nunit = \"0.005\"\n")
    };
    let shop = Shop::on(&plan_of("test", "eur", NO_FEE, &["detect", "classify", "embed"].map(price).concat())).await;
    for task in ["detect", "classify", "embed"] {
        shop.calls(1, Call { task, ..DETECT }).await;
    }
    ends("lines_are_rounded_one_by_one", &shop, &seller()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn device_time_is_told_in_seconds() {
    let price =
        "[[price]]\nmeter = \"compute_time\"\ntask = \"detect\"\ndescription = \"Device time\"\nscheme = \"unit\"\nunit = \"0.05\"\n";
    let shop = Shop::on(&plan_of("test", "eur", NO_FEE, price)).await;
    shop.calls(3, Call { compute_us: 1_250_000, ..DETECT }).await;
    ends("device_time", &shop, &seller()).await;
}
