//! What a customer and an operator do in a month, step by step.

use chrono::TimeDelta;
use entity::credit_note::Settlement;
use entity::ids::{EventId, KeyId, RequestId};
use entity::money::{Minor, Nanos};
use entity::top_up::{self, State};
use entity::{invoice, period, usage_event, usage_rollup};
use lensmeter::billing::auto_top_up::{self, Settings};
use lensmeter::billing::invoice::act::{Why, credit_note};
use lensmeter::billing::{card, plan, rating, top_up as top_ups};
use lensmeter::metering::digest::Digest;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, TransactionTrait as _,
};

use super::world::World;

const DOLLAR: i64 = 1_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Twenty dollars by checkout; the card is saved.
    TopUp,
    /// Calls for twelve dollars: fifteen are bought with the saved card.
    AutoTopUp,
    /// The month ends: five dollars are invoiced and paid.
    Close,
    /// The next one ends, and the card declines.
    Decline,
    /// So it does a day later.
    DeclineAgain,
    /// Two days later a new card is there.
    Recover,
    /// An operator gives two dollars of the first invoice back.
    Refund,
    /// Another card is saved by a page that only does that.
    SaveCard,
    /// Calls for nine dollars, and a card whose bank wants its owner: a letter offers the fifteen at the checkout.
    Ask,
    /// Where they are paid.
    Confirm,
    /// Twenty dollars are paid with a card whose owner then goes to the bank: they are frozen.
    Dispute,
    /// The bank takes them back.
    Lose,
}

pub const MONTH: [Step; 12] = [
    Step::TopUp,
    Step::AutoTopUp,
    Step::Close,
    Step::Decline,
    Step::DeclineAgain,
    Step::Recover,
    Step::Refund,
    Step::SaveCard,
    Step::Ask,
    Step::Confirm,
    Step::Dispute,
    Step::Lose,
];

impl Step {
    /// Does what people do; the rest follows from it.
    pub async fn act(self, world: &World) {
        match self {
            Self::TopUp => world.till.pay(&page(world).await, "4242424242424242").await,
            Self::AutoTopUp => {
                let new = Settings { enabled: true, threshold: Nanos(15 * DOLLAR), amount: Minor(1_500), daily_cap: Minor(1_500) };
                let customer = world.customer().await;
                auto_top_up::set(&world.db, &customer, new, customer.now(world.app.clock.now())).await.expect("within bounds");
                call(world, 8_000).await;
            }
            Self::Close => end_month(world).await,
            Self::Decline => {
                change_card(world, "pm_card_chargeCustomerFail").await;
                call(world, 1_000).await;
                end_month(world).await;
            }
            Self::DeclineAgain => pass(world, TimeDelta::hours(25)).await,
            Self::Recover => {
                change_card(world, "pm_card_mastercard").await;
                pass(world, TimeDelta::days(2)).await;
            }
            Self::Refund => refund(world).await,
            Self::SaveCard => save_card(world).await,
            Self::Ask => {
                change_card(world, "pm_card_authenticationRequired").await;
                call(world, 6_000).await;
            }
            Self::Confirm => confirm(world).await,
            Self::Dispute => world.till.pay(&page(world).await, "4000000000000259").await,
            Self::Lose => {
                let disputes = world.till.get("/v1/disputes").await;
                let id = disputes["data"][0]["id"].as_str().expect("the bank was asked");
                world.till.decide(&format!("/sandbox/disputes/{id}/lost")).await;
            }
        }
    }
}

/// The address of a page where twenty dollars of credit can be paid.
pub async fn page(world: &World) -> String {
    let customer = world.customer().await;
    let now = customer.now(world.app.clock.now());
    let links = ("https://lensmeter.test/ok", "https://lensmeter.test/no");
    let page = top_ups::start(&world.db, &world.app.stripe, &customer, "ada@example.com", Minor(2_000), links, now).await;
    page.expect("a page")
}

async fn open_period(world: &World) -> period::Model {
    let open = period::Entity::of(world.account).filter(period::Column::State.eq(period::State::Open));
    open.one(&*world.db).await.expect("the database").expect("an open period")
}

async fn end_month(world: &World) {
    let end = open_period(world).await.ends_at;
    world.move_account_to(end + TimeDelta::hours(1)).await;
}

async fn pass(world: &World, time: TimeDelta) {
    let now = world.customer().await.now(world.app.clock.now());
    world.move_account_to(now + time).await;
}

/// The customer changes the card on file in Stripe's portal.
async fn change_card(world: &World, card: &str) {
    let customer = world.customer().await.stripe_customer_id.expect("a customer at Stripe");
    let saved = world.till.post(&format!("/v1/payment_methods/{card}/attach"), &[("customer", &customer)]).await;
    let id = saved["id"].as_str().expect("an id");
    world.till.post(&format!("/v1/customers/{customer}"), &[("invoice_settings[default_payment_method]", id)]).await;
}

async fn save_card(world: &World) {
    let customer = world.customer().await;
    let back = ("ada@example.com", "https://lensmeter.test/app/billing/cards");
    let page = card::add(&world.app.db, &world.app.stripe, &customer, back, world.app.clock.now()).await.expect("a page");
    world.till.pay(&page, "378282246310005").await;
}

/// The customer follows the link of the letter.
async fn confirm(world: &World) {
    let offered = top_up::Entity::of(world.account).filter(top_up::Column::State.eq(State::Pending));
    let offered = offered.one(&*world.db).await.expect("the database").expect("an offer");
    world.till.pay(&offered.checkout_url.expect("a page"), "4242424242424242").await;
}

async fn refund(world: &World) {
    let first = invoice::Entity::of(world.account).filter(invoice::Column::TotalMinor.gt(0)).order_by_asc(invoice::Column::Number);
    let first = first.one(&*world.db).await.expect("the database").expect("an invoice");
    let why = Why { actor: "operator", reason: "an outage" };
    let (db, stripe, now) = (&world.app.db, &world.app.stripe, world.app.clock.now());
    credit_note::issue(db, stripe, first.id, (Minor(200), Settlement::Refund), why, now).await.expect("issued");
}

/// One call of many images, with what metering writes for it in one transaction.
async fn call(world: &World, images: i64) {
    let (period, at) = (open_period(world).await, world.customer().await.now(world.app.clock.now()));
    let (_, prices) = plan::current(&*world.db, world.account).await.expect("the database").expect("a plan");
    let price = prices.iter().find(|price| price.task.as_deref() == Some("detect")).expect("it is sold");
    let amount = rating::charge(&price.rate(), 0, images).expect("a price");
    let (event, key) = (EventId::new(), KeyId::new());
    let txn = world.db.begin().await.expect("a transaction");
    let row = usage_event::ActiveModel {
        id: Set(event),
        account_id: Set(world.account),
        key_id: Set(key),
        period_id: Set(period.id),
        price_id: Set(price.id),
        task: Set("detect".into()),
        model: Set("elements".into()),
        model_version: Set("1".into()),
        request_id: Set(RequestId::new()),
        quantity: Set(images),
        quantity_before: Set(0),
        amount_nanos: Set(amount),
        pixels: Set(1_000_000),
        compute_us: Set(30_000),
        at: Set(at),
    };
    usage_event::Entity::insert(row).exec_without_returning(&txn).await.expect("an event");
    let rollup = usage_rollup::ActiveModel {
        account_id: Set(world.account),
        period_id: Set(period.id),
        price_id: Set(price.id),
        key_id: Set(key),
        model: Set("elements".into()),
        hour: Set(at),
        events: Set(1),
        quantity: Set(images),
        amount_nanos: Set(amount),
    };
    usage_rollup::Entity::insert(rollup).exec_without_returning(&txn).await.expect("a rollup");
    let digest = Digest::of_event(event, price.id, (0, images), amount, at).decimal();
    for written in [
        format!("UPDATE usage_rollup SET digest = {digest} WHERE period_id = '{}'", period.id.0),
        format!("UPDATE balance SET debits = debits + {} WHERE account_id = '{}'", amount.0, world.account.0),
    ] {
        txn.execute_unprepared(&written).await.expect("its digest, and credit for it");
    }
    txn.commit().await.expect("committed");
}
