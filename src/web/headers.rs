//! Headers every page carries: a content policy without a single inline script or style, and its companions.

use poem::http::{HeaderName, HeaderValue, header};
use poem::{Endpoint, IntoResponse as _, Middleware, Request, Response, Result};

use crate::app::App;
use crate::platform::config::Config;
use crate::web::cookie;

/// Sets the headers on every answer that has not set them itself.
#[derive(Clone)]
pub struct Headers {
    values: Vec<(HeaderName, HeaderValue)>,
}

impl Headers {
    /// The headers for pages of this installation.
    pub fn new(app: &App) -> Self {
        let policy = content_policy(&app.config);
        let mut values = vec![
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
            (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
            (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
            (HeaderName::from_static("permissions-policy"), HeaderValue::from_static("camera=(), geolocation=(), microphone=()")),
        ];
        // The configured URLs were checked at the start, so that this only fails on a host no browser knows either.
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            values.push((header::CONTENT_SECURITY_POLICY, policy));
        }
        if cookie::is_https(app) {
            values.push((header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000")));
        }
        Self { values }
    }
}

/// Chromium follows `form-action` through redirects, and the top-up form redirects to the hosted checkout.
fn content_policy(config: &Config) -> String {
    let checkout = checkout_origin(&config.stripe.api_base);
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; \
         form-action 'self' {checkout}; frame-ancestors 'none'; base-uri 'none'"
    )
}

/// Where the hosted checkout is: Stripe's own host, or the sandbox that answers its API.
fn checkout_origin(api_base: &str) -> String {
    match reqwest::Url::parse(api_base) {
        Ok(url) if url.host_str() == Some("api.stripe.com") => "https://checkout.stripe.com".to_owned(),
        Ok(url) => url.origin().ascii_serialization(),
        Err(_) => String::new(),
    }
}

impl<E: Endpoint> Middleware<E> for Headers {
    type Output = HeadersEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        HeadersEndpoint { inner, values: self.values.clone() }
    }
}

/// See [`Headers`].
pub struct HeadersEndpoint<E> {
    inner: E,
    values: Vec<(HeaderName, HeaderValue)>,
}

impl<E: Endpoint> Endpoint for HeadersEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let mut response = match self.inner.call(request).await {
            Ok(output) => output.into_response(),
            Err(error) => error.into_response(),
        };
        for (name, value) in &self.values {
            response.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_is_where_the_api_is_unless_that_is_stripe() {
        assert_eq!(checkout_origin("https://api.stripe.com"), "https://checkout.stripe.com");
        assert_eq!(checkout_origin("http://127.0.0.1:8081/"), "http://127.0.0.1:8081");
    }
}
