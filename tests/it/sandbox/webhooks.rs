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

use super::{SECRET, Stand};

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
    let part = |name: &str| signature.split(',').find_map(|part| part.strip_prefix(name)).unwrap_or_default().to_owned();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
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
