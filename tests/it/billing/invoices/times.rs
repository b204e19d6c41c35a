//! When things happen: ends of months, summer time, leap days, changes, pauses, credit that expires.

use chrono::TimeDelta;
use entity::{account, period};
use lensmeter::billing::close;
use lensmeter::billing::subscription::Act;
use sea_orm::{ActiveValue::Set, ColumnTrait as _, QueryFilter as _, QueryOrder as _};

use super::{NO_FEE, acts, apply, at, change, ends, gift, issued, selling};
use crate::billing::seller;
use crate::billing::shop::{DETECT, Shop};
use crate::support::make;

const UNIT: &str = "scheme = \"unit\"\nunit = \"0.10\"";

async fn with_fee(fee: &str) -> Shop {
    Shop::on(&selling("eur", &format!("base_fee = \"{fee}\""), UNIT)).await
}

/// The last period that was closed.
async fn last_closed(shop: &Shop) -> period::Model {
    let closed = period::Entity::of(shop.account.id).filter(period::Column::State.eq(period::State::Closed));
    closed.order_by_desc(period::Column::StartsAt).one(&*shop.db).await.expect("the database").expect("a closed period")
}

/// Starts anew at an instant: paused before it, resumed on another anchor by choosing a plan.
async fn begun_at(fee: &str, head: &str, instant: &str) -> Shop {
    let shop = with_fee("0").await;
    acts(&shop, Act::CancelAtPeriodEnd, make::start()).await;
    close::close_due(&shop.db, shop.account.id, at(instant)).await.expect("closed");
    let head = format!("base_fee = \"{fee}\"\n{head}");
    apply(&shop, &selling("eur", &head, UNIT).replace("code = \"test\"", "code = \"anew\"").replace("name = \"Test\"", "name = \"Anew\""))
        .await;
    acts(&shop, Act::ChangeNow("anew".into()), at(instant)).await;
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_on_the_31st() {
    let shop = begun_at("31", "", "2027-01-05T00:00:00Z").await;
    apply(&shop, &selling("eur", "base_fee = \"62\"", UNIT).replace("code = \"test\"", "code = \"large\"")).await;
    let day = at("2027-01-31T00:00:00Z");
    acts(&shop, Act::ChangeNow("large".into()), day).await;
    issued("an_upgrade_on_the_31st", &shop, &seller(), last_closed(&shop).await.id, day).await;
    ends("after_the_upgrade_on_the_31st", &shop, &seller()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_began_on_the_31st_ends_in_february() {
    let shop = begun_at("28", "", "2027-01-31T12:00:00Z").await;
    ends("from_the_31st_to_the_28th", &shop, &seller()).await;
    ends("from_the_28th_to_the_31st", &shop, &seller()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leap_day_counts() {
    let shop = begun_at("29", "billing = \"calendar\"", "2028-02-29T00:00:00Z").await;
    // One of twenty-nine days.
    ends("the_leap_day_alone", &shop, &seller()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_day_on_which_summer_time_begins() {
    let mut shop = with_fee("0").await;
    let berlin = account::ActiveModel { time_zone: Set("Europe/Berlin".into()), ..Default::default() };
    change(&mut shop, berlin).await;
    acts(&shop, Act::CancelAtPeriodEnd, make::start()).await;
    // Midnight in Berlin; the day has twenty-three hours, the month 743.
    let midnight = at("2027-03-27T23:00:00Z");
    close::close_due(&shop.db, shop.account.id, midnight).await.expect("closed");
    let monthly = selling("eur", "base_fee = \"743\"\nbilling = \"calendar\"", UNIT).replace("code = \"test\"", "code = \"month\"");
    apply(&shop, &monthly).await;
    acts(&shop, Act::ChangeNow("month".into()), midnight).await;
    let pause = midnight + TimeDelta::hours(23);
    acts(&shop, Act::PauseNow, pause).await;
    issued("the_day_on_which_summer_time_begins", &shop, &seller(), last_closed(&shop).await.id, pause).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_when_the_period_ends() {
    let shop = with_fee("10").await;
    apply(
        &shop,
        &selling("eur", "base_fee = \"20\"", UNIT).replace("code = \"test\"", "code = \"large\"").replace("\"Test\"", "\"Large\""),
    )
    .await;
    acts(&shop, Act::ChangeAtPeriodEnd("large".into()), make::start()).await;
    shop.calls(2, DETECT).await;
    ends("before_the_change", &shop, &seller()).await;
    ends("after_the_change", &shop, &seller()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_in_the_middle() {
    let shop = with_fee("30").await;
    shop.calls(1, DETECT).await;
    let pause = make::start() + TimeDelta::days(7);
    acts(&shop, Act::PauseNow, pause).await;
    issued("until_the_pause", &shop, &seller(), last_closed(&shop).await.id, pause).await;
    acts(&shop, Act::Resume, make::start() + TimeDelta::days(14)).await;
    ends("after_the_pause", &shop, &seller()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credit_that_expires_in_the_middle_of_the_period() {
    let shop = Shop::on(&selling("eur", NO_FEE, UNIT)).await;
    gift(&shop, 1_000_000_000, Some(make::start() + TimeDelta::days(10))).await;
    shop.calls(4, DETECT).await;
    // Forty cents of the gift are used when it ends; what comes later is paid credit.
    lensmeter::billing::credit::expire::expire_due(&shop.db, shop.account.id, make::start() + TimeDelta::days(11)).await.expect("expired");
    for _ in 0..3 {
        // The first finds its lease void: inference admits again.
        while shop.call(DETECT, make::start() + TimeDelta::days(12)).await.is_err() {}
    }
    ends("credit_that_expires", &shop, &seller()).await;
}
