//! The line to Stripe: webhooks that never came, secrets that are wrong, books that differ, and Stripe being away.

use chrono::TimeDelta;
use entity::invoice::PaymentState;
use entity::money::Minor;
use entity::{stripe_difference, stripe_inbox};
use lensmeter::billing::provider::Provider;
use lensmeter::billing::watch::{self, compare, poll};
use lensmeter::billing::{sweep, top_up};
use lensmeter::platform::clock::Clock;
use lensmeter::platform::{queue, secret};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, PaginatorTrait as _};

use super::collecting::{Till, invoiced};
use super::{URL, assert_balanced, balance, reread};
use crate::support::process::{self, Served};
use crate::support::{db, make};

const SECRET: &str = "whsec_nobody";
const TOKEN: &str = "the token of the operator";

async fn state(served: &Served) -> serde_json::Value {
    let request = reqwest::Client::new().get(format!("{}/admin/v1/stripe/state", served.url)).bearer_auth(TOKEN);
    request.send().await.expect("an answer").json().await.expect("JSON")
}

async fn webhook(served: &Served, key: &str, body: &str) -> u16 {
    let at = Clock::System.now().timestamp();
    let header = format!("t={at},v1={}", secret::sign(key, format!("{at}.{body}")));
    let request = reqwest::Client::new().post(format!("{}/inbound/stripe", served.url)).header("stripe-signature", header);
    request.body(body.to_owned()).send().await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn an_operator_sees_that_the_secret_is_wrong_until_it_is_right() {
    let db = db::fresh().await;
    let served = process::serve_with(&db, &[("LENSMETER_ADMIN_TOKEN", TOKEN)]).await;
    let event = r#"{"id":"evt_1","type":"invoice.paid","livemode":false,"data":{"object":{"id":"in_1"}}}"#;
    assert_eq!(state(&served).await["status"], "ok");
    for _ in 0..3 {
        assert_eq!(webhook(&served, "whsec_other", event).await, 400);
    }
    let refused = state(&served).await;
    assert_eq!((refused["status"].as_str(), refused["last_webhook_at"].as_str()), (Some("webhooks_refused"), None));
    assert!(refused["webhooks_refused_since"].is_string() && refused["webhooks_refused_because"].as_str().unwrap().contains("secret"));
    assert_eq!(webhook(&served, SECRET, event).await, 200);
    let well = state(&served).await;
    assert_eq!((well["status"].as_str(), well["webhooks_refused_since"].as_str(), well["mode"].as_str()), (Some("ok"), None, Some("test")));
    assert_eq!((well["waiting_events"].as_u64(), well["last_webhook_at"].is_string()), (Some(1), true));

    // Of another account, and of the other mode: acknowledged and not kept.
    for (id, change) in [("evt_2", r#""livemode":false,"account":"acct_other""#), ("evt_3", r#""livemode":true"#)] {
        let foreign = event.replace("evt_1", id).replace(r#""livemode":false"#, change);
        assert_eq!(webhook(&served, SECRET, &foreign).await, 200);
    }
    assert_eq!(webhook(&served, SECRET, &event[..event.len() - 9]).await, 400, "truncated");
    assert_eq!(stripe_inbox::Entity::find().count(&*db).await.unwrap(), 1);
    let closed = reqwest::get(format!("{}/admin/v1/stripe/state", served.url)).await.unwrap();
    assert_eq!(closed.status().as_u16(), 401);
}

#[tokio::test]
async fn events_that_no_webhook_told_are_found_once() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let account = make::account(&db).await;
    let links = ("https://a.test", "https://b.test");
    let page = top_up::start(&db, &till.stripe, &account, "ada@example.com", Minor(1_000), links, make::start()).await.unwrap();
    till.pay(&page, "4242424242424242").await;
    let now = Clock::System.now();
    let found = poll::run(&db, &till.stripe, false, now).await.unwrap();
    assert!(found > 0);
    assert_eq!(poll::run(&db, &till.stripe, false, now).await.unwrap(), 0, "the same again");
    assert_eq!(watch::state(&*db).await.unwrap().polled_to, Some(now));
    till.work(&db, now).await;
    assert_eq!(top_up::list(&*db, account.id).await.unwrap()[0].state, entity::top_up::State::Paid);
    let before = balance(&db, &account).await;
    assert_eq!(poll::run(&db, &till.stripe, true, now).await.unwrap(), 0, "none of the other mode");
    till.work(&db, now).await;
    assert_eq!(balance(&db, &account).await, before);
    // What was acted on goes when Stripe can tell it no more; what was not stays.
    let kept = async |days| {
        poll::run(&db, &till.stripe, false, now + TimeDelta::days(days)).await.unwrap();
        stripe_inbox::Entity::find().count(&*db).await.unwrap()
    };
    assert!(kept(59).await >= found as u64);
    till.work(&db, now + TimeDelta::days(59)).await;
    let waiting = "UPDATE stripe_inbox SET done_at = NULL WHERE event_id = (SELECT min(event_id) FROM stripe_inbox)";
    db.execute_unprepared(waiting).await.unwrap();
    assert_eq!(kept(125).await, 1);
}

#[tokio::test]
async fn stripe_away_for_an_hour_is_seen_and_nothing_is_lost() {
    let db = db::fresh().await;
    let mut till = Till::open().await;
    let (_, invoice, now) = invoiced(&db, &till, "4242424242424242").await;
    let there = std::mem::replace(&mut till.stripe, Provider::new("http://127.0.0.1:9", "sk_test_1"));
    for minutes in [0, 1, 5, 20, 60] {
        let then = now + chrono::TimeDelta::minutes(minutes);
        till.work(&db, then).await;
        assert!(poll::run(&db, &till.stripe, false, then).await.is_err());
    }
    let state = watch::state(&*db).await.unwrap();
    assert_eq!((state.poll_failed_since, state.polled_to), (Some(now), None), "since the first, and the watermark waits");
    assert_eq!(queue::parked(&*db).await.unwrap(), []);
    till.stripe = there;
    for minutes in [61, 180, 400] {
        till.work(&db, now + chrono::TimeDelta::minutes(minutes)).await;
    }
    till.news(&db, now + chrono::TimeDelta::minutes(401)).await;
    assert_eq!(reread(&db, &invoice).await.payment_state, PaymentState::Paid);
    assert_eq!(watch::state(&*db).await.unwrap().poll_failed_since, None);
    assert_balanced(&db).await;
}

#[tokio::test]
async fn a_wrong_key_waits_and_is_not_parked() {
    let db = db::fresh().await;
    let mut till = Till::open().await;
    let (_, invoice, now) = invoiced(&db, &till, "4242424242424242").await;
    let right = till.wrong_key();
    till.work(&db, now).await;
    assert_eq!(queue::parked(&*db).await.unwrap(), [], "an operator puts the right one in, and it goes on");
    till.stripe = right;
    till.work(&db, now + chrono::TimeDelta::minutes(1)).await;
    assert!(reread(&db, &invoice).await.stripe_invoice_id.is_some());
}

#[tokio::test]
async fn what_was_done_in_stripes_dashboard_is_healed_or_shown() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (_, invoice, now) = invoiced(&db, &till, "4242424242424242").await;
    till.work(&db, now).await;
    let wall = Clock::System.now();
    // Paid, and no news ever came: looking heals it.
    assert_eq!(reread(&db, &invoice).await.payment_state, PaymentState::Processing);
    assert_eq!(compare::run(&db, &till.stripe, URL, wall).await.unwrap(), Some(0));
    let paid = reread(&db, &invoice).await;
    assert_eq!(paid.payment_state, PaymentState::Paid);
    assert_eq!(compare::run(&db, &till.stripe, URL, wall).await.unwrap(), None, "once a day");

    let intent = entity::payment::Entity::find().one(&*db).await.unwrap().unwrap().stripe_payment_reference;
    till.post("/v1/refunds", &[("payment_intent", &intent), ("amount", "100")]).await;
    let copy = paid.stripe_invoice_id.clone().unwrap();
    till.post("/v1/credit_notes", &[("invoice", &copy), ("amount", "100"), ("out_of_band_amount", "100")]).await;
    till.news(&db, now).await;
    let tomorrow = wall + chrono::TimeDelta::hours(24);
    assert_eq!(compare::run(&db, &till.stripe, URL, tomorrow).await.unwrap(), Some(1));
    let mut open: Vec<_> = compare::open(&db).await.unwrap().into_iter().map(|row| (row.object, row.what)).collect();
    open.sort();
    assert_eq!(open, [("credit_note".into(), "issued there".into()), ("refund".to_owned(), "made there".to_owned())]);
    let row = stripe_difference::Entity::find().one(&*db).await.unwrap().unwrap();
    assert_eq!(row.resolved_at, None);
    assert_eq!(queue::parked(&*db).await.unwrap(), []);
    sweep::run(&db, wall).await.unwrap();
}
