//! Prices of every shape from the call to the invoice, in several currencies.

use lensmeter::billing::allowance::{AllowanceError, Allowances};
use lensmeter::billing::invoice::{export, verify};
use lensmeter::billing::reconcile;

use super::shop::{Call, DETECT, PLENTY, Shop, plan_of};
use super::{assert_balanced, balance};
use crate::support::make;

const FREE: &str = "base_fee = \"0\"";

fn price(rest: &str) -> String {
    format!("[[price]]\nmeter = \"images\"\ntask = \"detect\"\ndescription = \"Detection\"\n{rest}\n")
}

/// Books that agree, and an export of the newest invoice that can be computed again.
async fn assert_sound(shop: &Shop) {
    assert_balanced(&shop.db).await;
    assert_eq!(reconcile::differences(&shop.db, None).await.unwrap(), []);
    let newest = lensmeter::billing::invoice::list(&*shop.db, shop.account.id).await.unwrap().remove(0);
    let export = export::export(&shop.db, &make::archive(), shop.account.id, newest.id).await.unwrap().unwrap();
    verify::verify(&export).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_price_gives_back_what_it_charged_too_much() {
    let tiers = price("scheme = \"volume\"\ntiers = [{ up_to = 3, unit = \"0.10\" }, { unit = \"0.07\" }]");
    let shop = Shop::on(&plan_of("test", "eur", FREE, &tiers)).await;
    assert_eq!(shop.calls(4, DETECT).await, [100_000_000, 100_000_000, 100_000_000, 0]);
    let before = balance(&shop.db, &shop.account).await.remaining();
    assert_eq!(
        shop.end_period().await,
        "usage: 4 x Detection = 0.30 -> 0.30\nvolume: 1 x Detection, volume price = -0.02 -> -0.02\n0.28 - 0.28 = 0.00 eur"
    );
    let after = balance(&shop.db, &shop.account).await.remaining();
    assert_eq!(after.0 - before.0, 20_000_000, "the credit is back");
    shop.metering.limits.give_back(std::time::Duration::ZERO).await;
    assert_sound(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_in_yen_and_a_free_part() {
    let package = price("scheme = \"package\"\nunit = \"120\"\nper = 3\nincluded = 2");
    let shop = Shop::on(&plan_of("yen", "jpy", "base_fee = \"500\"", &package)).await;
    assert_eq!(shop.calls(6, DETECT).await, [0, 0, 120_000_000_000, 0, 0, 120_000_000_000]);
    assert_eq!(
        shop.end_period().await,
        "base_fee: 1 x Test plan, monthly fee = 500 -> 500\nusage: 6 x Detection = 240 -> 240\n740 - 240 = 500 jpy"
    );
    assert_sound(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dinars_have_three_digits_and_a_nano_is_not_lost() {
    let nano = price("scheme = \"unit\"\nunit = \"0.000000001\"\nminimum = \"0.0005\"");
    let shop = Shop::on(&plan_of("dinar", "kwd", FREE, &nano)).await;
    assert_eq!(shop.calls(1, DETECT).await, [1]);
    // Together they are half of the smallest coin; each line is rounded by itself, and the residue is booked.
    assert_eq!(
        shop.end_period().await,
        "usage: 1 x Detection = 0.000000001 -> 0.000\nminimum: 1 x Detection, minimum = 0.000499999 -> 0.000\n0.000 - 0.000 = 0.000 kwd"
    );
    assert_sound(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_size_of_an_image_chooses_its_price() {
    let sizes = ["0.25", "0.5", "1", "2", "4", "8", "8+"];
    let of = |index: usize| format!("scheme = \"unit\"\nunit = \"0.0{index}\"\nmegapixels = \"{}\"", sizes[index]);
    let prices: String = (0..sizes.len()).map(|index| price(&of(index)).replace("Detection", &format!("To {}", sizes[index]))).collect();
    let shop = Shop::on(&plan_of("test", "eur", FREE, &prices)).await;
    let mut amounts = Vec::new();
    for pixels in [1, 250_000, 250_001, 500_000, 1_000_000, 2_000_001, 8_000_000, 8_000_001, i64::MAX] {
        amounts.push(shop.call(Call { pixels, ..DETECT }, make::start()).await.unwrap().amount.0 / 10_000_000);
    }
    assert_eq!(amounts, [0, 0, 1, 1, 2, 4, 5, 6, 6]);
    let text = shop.end_period().await;
    assert!(text.contains("usage: 2 x To 8+ = 0.12") && text.ends_with("0.25 - 0.25 = 0.00 eur"), "{text}");
    assert_sound(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_most_specific_price_counts_and_what_is_not_sold_is_refused() {
    let prices = [
        price("scheme = \"unit\"\nunit = \"0.05\""),
        price("model = \"elements\"\nscheme = \"unit\"\nunit = \"0.03\""),
        price("scheme = \"unit\"\nunit = \"0.02\"").replace("task = \"detect\"", "model = \"stills\""),
    ];
    let shop = Shop::on(&plan_of("test", "eur", FREE, &prices.concat())).await;
    let amount = async |task, model| shop.call(Call { task, model, ..DETECT }, make::start()).await.unwrap().amount.0 / 10_000_000;
    assert_eq!(amount("detect", "elements").await, 3);
    assert_eq!(amount("detect", "other").await, 5);
    assert_eq!(amount("embed", "stills").await, 2, "any task of the model");
    assert_eq!(amount("detect", "stills").await, 2, "a model's price is before that of its task");
    let unsold = Allowances::default().price_of(&shop.db, &shop.account, "embed", "elements", make::start()).await;
    assert!(matches!(unsold, Err(AllowanceError::NoPrice(task)) if task == "embed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn device_time_is_charged_by_the_microsecond_and_never_beyond_what_was_held() {
    let timed = price("scheme = \"unit\"\nunit = \"0.05\"").replace("images", "compute_time");
    let shop = Shop::on(&plan_of("test", "eur", FREE, &timed)).await;
    for (compute_us, nanos) in [(31_250, 1_562_500), (0, 0), (1, 50), (60_000_000, 250_000_000)] {
        let committed = shop.call(Call { compute_us, ..DETECT }, make::start()).await.unwrap();
        assert_eq!(committed.amount.0, nanos, "{compute_us}");
    }
    shop.end_period().await;
    assert_sound(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flat_price_is_held_once_and_a_maximum_ends_the_charges() {
    let flat = price("scheme = \"flat\"\nflat = \"7\"");
    let capped = price("scheme = \"unit\"\nunit = \"0.4\"\nmaximum = \"1\"").replace("detect", "embed");
    let shop = Shop::on(&plan_of("test", "eur", FREE, &format!("{flat}{capped}"))).await;
    let worst =
        async |task| Allowances::default().price_of(&shop.db, &shop.account, task, "m", make::start()).await.unwrap().worst(1).unwrap().0;
    assert_eq!(worst("detect").await, 7_000_000_000);
    assert_eq!(shop.calls(2, DETECT).await, [7_000_000_000, 0]);
    assert_eq!(worst("detect").await, 0, "what was charged once is not held again");
    assert_eq!(shop.calls(4, Call { task: "embed", ..DETECT }).await, [400_000_000, 400_000_000, 200_000_000, 0]);
    assert_eq!(shop.end_period().await.lines().last(), Some("8.00 - 8.00 = 0.00 eur"));
    assert_sound(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_the_credit_is_usable_after_the_dear_tier() {
    // 0.10, then 0.01 each: when the dear unit is paid, a cent more is enough for one call.
    let tiers = price("tiers = [{ up_to = 1, unit = \"0.10\" }, { unit = \"0.01\" }]");
    let shop = Shop::on(&plan_of("test", "eur", FREE, &tiers)).await;
    shop.calls(1, DETECT).await;
    let admission = Allowances::default().price_of(&shop.db, &shop.account, "detect", "elements", make::start()).await.unwrap();
    assert_eq!((admission.worst(1).unwrap().0, admission.worst_ever().unwrap().0), (10_000_000, 100_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_add_up_to_the_price_of_their_number() {
    let tiers = price(
        "tiers = [{ up_to = 7, unit = \"0.000000003\", flat = \"0.01\" }, { up_to = 20, unit = \"0.5\" }, { unit = \"0.1\", flat = \"2\" }]",
    );
    let shop = std::sync::Arc::new(Shop::on(&plan_of("test", "eur", FREE, &tiers)).await);
    let calls: Vec<_> = (0..30)
        .map(|_| {
            let shop = shop.clone();
            tokio::spawn(async move { shop.call(DETECT, make::start()).await.expect("committed").amount.0 })
        })
        .collect();
    let mut sum = 0;
    for call in calls {
        sum += call.await.unwrap();
    }
    assert_eq!(sum, 7 * 3 + 10_000_000 + 13 * 500_000_000 + 10 * 100_000_000 + 2_000_000_000);
    assert_eq!(shop.end_period().await.lines().last(), Some("9.51 - 9.51 = 0.00 eur"));
    assert_sound(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minimum_is_due_without_a_call_and_by_its_share_after_a_trial() {
    let minimum = price("scheme = \"unit\"\nunit = \"1\"\nminimum = \"30\"");
    let shop = Shop::on(&plan_of("yen", "jpy", "base_fee = \"300\"\ntrial_days = 10", &minimum)).await;
    // A period of thirty days, the first ten of them free.
    assert_eq!(
        shop.end_period().await,
        "base_fee: 1 x Test plan, fee from 2026-11-30 to 2026-12-20 = 200 -> 200\nminimum: 1 x Detection, minimum = 20 -> 20\n220 - 0 = 220 jpy"
    );
    assert_eq!(
        shop.end_period().await,
        "base_fee: 1 x Test plan, monthly fee = 300 -> 300\nminimum: 1 x Detection, minimum = 30 -> 30\n330 - 0 = 330 jpy"
    );
    assert_eq!(balance(&shop.db, &shop.account).await.remaining(), PLENTY);
    assert_sound(&shop).await;
}
