//! Every request gets an id that its answer, its log lines and its usage event carry, and one line in the access log.

use std::time::Instant;

use entity::ids::RequestId;
use poem::http::{HeaderName, HeaderValue};
use poem::{Endpoint, FromRequest, IntoResponse as _, Middleware, Request, RequestBody, Response, Result};
use tracing::Instrument as _;

/// The header that carries the id out.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of this request, for handlers.
#[derive(Clone, Copy, Debug)]
pub struct ThisRequest(pub RequestId);

impl<'a> FromRequest<'a> for ThisRequest {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(Self(of(request)))
    }
}

/// The id of a request; a fresh one where the middleware is not in front (tests of a single route).
pub fn of(request: &Request) -> RequestId {
    request.extensions().get::<RequestId>().copied().unwrap_or_else(RequestId::new)
}

/// Gives out the ids and writes the access log.
pub struct RequestIds;

impl<E: Endpoint> Middleware<E> for RequestIds {
    type Output = RequestIdsEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        RequestIdsEndpoint { inner }
    }
}

/// See [`RequestIds`].
pub struct RequestIdsEndpoint<E> {
    inner: E,
}

impl<E: Endpoint> Endpoint for RequestIdsEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let id = RequestId::new();
        let start = Instant::now();
        request.extensions_mut().insert(id);
        let method = request.method().clone();
        // The path only: a query may carry a mailed token.
        let path = request.original_uri().path().to_owned();
        let span = tracing::info_span!("request", request_id = %id);
        let mut response = match self.inner.call(request).instrument(span.clone()).await {
            Ok(output) => output.into_response(),
            Err(error) => error.into_response(),
        };
        let text = id.to_string();
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(HEADER, value);
        }
        let status = response.status().as_u16();
        let duration_ms = start.elapsed().as_secs_f64() * 1000.0;
        let _entered = span.enter();
        if matches!(path.as_str(), "/healthz" | "/readyz" | "/metrics") || path.starts_with("/a/") {
            tracing::debug!(%method, path, status, duration_ms, "{method} {path} {status}");
        } else {
            tracing::info!(%method, path, status, duration_ms, "{method} {path} {status}");
        }
        Ok(response)
    }
}
