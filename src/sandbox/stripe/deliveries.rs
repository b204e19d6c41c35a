//! Webhooks: really signed, really sent, tried again until the receiver answers 2xx. Pending ones survive a restart.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    faults,
    store::{State, Store, new_id},
};
use crate::sandbox::clock::real_now;

/// Seconds before the next try; the last one repeats.
const BACK_OFF: &[f64] = &[0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0];
/// As Stripe: after three days it gives up, and the sender's poll of events has to find it.
const GIVES_UP_AFTER_MS: i64 = 3 * 24 * 3600 * 1000;
const AT_ONCE: usize = 4;

/// One webhook on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delivery {
    /// Grows by one; the key.
    pub number: u64,
    /// The event.
    pub event: String,
    /// Its type, for the log.
    pub kind: String,
    /// Tries so far.
    pub attempts: u32,
    /// When the next try is due (milliseconds); `None` when it is over.
    pub due: Option<i64>,
    /// When it was queued (milliseconds).
    pub created: i64,
    /// What came of the last try.
    pub outcome: String,
    /// A fault that spoils its first try: `wrong_secret`, `stale`.
    pub spoilt: Option<String>,
}

/// Queues the webhook of an event, as the waiting faults will have it.
pub fn queue(state: &mut State, event: &str, kind: &str) {
    if !state.sends_webhooks() {
        return;
    }
    let now = real_now().timestamp_millis();
    for planned in faults::plan_webhook(state, kind) {
        let number = state.deliveries.last_key_value().map_or(1, |(last, _)| last + 1);
        let (due, outcome) = match planned.delay_ms {
            Some(delay) => (Some(now + delay), String::new()),
            None => (None, "lost (fault)".to_owned()),
        };
        state.put_delivery(Delivery {
            number,
            event: event.to_owned(),
            kind: kind.to_owned(),
            attempts: 0,
            due,
            created: now,
            outcome,
            spoilt: planned.spoilt,
        });
    }
}

/// Queues an event once more (the button on the index page).
pub fn resend(state: &mut State, event: &str) -> bool {
    let Some(kind) = state.get(event).and_then(|event| event["type"].as_str()).map(str::to_owned) else { return false };
    queue(state, event, &kind);
    true
}

/// Sends what is due until `stop`. Several at once, so one slow answer does not hold the others, and, as with Stripe,
/// nothing promises an order.
pub async fn send_webhooks(store: Store, (url, secret): (String, String), stop: CancellationToken) {
    if url.is_empty() {
        return;
    }
    let client = match reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build() {
        Ok(client) => client,
        Err(error) => return tracing::error!(%error, "the sandbox cannot send webhooks"),
    };
    let mut running = JoinSet::new();
    let mut busy = Vec::new();
    loop {
        let changed = store.changed();
        while running.len() < AT_ONCE
            && let Some((delivery, event)) = store.read(|state| next_due(state, &busy))
        {
            busy.push(delivery.number);
            let request = request(&client, &url, &secret, &delivery, &event);
            running.spawn(async move { (delivery, outcome(request).await) });
        }
        let wait = store.read(|state| until_next(state, &busy));
        tokio::select! {
            () = stop.cancelled() => return,
            () = changed => {}
            () = tokio::time::sleep(wait) => {}
            Some(done) = running.join_next() => {
                if let Ok((delivery, outcome)) = done {
                    busy.retain(|number| *number != delivery.number);
                    store.write(|state| finish(state, delivery, outcome));
                }
            }
        }
    }
}

fn next_due(state: &State, busy: &[u64]) -> Option<(Delivery, Value)> {
    let now = real_now().timestamp_millis();
    let due = state.deliveries().find(|d| d.due.is_some_and(|due| due <= now) && !busy.contains(&d.number))?;
    Some((due.clone(), state.get(&due.event)?.clone()))
}

fn until_next(state: &State, busy: &[u64]) -> Duration {
    let next = state.deliveries().filter(|d| !busy.contains(&d.number)).filter_map(|d| d.due).min();
    let wait = next.map_or(60_000, |due| (due - real_now().timestamp_millis()).clamp(20, 60_000));
    Duration::from_millis(wait.unsigned_abs())
}

fn request(client: &reqwest::Client, url: &str, secret: &str, delivery: &Delivery, event: &Value) -> reqwest::RequestBuilder {
    let body = event.to_string();
    let spoilt = delivery.spoilt.as_deref();
    let at = real_now().timestamp() - if spoilt == Some("stale") { 3600 } else { 0 };
    let wrong = new_id("whsec");
    let signature = signature(if spoilt == Some("wrong_secret") { &wrong } else { secret }, at, body.as_bytes());
    let request = client.post(url).header("content-type", "application/json; charset=utf-8");
    request.header("user-agent", "Stripe/1.0 (Lensmeter sandbox)").header("stripe-signature", signature).body(body)
}

/// The value of `Stripe-Signature`.
pub fn signature(secret: &str, at: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    format!("t={at},v1={}", hex::encode(mac.finalize().into_bytes()))
}

async fn outcome(request: reqwest::RequestBuilder) -> Result<u16, String> {
    match request.send().await {
        Ok(answer) if answer.status().is_success() => Ok(answer.status().as_u16()),
        Ok(answer) => Err(format!("HTTP {}", answer.status().as_u16())),
        Err(error) if error.is_timeout() => Err("no answer within 10 s".to_owned()),
        Err(error) if error.is_connect() => Err("cannot connect".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn finish(state: &mut State, mut delivery: Delivery, outcome: Result<u16, String>) {
    delivery.attempts += 1;
    delivery.spoilt = None;
    let now = real_now().timestamp_millis();
    match outcome {
        Ok(status) => {
            delivery.due = None;
            delivery.outcome = format!("HTTP {status}");
            if let Some(mut event) = state.get(&delivery.event).cloned() {
                event["pending_webhooks"] = 0.into();
                state.put(event);
            }
        }
        Err(reason) => {
            let step = (delivery.attempts as usize).min(BACK_OFF.len()) - 1;
            #[expect(clippy::cast_possible_truncation, reason = "at most 60,000 milliseconds")]
            let pause = (BACK_OFF[step] * 1000.0) as i64;
            delivery.due = (now - delivery.created < GIVES_UP_AFTER_MS).then_some(now + pause);
            delivery.outcome = reason;
        }
    }
    state.put_delivery(delivery);
}
