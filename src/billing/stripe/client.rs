//! The transport under the generated request types: pooled, with timeouts, retried under the caller's own idempotency key.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Method, Response, header};
use secrecy::{ExposeSecret as _, SecretString};
use stripe_client_core::{
    CustomizedStripeRequest, IdempotencyKey, RequestStrategy, StripeClient, StripeClientErr, StripeMethod, StripeRequest, VERSION,
};

/// Attempts at one request, the first included.
const ATTEMPTS: u32 = 3;
/// Of one attempt.
const TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A handle on Stripe's API. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Stripe {
    http: reqwest::Client,
    base: String,
    key: SecretString,
}

/// Why Stripe did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// Stripe said no, in its own form.
    #[error("Stripe answered {status} {kind} {code}: {message} (request {request_id})")]
    Api { status: u16, kind: String, code: String, message: String, request_id: String },
    /// Something else answered: a proxy, an outage page.
    #[error("Stripe answered {status}: {body} (request {request_id})")]
    Http { status: u16, body: String, request_id: String },
    /// No answer; whether Stripe did it is unknown, and the same key asks again.
    #[error("Stripe did not answer: {0}")]
    Network(String),
    #[error("Stripe's answer cannot be read: {0}")]
    Decode(String),
}

impl StripeError {
    /// True when the same request will never succeed: 4xx but for conflicts and rate limits.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Api { status, .. } | Self::Http { status, .. } if (400..500).contains(status) && ![408, 409, 424, 429].contains(status))
    }

    /// The HTTP status, when there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { status, .. } | Self::Http { status, .. } => Some(*status),
            Self::Network(_) | Self::Decode(_) => None,
        }
    }
}

impl StripeClientErr for StripeError {
    fn deserialize_err(message: impl std::fmt::Display) -> Self {
        Self::Decode(message.to_string())
    }
}

impl Stripe {
    /// `base` without `/v1` and without a slash at its end.
    pub fn new(base: impl Into<String>, key: impl Into<String>) -> Self {
        static CRYPTO: OnceLock<()> = OnceLock::new();
        CRYPTO.get_or_init(|| {
            // An error says that the process has a provider already, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(8)
            .pool_idle_timeout(Duration::from_secs(30))
            .build()
            .expect("a client with a TLS provider and no files to read always builds");
        Self { http, base: base.into(), key: SecretString::from(key.into()) }
    }

    /// Sends a request that changes something. The same `key` with the same request is done once, however often it is sent.
    pub(super) async fn send<T>(&self, request: impl StripeRequest<Output = T>, key: String) -> Result<T, StripeError>
    where
        T: miniserde::Deserialize,
    {
        let key = IdempotencyKey::new(key).map_err(|error| StripeError::Decode(error.to_string()))?;
        request.customize().request_strategy(RequestStrategy::Idempotent(key)).send(self).await
    }

    /// Sends a request that only reads.
    pub(super) async fn read<T>(&self, request: impl StripeRequest<Output = T>) -> Result<T, StripeError>
    where
        T: miniserde::Deserialize,
    {
        request.customize().send(self).await
    }

    async fn attempt(
        &self,
        request: &stripe_client_core::RequestBuilder,
        key: Option<&IdempotencyKey>,
    ) -> Result<Bytes, (StripeError, bool)> {
        let mut url = format!("{}/v1{}", self.base, request.path);
        if let Some(query) = &request.query {
            url = format!("{url}?{query}");
        }
        let mut builder =
            self.http.request(method(request.method), url).bearer_auth(self.key.expose_secret()).header("stripe-version", VERSION.as_str());
        if let Some(key) = key {
            builder = builder.header("idempotency-key", key.as_str());
        }
        if let Some(body) = &request.body {
            builder = builder.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body.clone());
        }
        // Without the URL: a query may name a customer.
        let lost = |error: reqwest::Error| (StripeError::Network(error.without_url().to_string()), true);
        let response = builder.send().await.map_err(lost)?;
        let status = response.status().as_u16();
        let (request_id, should_retry) = (header_of(&response, "request-id"), header_of(&response, "stripe-should-retry"));
        let body = response.bytes().await.map_err(lost)?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let again = match should_retry.as_str() {
            "true" => true,
            "false" => false,
            _ => matches!(status, 409 | 424 | 429 | 500..=504),
        };
        Err((refusal(status, request_id, &body), again))
    }
}

impl StripeClient for Stripe {
    type Err = StripeError;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes, StripeError> {
        let (request, config) = request.into_pieces();
        let posts = matches!(request.method, StripeMethod::Post);
        let key = config.request_strategy.as_ref().and_then(RequestStrategy::get_key).filter(|_| posts);
        // A POST without a key could be done twice: it is sent once.
        let attempts = if posts && key.is_none() { 1 } else { ATTEMPTS };
        let mut failed = 0;
        loop {
            match self.attempt(&request, key.as_ref()).await {
                Ok(body) => return Ok(body),
                Err((error, again)) => {
                    failed += 1;
                    if !again || failed >= attempts {
                        return Err(error);
                    }
                    tokio::time::sleep(pause(failed)).await;
                }
            }
        }
    }
}

/// 200 ms, 400 ms …, each up to half as long again, so that many workers do not come back together.
fn pause(failed: u32) -> Duration {
    let base = 100u64 << failed;
    Duration::from_millis(base + rand::random_range(0..=base / 2))
}

fn method(method: StripeMethod) -> Method {
    match method {
        StripeMethod::Get => Method::GET,
        StripeMethod::Post => Method::POST,
        StripeMethod::Delete => Method::DELETE,
    }
}

fn header_of(response: &Response, name: &str) -> String {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// Stripe's error form, or an excerpt of whatever else came.
fn refusal(status: u16, request_id: String, body: &[u8]) -> StripeError {
    let text = String::from_utf8_lossy(body);
    match miniserde::json::from_str::<stripe_shared::Error>(&text) {
        Ok(answer) => StripeError::Api {
            status,
            kind: answer.error.type_.as_str().to_owned(),
            code: answer.error.decline_code.or(answer.error.code.map(|code| code.as_str().to_owned())).unwrap_or_default(),
            message: answer.error.message.unwrap_or_default(),
            request_id,
        },
        Err(_) => StripeError::Http { status, body: text.chars().take(200).collect(), request_id },
    }
}
