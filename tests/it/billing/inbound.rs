//! `POST /inbound/stripe` through a served program.

use entity::{queue_job, stripe_inbox};
use lensmeter::platform::clock::Clock;
use lensmeter::platform::secret;
use sea_orm::EntityTrait as _;

use crate::support::db::{self, TestDb};
use crate::support::process::{self, Served};

/// The secret that the served program knows.
const SECRET: &str = "whsec_nobody";
const EVENT: &str = r#"{"id":"evt_1","type":"invoice.paid","livemode":false,"data":{"object":{"id":"in_1"}}}"#;

fn signed(key: &str, body: &str, age: i64) -> String {
    let at = Clock::System.now().timestamp() - age;
    format!("t={at},v1={}", secret::sign(key, format!("{at}.{body}")))
}

async fn post(served: &Served, header: String, body: &str) -> u16 {
    let request = reqwest::Client::new().post(format!("{}/inbound/stripe", served.url)).header("stripe-signature", header);
    request.body(body.to_owned()).send().await.expect("an answer").status().as_u16()
}

async fn stored(db: &TestDb) -> (usize, usize) {
    let events = stripe_inbox::Entity::find().all(&**db).await.expect("the inbox").len();
    let jobs = queue_job::Entity::find().all(&**db).await.expect("the queue");
    (events, jobs.iter().filter(|job| job.kind == "billing.sync_stripe_event").count())
}

#[tokio::test]
async fn a_webhook_is_stored_once_and_lies_are_refused() {
    let db = db::fresh().await;
    let served = process::serve(&db).await;
    for (header, body, status) in [
        (signed("whsec_other", EVENT, 0), EVENT, 400),
        (signed(SECRET, EVENT, 0), "{}", 400),
        (signed(SECRET, EVENT, 330), EVENT, 400),
        (signed(SECRET, EVENT, -330), EVENT, 400),
        (String::new(), EVENT, 400),
        (signed(SECRET, "no event", 0), "no event", 400),
    ] {
        assert_eq!(post(&served, header.clone(), body).await, status, "{header} {body}");
    }
    let huge = "x".repeat((1 << 20) + 1);
    assert_eq!(post(&served, signed(SECRET, &huge, 0), &huge).await, 413);
    assert_eq!(stored(&db).await, (0, 0), "nothing of that is kept");

    assert_eq!(post(&served, signed(SECRET, EVENT, 270), EVENT).await, 200);
    assert_eq!(post(&served, signed(SECRET, EVENT, 0), EVENT).await, 200, "Stripe sends it again");
    assert_eq!(stored(&db).await, (1, 1));

    let unknown = EVENT.replace("evt_1", "evt_2").replace("invoice.paid", "something.new");
    assert_eq!(post(&served, signed(SECRET, &unknown, 0), &unknown).await, 200);
    let live = EVENT.replace("evt_1", "evt_3").replace("false", "true");
    assert_eq!(post(&served, signed(SECRET, &live, 0), &live).await, 200, "acknowledged, and not kept");
    assert_eq!(stored(&db).await, (2, 2));
}
