//! The transport under the generated request types: pooled, with timeouts, retried under the caller's own idempotency key.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use reqwest::{Method, Response, header};
use secrecy::{ExposeSecret as _, SecretString};
use stripe_client_core::{
    CustomizableStripeRequest, CustomizedStripeRequest, IdempotencyKey, RequestStrategy, StripeClient, StripeClientErr, StripeMethod,
    StripeRequest, VERSION,
};

use crate::billing::provider::ProviderError;

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

impl StripeClientErr for ProviderError {
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

    /// Sends a request that sets something to what it shall be, or makes what nobody has seen when it is lost: a second one is
    /// as good. What must be done once goes through [`Self::once`].
    pub(super) fn set<'a, T>(&'a self, request: impl StripeRequest<Output = T>, what: &str) -> BoxFuture<'a, Result<T, ProviderError>>
    where
        T: miniserde::Deserialize + Send + 'a,
    {
        self.set_customized(request.customize(), what)
    }

    pub(super) fn set_customized<'a, T>(
        &'a self,
        request: CustomizableStripeRequest<T>,
        what: &str,
    ) -> BoxFuture<'a, Result<T, ProviderError>>
    where
        T: miniserde::Deserialize + Send + 'a,
    {
        // A key of its own, so that it may be sent again when the answer is lost.
        let key = IdempotencyKey::new(format!("{what}:{}", uuid::Uuid::now_v7()));
        Box::pin(async move {
            let key = key.map_err(|error| ProviderError::Decode(error.to_string()))?;
            request.request_strategy(RequestStrategy::Idempotent(key)).send(self).await
        })
    }

    /// Sends a request that only reads, or throws away.
    pub(super) fn read<'a, T>(&'a self, request: impl StripeRequest<Output = T>) -> BoxFuture<'a, Result<T, ProviderError>>
    where
        T: miniserde::Deserialize + Send + 'a,
    {
        let request = request.customize();
        Box::pin(async move { request.send(self).await })
    }

    async fn attempt(
        &self,
        request: &stripe_client_core::RequestBuilder,
        key: Option<&IdempotencyKey>,
    ) -> Result<Bytes, (ProviderError, bool)> {
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
        let lost = |error: reqwest::Error| {
            counted("lost");
            (ProviderError::Network(error.without_url().to_string()), true)
        };
        let response = builder.send().await.map_err(lost)?;
        let status = response.status().as_u16();
        let (request_id, should_retry) = (header_of(&response, "request-id"), header_of(&response, "stripe-should-retry"));
        // It was stored under the key: the same key is never answered otherwise.
        let replayed = header_of(&response, "idempotent-replayed") == "true";
        let body = response.bytes().await.map_err(lost)?;
        if (200..300).contains(&status) {
            counted("done");
            return Ok(body);
        }
        counted(if status < 500 { "refused" } else { "failed" });
        let again = match should_retry.as_str() {
            "true" => true,
            "false" => false,
            _ => matches!(status, 409 | 424 | 429 | 500..=504),
        };
        Err((refusal(status, (request_id, replayed), &body), again && !(replayed && status >= 500)))
    }
}

impl StripeClient for Stripe {
    type Err = ProviderError;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes, ProviderError> {
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

/// How Stripe answers, for the operator's graphs: by what it came to.
fn counted(outcome: &'static str) {
    metrics::counter!("lensmeter_stripe_requests_total", "outcome" => outcome).increment(1);
}

/// Codes of a charge that the customer has to confirm.
const ACTION_CODES: [&str; 2] = ["authentication_required", "invoice_payment_intent_requires_action"];

/// Stripe's error form, or an excerpt of whatever else came.
fn refusal(status: u16, (request_id, replayed): (String, bool), body: &[u8]) -> ProviderError {
    let text = String::from_utf8_lossy(body);
    let Ok(answer) = miniserde::json::from_str::<stripe_shared::Error>(&text) else {
        return ProviderError::Http { status, body: text.chars().take(200).collect(), request_id };
    };
    let code = answer.error.decline_code.or(answer.error.code.map(|code| code.as_str().to_owned())).unwrap_or_default();
    if status == 402 && ACTION_CODES.contains(&code.as_str()) {
        return ProviderError::ActionNeeded { request_id };
    }
    let (kind, message) = (answer.error.type_.as_str().to_owned(), answer.error.message.unwrap_or_default());
    ProviderError::Refused { status, kind, code, message, request_id, replayed }
}
