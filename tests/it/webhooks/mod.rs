//! What we tell customers' servers: signed, retried under one id, and nobody else's.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use entity::ids::{DeliveryId, EndpointId};
use entity::{queue_job, webhook_endpoint};
use hmac::{Hmac, KeyInit as _, Mac as _};
use lensmeter::platform::queue::{Failure, Job as _};
use lensmeter::webhooks::deliver::{self, DeliverWebhook};
use lensmeter::webhooks::endpoint::{self, AddError};
use lensmeter::webhooks::{self, Event};
use poem::http::StatusCode;
use poem::listener::TcpAcceptor;
use poem::{EndpointExt as _, Request, Server, handler, web::Data};
use sea_orm::{DatabaseConnection, EntityTrait as _};
use tokio::sync::Mutex;

use crate::support::{db, make};

/// What a customer's server got: id, timestamp, signature, body. It refuses the first.
type Got = Arc<Mutex<Vec<[String; 4]>>>;

#[handler]
async fn receive(got: Data<&Got>, request: &Request, body: String) -> StatusCode {
    let header = |name| request.header(name).unwrap_or_default().to_owned();
    let mut got = got.lock().await;
    got.push([header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"), body]);
    if got.len() == 1 { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::NO_CONTENT }
}

/// A server of a customer's, and what it got.
async fn receiver() -> (String, Got) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let got = Got::default();
    let app = poem::Route::new().at("/hook", poem::post(receive)).data(got.clone());
    tokio::spawn(Server::new_with_acceptor(TcpAcceptor::from_std(listener).unwrap()).run(app));
    (url, got)
}

/// The delivery that waits in the queue.
async fn waiting(db: &DatabaseConnection) -> DeliverWebhook {
    let jobs = queue_job::Entity::find().all(db).await.unwrap();
    let job = jobs.into_iter().find(|job| job.kind == DeliverWebhook::KIND).expect("a delivery waits");
    serde_json::from_value(job.payload).unwrap()
}

fn again(job: &DeliverWebhook) -> DeliverWebhook {
    DeliverWebhook { delivery: job.delivery }
}

#[tokio::test]
async fn an_event_is_signed_and_retried_under_one_id() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let (url, got) = receiver().await;
    let endpoint = endpoint::add_in(&*db, account.id, &url, true, make::start()).await.unwrap();
    webhooks::emit_in(&*db, account.id, Event::InvoicePaid, serde_json::json!({ "total": "5.00" }), make::start()).await.unwrap();
    let job = waiting(&db).await;

    let refused = deliver::deliver(&db, again(&job), true, make::start()).await;
    assert!(matches!(refused, Err(Failure::Retry(_))), "{refused:?}");
    deliver::deliver(&db, again(&job), true, make::start()).await.unwrap();
    deliver::deliver(&db, again(&job), true, make::start()).await.unwrap();

    let got = got.lock().await;
    assert_eq!(got.len(), 2, "delivered once: the third run had nothing to do");
    assert_eq!(got[0][0], got[1][0]);
    let [id, timestamp, signature, body] = &got[1];
    let secret = STANDARD.decode(endpoint.secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&secret).unwrap();
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    assert_eq!(*signature, format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    let log = endpoint::deliveries(&*db, account.id, 10).await.unwrap();
    assert_eq!((log.len(), log[0].attempts, log[0].last_status, log[0].delivered_at), (1, 2, Some(204), Some(make::start())));
}

#[tokio::test]
async fn an_endpoint_in_our_own_network_is_never_reached() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let (url, got) = receiver().await;
    assert!(matches!(endpoint::add_in(&*db, account.id, &url, false, make::start()).await, Err(AddError::Url(_))));
    endpoint::add_in(&*db, account.id, &url.replace("http:", "https:"), false, make::start()).await.unwrap();
    webhooks::emit_in(&*db, account.id, Event::Test, serde_json::json!({}), make::start()).await.unwrap();
    let refused = deliver::deliver(&db, waiting(&db).await, false, make::start()).await;
    assert!(matches!(&refused, Err(Failure::Retry(why)) if why.contains("private network")), "{refused:?}");
    assert!(got.lock().await.is_empty());
}

#[tokio::test]
async fn another_accounts_endpoint_is_not_there() {
    let db = db::fresh().await;
    let (ada, eve) = (make::account(&db).await, make::account(&db).await);
    let endpoint = endpoint::add_in(&*db, ada.id, "https://example.com/hook", false, make::start()).await.unwrap();
    assert!(!endpoint::remove(&*db, eve.id, endpoint.id).await.unwrap());
    assert!(!endpoint::remove(&*db, ada.id, EndpointId::new()).await.unwrap());
    webhooks::emit_in(&*db, eve.id, Event::Test, serde_json::json!({}), make::start()).await.unwrap();
    assert!(endpoint::deliveries(&*db, ada.id, 10).await.unwrap().is_empty());
    assert!(endpoint::remove(&*db, ada.id, endpoint.id).await.unwrap());
    assert!(webhook_endpoint::Entity::find().one(&*db).await.unwrap().is_none());
    deliver::deliver(&db, DeliverWebhook { delivery: DeliveryId::new() }, false, make::start()).await.unwrap();
}
