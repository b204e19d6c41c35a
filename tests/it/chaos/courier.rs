//! Who carries the sandbox's events to our webhook route, in simulated time: each once and in order, or as a seed has it.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::Arc;

use chrono::TimeDelta;
use entity::Time;
use lensmeter::inbound;
use lensmeter::platform::clock::Clock;
use lensmeter::platform::secret;
use poem::endpoint::BoxEndpoint;
use poem::http::{Method, StatusCode};
use poem::{Endpoint as _, EndpointExt as _, Request, Route};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use super::till::Till;
use super::world::SECRET;

/// What became of the events.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    /// Events at Stripe.
    pub events: usize,
    /// Webhooks that came.
    pub sent: usize,
    /// Of events that came more than once.
    pub duplicated: usize,
    /// Events that never came.
    pub dropped: usize,
    /// Webhooks that came later than at once.
    pub delayed: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.sent += other.sent;
        self.duplicated += other.duplicated;
        self.dropped += other.dropped;
        self.delayed += other.delayed;
    }
}

pub struct Courier {
    till: Till,
    clock: Clock,
    inbound: Arc<BoxEndpoint<'static>>,
    /// Without one, each event comes once, at once and in order.
    chance: Option<StdRng>,
    key: &'static str,
    /// The newest event that was seen.
    last: Option<String>,
    /// On their way: when they arrive, and who is first of those that arrive together.
    due: BTreeMap<(Time, u64), Value>,
    pub tally: Tally,
}

impl Courier {
    pub fn new(till: Till, app: &lensmeter::app::App, seed: Option<u64>) -> Self {
        let inbound = Arc::new(inbound::mount(Route::new()).data(app.clone()).boxed());
        let chance = seed.map(StdRng::seed_from_u64);
        Self { till, clock: app.clock.clone(), inbound, chance, key: SECRET, last: None, due: BTreeMap::new(), tally: Tally::default() }
    }

    /// Takes up what happened at Stripe since the last time, and delivers what is due. Returns how many webhooks came.
    pub async fn carry(&mut self) -> usize {
        let now = self.clock.now();
        for event in self.news().await {
            self.last = event["id"].as_str().map(str::to_owned);
            self.tally.events += 1;
            self.plan(event, now);
        }
        let later = self.due.split_off(&(now + TimeDelta::microseconds(1), 0));
        let now_due = std::mem::replace(&mut self.due, later);
        self.hand_over(now_due).await
    }

    /// Delivers what is still on its way, however late.
    pub async fn carry_all(&mut self) -> usize {
        let rest = std::mem::take(&mut self.due);
        self.hand_over(rest).await
    }

    /// Leaves what happened until now as told.
    pub async fn skip(&mut self) {
        while let Some(last) = self.news().await.last() {
            self.last = last["id"].as_str().map(str::to_owned);
        }
    }

    async fn news(&self) -> Vec<Value> {
        let after = self.last.as_ref().map(|last| format!("&ending_before={last}")).unwrap_or_default();
        let page = self.till.get(&format!("/v1/events?limit=100{after}")).await;
        let mut events = page["data"].as_array().expect("a list").clone();
        events.reverse();
        events
    }

    fn plan(&mut self, event: Value, now: Time) {
        let Some(chance) = &mut self.chance else {
            let number = self.tally.events as u64;
            self.due.insert((now, number), event);
            return;
        };
        if chance.random_bool(0.2) {
            self.tally.dropped += 1;
            return;
        }
        let copies = if chance.random_bool(0.3) { chance.random_range(2..=3) } else { 1 };
        self.tally.duplicated += usize::from(copies > 1);
        for _ in 0..copies {
            let minutes = match chance.random_range(0..10) {
                0..5 => 0,
                5..8 => chance.random_range(1..=20),
                // Into what happens long after.
                _ => chance.random_range(20..=240),
            };
            self.tally.delayed += usize::from(minutes > 0);
            self.due.insert((now + TimeDelta::minutes(minutes), chance.random()), event.clone());
        }
    }

    async fn hand_over(&mut self, events: BTreeMap<(Time, u64), Value>) -> usize {
        let count = events.len();
        for event in events.values() {
            let expected = if self.key == SECRET { StatusCode::OK } else { StatusCode::BAD_REQUEST };
            assert_eq!(self.post(self.key, &event.to_string()).await, expected, "{event}");
        }
        self.tally.sent += count;
        count
    }

    /// Signs with another secret than ours from now on: whatever comes is refused.
    pub fn sign_with(&mut self, key: &'static str) {
        self.key = key;
    }

    /// A webhook with this body, signed now.
    pub async fn post(&self, key: &str, body: &str) -> StatusCode {
        self.post_signed(&signed(key, self.clock.now().timestamp(), body), body).await
    }

    /// A webhook as it is.
    pub async fn post_signed(&self, signature: &str, body: &str) -> StatusCode {
        let request = Request::builder().method(Method::POST).uri_str("/inbound/stripe").header("stripe-signature", signature);
        self.inbound.get_response(request.body(body.to_owned())).await.status()
    }
}

/// The `Stripe-Signature` of a body.
pub fn signed(key: &str, at: i64, body: &str) -> String {
    format!("t={at},v1={}", secret::sign(key, format!("{at}.{body}")))
}
