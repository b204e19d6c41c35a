//! Webhooks: really signed, really sent, tried again until the receiver answers 2xx. Pending ones survive a restart.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    API_VERSION, faults,
    store::{State, Store, new_id},
    webhook_endpoints,
};

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
    /// The registered endpoint that it goes to; empty: the configured one.
    #[serde(default)]
    pub endpoint: String,
    /// Tries so far.
    pub attempts: u32,
    /// When the next try is due (milliseconds); `None` when it is over.
    pub due: Option<i64>,
    /// When it was queued (milliseconds).
    pub created: i64,
    /// What came of the last try.
    pub outcome: String,
    /// A fault that spoils its first try: `wrong_secret`, `stale`, `two_signatures`, `old_version`, `unknown_type`.
    pub spoilt: Option<String>,
}

/// Queues the webhook of an event, as the waiting faults will have it.
pub fn queue(state: &mut State, event: &str, kind: &str) {
    let now = state.wall_millis();
    for endpoint in receivers(state, kind) {
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
                endpoint: endpoint.clone(),
                attempts: 0,
                due,
                created: now,
                outcome,
                spoilt: planned.spoilt,
            });
        }
    }
}

/// Who is told of events of this type: the configured receiver (an empty id), and the registered endpoints that asked for it.
pub fn receivers(state: &State, kind: &str) -> Vec<String> {
    let registered = state.all("webhook_endpoint").filter(|endpoint| webhook_endpoints::wants(endpoint, kind));
    let registered = registered.filter_map(|endpoint| endpoint["id"].as_str().map(str::to_owned));
    state.sends_webhooks.then(String::new).into_iter().chain(registered).collect()
}

/// Queues an event once more (the button on the index page).
pub fn resend(state: &mut State, event: &str) -> bool {
    let Some(kind) = state.get(event).and_then(|event| event["type"].as_str()).map(str::to_owned) else { return false };
    queue(state, event, &kind);
    true
}

/// Sends what is due until `stop`. Several at once, so one slow answer does not hold the others, and, as with Stripe,
/// nothing promises an order.
pub async fn send_webhooks(store: Store, configured: (String, String), stop: CancellationToken) {
    let client = match reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build() {
        Ok(client) => client,
        Err(error) => return tracing::error!(%error, "the sandbox cannot send webhooks"),
    };
    let mut running = JoinSet::new();
    let mut busy = Vec::new();
    loop {
        let changed = store.changed();
        while running.len() < AT_ONCE
            && let Some(next) = store.read(|state| next_due(state, &busy, &configured))
        {
            let delivery = next.delivery.clone();
            busy.push(delivery.number);
            let request = request(&client, next);
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

/// One webhook to send now.
struct Next {
    delivery: Delivery,
    body: String,
    url: String,
    secret: String,
    /// Whole seconds: what is signed.
    at: i64,
}

fn next_due(state: &State, busy: &[u64], configured: &(String, String)) -> Option<Next> {
    let now = state.wall_millis();
    let due = state.deliveries().filter(|d| d.due.is_some_and(|due| due <= now) && !busy.contains(&d.number));
    // The webhooks of an endpoint that was deleted meanwhile stay unsent.
    let mut known = due.filter_map(|delivery| Some((delivery, receiver(state, &delivery.endpoint, configured)?)));
    let (delivery, (url, secret)) = known.next()?;
    let body = state.get(&delivery.event)?.to_string();
    Some(Next { delivery: delivery.clone(), body, url, secret, at: state.wall() })
}

fn receiver(state: &State, endpoint: &str, configured: &(String, String)) -> Option<(String, String)> {
    if endpoint.is_empty() {
        return Some(configured.clone());
    }
    let registered = state.get(endpoint)?;
    Some((registered["url"].as_str()?.to_owned(), registered["_secret"].as_str()?.to_owned()))
}

fn until_next(state: &State, busy: &[u64]) -> Duration {
    let next = state.deliveries().filter(|d| !busy.contains(&d.number)).filter_map(|d| d.due).min();
    let wait = next.map_or(60_000, |due| (due - state.wall_millis()).clamp(20, 60_000));
    Duration::from_millis(wait.unsigned_abs())
}

fn request(client: &reqwest::Client, next: Next) -> reqwest::RequestBuilder {
    let Next { delivery, body, url, secret, at } = next;
    let spoilt = delivery.spoilt.as_deref();
    let at = at - if spoilt == Some("stale") { 3600 } else { 0 };
    let wrong = new_id("whsec");
    let body = match spoilt {
        Some("old_version") => body.replace(API_VERSION, "2023-10-16"),
        Some("unknown_type") => body.replace(&format!("\"type\":\"{}\"", delivery.kind), "\"type\":\"something.unheard_of\""),
        _ => body,
    };
    let mut signature = signature(if spoilt == Some("wrong_secret") { &wrong } else { &secret }, at, body.as_bytes());
    if spoilt == Some("two_signatures") {
        // As while a secret is rolled: one of the two is of a secret that the receiver does not know any more.
        signature = signature.replace("v1=", &format!("v1={},v1=", "0".repeat(64)));
    }
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
    let now = state.wall_millis();
    match outcome {
        Ok(status) => {
            delivery.due = None;
            delivery.outcome = format!("HTTP {status}");
            if let Some(mut event) = state.get(&delivery.event).cloned() {
                event["pending_webhooks"] = (event["pending_webhooks"].as_i64().unwrap_or(0) - 1).max(0).into();
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
