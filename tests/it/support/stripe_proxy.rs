//! Between us and the sandbox: passes each request on, and lets a test step in when the sandbox has answered and we have not
//! seen the answer yet; or is not there at all.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use poem::http::{HeaderMap, StatusCode, header};
use poem::listener::{Acceptor as _, Listener as _, TcpListener};
use poem::web::Data;
use poem::{Body, EndpointExt as _, Request, Response, Route, Server, handler};

/// What happens between the sandbox's answer to a call and us.
pub type BetweenAnswers = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A running proxy; it ends with the test's runtime.
#[derive(Clone)]
pub struct StripeProxy {
    /// What stands for Stripe's API.
    pub url: String,
    inner: Arc<Inner>,
}

struct Inner {
    target: String,
    http: reqwest::Client,
    answers: AtomicUsize,
    away: AtomicBool,
    between: Mutex<Option<BetweenAnswers>>,
}

impl StripeProxy {
    /// Starts one before the sandbox at `target`.
    pub async fn start(target: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let inner = Inner {
            target: target.to_owned(),
            http,
            answers: AtomicUsize::new(0),
            away: AtomicBool::new(false),
            between: Mutex::default(),
        };
        let inner = Arc::new(inner);
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.expect("a port");
        let address = *acceptor.local_addr()[0].as_socket_addr().expect("TCP");
        let routes = Route::new().at("/*rest", pass).data(inner.clone());
        tokio::spawn(Server::new_with_acceptor(acceptor).run(routes));
        Self { url: format!("http://{address}"), inner }
    }

    /// Steps in between each answer and us from now on.
    pub fn between(&self, step_in: BetweenAnswers) {
        *self.inner.between.lock().expect("no panic before") = Some(step_in);
    }

    /// Passes answers on at once again.
    pub fn step_aside(&self) {
        *self.inner.between.lock().expect("no panic before") = None;
    }

    /// How many answers the sandbox gave.
    pub fn answers(&self) -> usize {
        self.inner.answers.load(Ordering::SeqCst)
    }

    /// Stripe is down, or back: while it is down, connections are closed without an answer, and the sandbox hears nothing.
    pub fn set_away(&self, away: bool) {
        self.inner.away.store(away, Ordering::SeqCst);
    }
}

#[handler]
async fn pass(request: &Request, body: Body, Data(proxy): Data<&Arc<Inner>>) -> Response {
    if proxy.away.load(Ordering::SeqCst) {
        close();
    }
    let path = request.original_uri().path_and_query().map_or("/", |path| path.as_str());
    let call = format!("{} {}", request.method(), request.original_uri().path());
    let mut headers: HeaderMap = request.headers().clone();
    for own in [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        headers.remove(own);
    }
    let sent = proxy.http.request(request.method().clone(), format!("{}{path}", proxy.target)).headers(headers);
    // Who asked may be dead by now.
    let Ok(body) = body.into_bytes().await else { close() };
    let Ok(answer) = sent.body(body).send().await else { close() };
    let (status, headers) = (answer.status(), answer.headers().clone());
    let Ok(bytes) = answer.bytes().await else { close() };
    proxy.answers.fetch_add(1, Ordering::SeqCst);
    let step_in = proxy.between.lock().expect("no panic before").clone();
    if let Some(step_in) = step_in {
        step_in(call).await;
    }
    let mut told = Response::builder().status(StatusCode::from_u16(status.as_u16()).expect("it was one"));
    for (name, value) in &headers {
        if ![header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION].contains(name) {
            told = told.header(name, value);
        }
    }
    told.body(bytes)
}

/// Unwinding ends the task of this connection: the caller sees it closed without a byte. `resume_unwind` prints nothing.
fn close() -> ! {
    std::panic::resume_unwind(Box::new("the connection is closed"))
}
