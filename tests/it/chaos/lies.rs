//! Webhooks that Stripe did not send, or not to us, or long ago, or that say what is not so: nothing follows from them.

use chrono::TimeDelta;
use entity::top_up::State;
use entity::{stripe_inbox, top_up};
use poem::http::StatusCode;
use sea_orm::{EntityTrait as _, PaginatorTrait as _};
use serde_json::{Value, json};

use super::courier::signed;
use super::month::Step;
use super::state;
use super::world::{SECRET, World};

async fn event(world: &World, kind: &str) -> Value {
    let page = world.till.get(&format!("/v1/events?type={kind}&limit=1")).await;
    page["data"][0].clone()
}

async fn stored(world: &World) -> u64 {
    stripe_inbox::Entity::find().count(&*world.db).await.expect("the inbox")
}

async fn bought(world: &World) -> State {
    top_up::Entity::of(world.account).one(&*world.db).await.expect("the database").expect("a top-up").state
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stripe_did_not_tell_us_changes_nothing_and_what_it_did_counts_once() {
    let world = World::new(None).await;
    Step::TopUp.act(&world).await;
    let paid = event(&world, "checkout.session.completed").await.to_string();
    let at = world.app.clock.now().timestamp();
    let half = &paid[..paid.len() / 2];
    let courier = world.courier.clone();
    let courier = courier.lock().await;
    for (about, signature, body) in [
        ("forged", signed("whsec_other", at, &paid), paid.as_str()),
        ("without a signature", String::new(), &paid),
        ("with a signature of nothing", format!("t={at},v1="), &paid),
        ("stale", signed(SECRET, at - 301, &paid), &paid),
        ("from the future", signed(SECRET, at + 301, &paid), &paid),
        ("cut off on its way", signed(SECRET, at, &paid), half),
        ("signed half", signed(SECRET, at, half), half),
        ("changed on its way", signed(SECRET, at, &paid), &paid.replace("2000", "9000")),
        ("no event", signed(SECRET, at, "[]"), "[]"),
    ] {
        assert_eq!(courier.post_signed(&signature, body).await, StatusCode::BAD_REQUEST, "{about}");
    }
    let other = |member: &str, value: Value| {
        let mut event: Value = serde_json::from_str(&paid).expect("JSON");
        event[member] = value;
        event.to_string()
    };
    for ignored in [other("livemode", json!(true)), other("account", json!("acct_of_somebody_else"))] {
        assert_eq!(courier.post(SECRET, &ignored).await, StatusCode::OK, "not ours, and not sent again for days");
    }
    assert_eq!(stored(&world).await, 0, "nothing of that is kept");
    assert_eq!(bought(&world).await, State::Pending);

    // Replayed, by the network or by somebody who listened: at once, and days later.
    let replayed = signed(SECRET, at, &paid);
    let all = futures_util::future::join_all((0..6).map(|_| courier.post_signed(&replayed, &paid))).await;
    assert!(all.iter().all(|status| *status == StatusCode::OK), "{all:?}");
    drop(courier);
    world.settle().await;
    assert_eq!(bought(&world).await, State::Paid);
    let once = state::end(&world).await;
    world.app.clock.advance(TimeDelta::days(3));
    assert_eq!(world.courier.lock().await.post_signed(&replayed, &paid).await, StatusCode::BAD_REQUEST, "stale by now");
    assert_eq!(world.courier.lock().await.post(SECRET, &paid).await, StatusCode::OK, "Stripe sends it again");
    world.settle().await;
    assert_eq!(state::difference(&once, &state::end(&world).await), Vec::<String>::new());
}

/// Who has the secret can say that a page was paid. Stripe is asked.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_says_what_is_not_so_is_not_believed() {
    let world = World::new(None).await;
    Step::TopUp.act(&world).await;
    world.settle().await;
    let before = state::end(&world).await;
    let mut lie = event(&world, "checkout.session.completed").await;
    let page = super::month::page(&world).await;
    let unpaid = page.rsplit('/').next().expect("an id").to_owned();
    lie["data"]["object"]["id"] = json!(unpaid);
    for (id, kind) in [("evt_lie1", "checkout.session.completed"), ("evt_lie2", "checkout.session.async_payment_succeeded")] {
        (lie["id"], lie["type"]) = (json!(id), json!(kind));
        assert_eq!(world.courier.lock().await.post(SECRET, &lie.to_string()).await, StatusCode::OK);
    }
    for (id, object, kind) in [
        ("evt_lie3", json!({"id": "in_unknown"}), "invoice.paid"),
        ("evt_lie4", json!({"id": "cs_unknown"}), "checkout.session.completed"),
        ("evt_lie5", json!({"id": "x'; DROP TABLE invoice; --"}), "invoice.payment_failed"),
        ("evt_lie6", json!({}), "charge.dispute.created"),
        ("evt_lie7", json!({"id": "x".repeat(100_000)}), "refund.failed"),
        ("evt_lie8", json!({"id": "in_1"}), "a.kind.of.tomorrow"),
        ("evt_lie9", json!({"id": "cus_1", "name": "\0"}), "customer.updated"),
        ("evt_lie10", json!({"id": "../customers", "object": "customer"}), "payment_intent.succeeded"),
    ] {
        let event = json!({"id": id, "object": "event", "type": kind, "livemode": false, "data": {"object": object}});
        assert_eq!(world.courier.lock().await.post(SECRET, &event.to_string()).await, StatusCode::OK, "{kind}");
    }
    world.settle().await;
    let after = state::end(&world).await;
    let expected = [
        "+ Stripe checkout/sessions: mode \"payment\", status \"open\", payment_status \"unpaid\", amount_total 2000",
        "+ top-up: 2000 pending",
    ];
    let mut found = state::difference(&before, &after);
    // What Stripe does not know is parked, or still asked for: that is for the operator to see.
    found.retain(|line| !line.starts_with("+ job: billing.sync_stripe_event") && !line.starts_with("+ event not done"));
    assert_eq!(found, expected, "but for the page that was opened, all is as it was");
}
