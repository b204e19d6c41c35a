//! A server that is killed while it starts a checkout: the customer tries again, and pays once.

use chrono::TimeDelta;
use entity::top_up::{self, State};
use entity::{Time, member};
use lensmeter::auth::session;
use lensmeter::platform::clock::Clock;

use super::blow::{Blow, Victim};
use super::world::World;
use crate::support::process;

/// Where the browser is sent for twenty-five dollars; `None` when the server did not answer.
async fn checkout(url: &str, cookie: &str) -> Option<String> {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let token = session::form_token(process::SECRET, cookie);
    let form = [("amount", "25"), ("custom", ""), ("form_token", token.as_str())];
    let request = client.post(format!("{url}/app/billing/top-up")).header("Sec-Fetch-Site", "same-origin").form(&form);
    let answer = request.header("cookie", format!("lensmeter={cookie}")).send().await.ok()?;
    assert_eq!(answer.status(), 303, "{}", answer.text().await.unwrap_or_default());
    Some(answer.headers()["location"].to_str().expect("an address").to_owned())
}

async fn signed_in(world: &World, now: Time) -> String {
    let owner = member::Entity::of(world.account).one(&*world.db).await.expect("the database").expect("an owner");
    session::open_in(&*world.db, &owner, "a browser", "127.0.0.1", now).await.expect("a session")
}

/// A checkout whose server is killed at a point, and again without. Returns what it was about.
async fn bought(blow: Blow) -> (Option<String>, (usize, usize)) {
    let world = World::new(None).await;
    let cookie = signed_in(&world, Clock::System.now()).await;
    let victim = Victim::of(blow);
    let settings = victim.watch(&world).await;
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let served = process::serve_with(&world.db, &settings).await;
    let url = served.url.clone();
    victim.take(|| Box::new(served));
    victim.arm();
    let first = checkout(&url, &cookie).await;
    assert_eq!(first.is_none(), victim.is_over(), "only a dead server does not answer");
    victim.end();
    world.proxy.step_aside();
    let page = match first {
        Some(page) => page,
        None => {
            let next = process::serve_with(&world.db, &[("STRIPE_API_BASE", world.proxy.url.as_str())]).await;
            checkout(&next.url, &cookie).await.expect("a page")
        }
    };
    world.till.pay(&page, "4242424242424242").await;
    world.settle().await;
    // What never got its page is given up after an hour.
    world.pass(TimeDelta::minutes(61)).await;
    world.settle().await;
    let rows = top_up::Entity::of(world.account).all(&*world.db).await.expect("the database");
    assert_eq!(rows.iter().filter(|row| row.state == State::Paid).count(), 1, "{rows:?}");
    assert!(rows.iter().all(|row| row.state == State::Paid || row.stripe_session_id.is_some() || row.state == State::Expired), "{rows:?}");
    for (list, count) in [("customers", 1), ("charges", 1)] {
        let found = world.till.get(&format!("/v1/{list}")).await;
        assert_eq!(found["data"].as_array().map(Vec::len), Some(count), "{list}");
    }
    world.close().await.remove().await;
    (victim.killed(), victim.reached())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_while_it_starts_a_checkout_takes_the_money_once() {
    let (_, (answers, commits)) = bought(Blow::NEVER).await;
    assert!(answers >= 2 && commits >= 3, "{answers} answers, {commits} commits");
    for blow in (1..=answers).map(Blow::Answer).chain((1..=commits).map(Blow::Commit)) {
        let (killed, _) = bought(blow).await;
        println!("killed {} {}", blow.as_str(), killed.unwrap_or_else(|| "(not reached)".into()));
    }
}
