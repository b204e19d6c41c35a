//! Stripe is away, or our secret is wrong: nothing is lost, and the operator can see it.

use std::process::Command;

use chrono::TimeDelta;
use entity::stripe_state;
use lensmeter::billing::watch;
use lensmeter::platform::queue;
use poem::http::StatusCode;

use super::month::{MONTH, Step};
use super::state;
use super::world::{SECRET, World};

/// What the operator sees of the line to Stripe.
async fn line(world: &World) -> stripe_state::Model {
    watch::state(&*world.db).await.expect("the database")
}

/// The month's first steps, with something in between.
async fn end_after(steps: &[Step], world: &World) -> String {
    for step in steps {
        step.act(world).await;
        world.settle().await;
    }
    state::end(world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_without_stripe_loses_nothing() {
    let steps = [Step::TopUp, Step::AutoTopUp, Step::Close];
    let expected = end_after(&steps, &World::new(None).await).await;

    let world = World::new(None).await;
    end_after(&steps[..1], &world).await;
    for step in &steps[1..] {
        step.act(&world).await;
        world.proxy.set_away(true);
        let heard = world.proxy.answers();
        for _ in 0..6 {
            world.come_around().await;
            world.work().await;
            world.pass(TimeDelta::minutes(10)).await;
        }
        assert_eq!(world.proxy.answers(), heard, "nothing got through");
        let told = line(&world).await;
        assert!(told.poll_failed_since.is_some() && told.poll_error.is_some(), "{told:?}");
        assert_eq!(queue::parked(&*world.db).await.expect("the queue"), [], "what may work later is not given up");
        world.proxy.set_away(false);
        // What failed last waits longest: half of the time that it failed for, and some more.
        world.pass(TimeDelta::hours(2)).await;
        world.settle().await;
    }
    assert_eq!(state::difference(&expected, &state::end(&world).await), Vec::<String>::new());
    let told = line(&world).await;
    assert_eq!((told.poll_failed_since, told.refused_since), (None, None), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_refuses_every_webhook_and_the_month_still_ends_the_same() {
    let expected = end_after(&MONTH, &World::new(None).await).await;
    let world = World::new(None).await;
    world.courier.lock().await.sign_with("whsec_of_another_endpoint");
    let found = end_after(&MONTH, &world).await;
    assert_eq!(state::difference(&expected, &found), Vec::<String>::new(), "asking finds what no webhook tells");
    let told = line(&world).await;
    assert!(told.refused_since.is_some() && told.webhook_at.is_none(), "{told:?}");
    assert_eq!(told.refused_reason.as_deref(), Some("no active secret made this signature"));
    // The operator puts it right.
    let mut courier = world.courier.lock().await;
    courier.sign_with(SECRET);
    let event = world.till.get("/v1/events?limit=1").await["data"][0].to_string();
    assert_eq!(courier.post(SECRET, &event).await, StatusCode::OK);
    let told = line(&world).await;
    assert!(told.refused_since.is_none() && told.webhook_at.is_some(), "{told:?}");
}

#[test]
fn the_demo_does_not_start_beside_a_live_key() {
    let data = std::env::temp_dir().join(format!("lensmeter-live-{}", std::process::id()));
    for key in ["sk_live_1", "rk_live_1"] {
        let mut demo = Command::new(env!("CARGO_BIN_EXE_lensmeter"));
        demo.args(["demo", "--once", "--port", "0", "--data"]).arg(&data).env("STRIPE_SECRET_KEY", key);
        let output = demo.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("live Stripe key"), "{said}");
    }
    std::fs::remove_dir_all(data).expect("it was made");
}
