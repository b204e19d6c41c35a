//! Webhooks are really sent and really signed, and come again until they are taken.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use hmac::{Hmac, KeyInit, Mac};
use poem::{
    Body, EndpointExt, Request, Route, Server, handler,
    http::StatusCode,
    listener::{Acceptor, Listener, TcpListener},
    post,
    web::Data,
};
use serde_json::{Value, json};
use sha2::Sha256;

use super::Stand;
use crate::support::sandbox::WEBHOOK_SECRET;

/// `Stripe-Signature` and the raw body.
type Taken = (String, Vec<u8>);

/// A receiver that refuses the first `refuses` calls.
#[derive(Clone, Default)]
struct Receiver {
    taken: Arc<Mutex<Vec<Taken>>>,
    refuses: Arc<Mutex<u32>>,
}

#[handler]
async fn receive(request: &Request, body: Body, Data(receiver): Data<&Receiver>) -> StatusCode {
    let bytes = body.into_vec().await.expect("a body");
    let mut refuses = receiver.refuses.lock().expect("no panic before");
    if *refuses > 0 {
        *refuses -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let signature = request.header("stripe-signature").unwrap_or_default().to_owned();
    receiver.taken.lock().expect("no panic before").push((signature, bytes));
    StatusCode::OK
}

impl Receiver {
    async fn start(refuses: u32) -> (Self, String) {
        let receiver = Self { refuses: Arc::new(Mutex::new(refuses)), ..Self::default() };
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.expect("a port");
        let port = acceptor.local_addr()[0].as_socket_addr().expect("TCP").port();
        let routes = Route::new().at("/hook", post(receive)).data(receiver.clone());
        tokio::spawn(Server::new_with_acceptor(acceptor).run(routes));
        (receiver, format!("http://127.0.0.1:{port}/hook"))
    }

    async fn wait_for(&self, count: usize) -> Vec<Taken> {
        for _ in 0..200 {
            let taken = self.taken.lock().expect("no panic before").clone();
            if taken.len() >= count {
                return taken;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{count} webhooks did not come");
    }
}

fn verifies(signature: &str, body: &[u8]) -> bool {
    signed_with(WEBHOOK_SECRET, signature, body)
}

fn signed_with(secret: &str, signature: &str, body: &[u8]) -> bool {
    let part = |name: &str| signature.split(',').find_map(|part| part.strip_prefix(name)).unwrap_or_default().to_owned();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(format!("{}.", part("t=")).as_bytes());
    mac.update(body);
    hex::encode(mac.finalize().into_bytes()) == part("v1=")
}

#[tokio::test]
async fn signed_and_sent_again_until_taken() {
    let (receiver, url) = Receiver::start(1).await;
    let stand = Stand::start(&url, None).await;
    stand.customer().await;
    let taken = receiver.wait_for(1).await;
    let (signature, body) = &taken[0];
    assert!(verifies(signature, body), "{signature}");
    let event: Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!((event["type"].as_str(), event["data"]["object"]["email"].as_str()), (Some("customer.created"), Some("ada@example.com")));
    assert_eq!(*receiver.refuses.lock().expect("no panic before"), 0, "it was refused once");
}

#[tokio::test]
async fn faults_double_lose_and_forge_them() {
    let (receiver, url) = Receiver::start(0).await;
    let stand = Stand::start(&url, None).await;
    let faults = format!("{}/sandbox/faults", stand.sandbox.stripe_url);
    let order = json!([{"kind": "duplicate", "matching": "customer.created"}, {"kind": "lost", "matching": "customer.created"},
        {"kind": "wrong_secret", "matching": "customer.created"}]);
    stand.http.post(&faults).json(&order).send().await.expect("sent");
    for _ in 0..3 {
        stand.customer().await;
    }
    let taken = receiver.wait_for(3).await;
    let ids: std::collections::HashSet<String> =
        taken.iter().map(|(_, body)| serde_json::from_slice::<Value>(body).expect("JSON")["id"].to_string()).collect();
    assert_eq!(ids.len(), 2, "one twice, one never, one forged");
    assert_eq!(taken.iter().filter(|(signature, body)| !verifies(signature, body)).count(), 1);
}

#[tokio::test]
async fn faults_render_them_as_stripe_may() {
    let (receiver, url) = Receiver::start(0).await;
    let stand = Stand::start(&url, None).await;
    let kinds = ["two_signatures", "old_version", "unknown_type", "stale"];
    let order: Vec<Value> = kinds.iter().map(|kind| json!({"kind": kind, "matching": "customer.created"})).collect();
    stand.http.post(format!("{}/sandbox/faults", stand.sandbox.stripe_url)).json(&order).send().await.expect("sent");
    for count in 1..=kinds.len() {
        stand.customer().await;
        // One after the other, so that the order is known.
        receiver.wait_for(count).await;
    }
    let taken = receiver.wait_for(kinds.len()).await;
    assert_eq!(taken[0].0.matches("v1=").count(), 2);
    let event = |n: usize| serde_json::from_slice::<Value>(&taken[n].1).expect("JSON");
    assert_eq!((event(1)["api_version"].as_str(), verifies(&taken[1].0, &taken[1].1)), (Some("2023-10-16"), true));
    assert_eq!((event(2)["type"].as_str(), verifies(&taken[2].0, &taken[2].1)), (Some("something.unheard_of"), true));
    assert!(verifies(&taken[3].0, &taken[3].1), "stale, and rightly signed");
}

#[tokio::test]
async fn a_registered_endpoint_has_its_own_secret_and_types() {
    let (receiver, url) = Receiver::start(0).await;
    let stand = Stand::start("", None).await;
    let form = [("url", url.as_str()), ("enabled_events[0]", "customer.created"), ("api_version", lensmeter::sandbox::API_VERSION)];
    let (_, made) = stand.post("/v1/webhook_endpoints", &form).await;
    let (id, secret) = (super::text(&made, "id"), super::text(&made, "secret"));
    let read = stand.get(&format!("/v1/webhook_endpoints/{id}")).await;
    assert!(read.get("secret").is_none(), "told once");
    let customer = stand.customer().await;
    stand.post(&format!("/v1/customers/{customer}"), &[("name", "Ada L.")]).await;
    let taken = receiver.wait_for(1).await;
    assert!(signed_with(&secret, &taken[0].0, &taken[0].1) && !verifies(&taken[0].0, &taken[0].1));
    assert_eq!(stand.post(&format!("/v1/webhook_endpoints/{id}"), &[("disabled", "true")]).await.1["status"], "disabled");
    stand.customer().await;
    assert_eq!(stand.delete(&format!("/v1/webhook_endpoints/{id}")).await.1["deleted"], true);
    stand.customer().await;
    assert_eq!(receiver.taken.lock().expect("no panic before").len(), 1, "neither other types nor while disabled nor when gone");
}
