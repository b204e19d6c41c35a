//! The key of a request: `Authorization: Bearer lm_…` or `X-API-Key: lm_…`.

use std::pin::pin;
use std::sync::Arc;

use poem::http::{HeaderValue, header};
use poem::{Body, Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::metered::Gate;
use crate::app::App;
use crate::auth::key::{Caller, KeyError, Scope};
use crate::platform::telemetry::own::{self, Part};
use crate::web::client_ip;
use crate::web::json::body;
use crate::web::json::problem::{Code, Problem};

/// Names of the two security schemes in the OpenAPI document.
pub const SCHEMES: [&str; 2] = ["bearer", "api_key"];

/// A valid key. Handlers ask it for the scope they need.
pub struct Key(Arc<Caller>);

impl Key {
    /// The key of a request; on metered routes the call is counted. The body of one that is refused is read to its end.
    ///
    /// # Errors
    /// 401, 403 or 429 by what is wrong with it; 503 when it cannot be looked up.
    pub async fn of(request: &Request, body: &mut RequestBody) -> Result<Self, Problem> {
        let admitted = own::measured(Part::Authenticate, 1, pin!(admitted(request))).await;
        match admitted {
            Ok(caller) => Ok(Self(caller)),
            Err(problem) => {
                // A client that is still sending would see a broken connection and not the answer. Boxed because it is rare.
                Box::pin(body::discard(request, body.take().unwrap_or_default())).await;
                Err(problem)
            }
        }
    }

    /// The caller, when the key has the scope.
    ///
    /// # Errors
    /// 403 `scope`.
    pub fn with(&self, scope: Scope) -> Result<&Arc<Caller>, Problem> {
        if self.0.may(scope) {
            return Ok(&self.0);
        }
        let name = scope.as_str();
        Err(Problem::new(Code::Scope, format!("This route needs a key with the scope `{name}`. Make one under Keys in the portal.")))
    }

    /// The caller and the body, when the key has the scope. Otherwise the body is read to its end: a client that is still
    /// sending would see a broken connection and not the answer.
    ///
    /// # Errors
    /// 403 `scope`.
    pub async fn with_body(&self, scope: Scope, request: &Request, body: Body) -> Result<(&Arc<Caller>, Body), Problem> {
        match self.with(scope) {
            Ok(caller) => Ok((caller, body)),
            Err(problem) => {
                body::discard(request, body).await;
                Err(problem)
            }
        }
    }

    /// The caller, when the key has at least one of the scopes.
    ///
    /// # Errors
    /// 403 `scope`, which names the first.
    pub fn with_one_of(&self, scopes: &[Scope; 2]) -> Result<&Arc<Caller>, Problem> {
        if self.0.may(scopes[1]) { Ok(&self.0) } else { self.with(scopes[0]) }
    }

    /// The caller, whatever its scopes.
    pub fn any(&self) -> &Arc<Caller> {
        &self.0
    }
}

/// By hand and not by the `SecurityScheme` macro: one scheme out of two, and our own words when neither is right.
impl<'a> ApiExtractor<'a> for Key {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = |ty, name, key_in, scheme, description| MetaSecurityScheme {
            ty,
            description: Some(description),
            name,
            key_in,
            scheme,
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(SCHEMES[0], scheme("http", None, None, Some("bearer"), "`Authorization: Bearer lm_…`"));
        registry.create_security_scheme(SCHEMES[1], scheme("apiKey", Some("X-API-Key"), Some("header"), None, "`X-API-Key: lm_…`"));
    }

    fn security_schemes() -> Vec<&'static str> {
        SCHEMES.to_vec()
    }

    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        Ok(Self::of(request, body).await?)
    }
}

/// Who calls; on metered routes the call is counted.
async fn admitted(request: &Request) -> Result<Arc<Caller>, Problem> {
    let app = request.data::<App>().ok_or_else(|| Problem::plain(Code::Internal))?;
    let key = presented(request)?;
    let caller = app.keys.authenticate(key, client_ip::address(request), app.clock.now()).await.map_err(|error| match error {
        KeyError::Invalid => Problem::plain(Code::InvalidKey),
        KeyError::IpNotAllowed => Problem::plain(Code::IpNotAllowed),
        KeyError::TooManyTries { wait } => too_many_tries().retry_after(wait),
        KeyError::Unavailable => Problem::plain(Code::Unavailable),
    })?;
    if let Some(gate) = request.data::<Gate>() {
        gate.pass(app, &caller).await?;
    }
    Ok(caller)
}

fn too_many_tries() -> Problem {
    let detail =
        "Too many requests with invalid keys came from this address. Check the key, then wait for as many seconds as `Retry-After` says.";
    Problem { policy: Some("address"), ..Problem::new(Code::RateLimited, detail) }
}

/// The one key of the request, wherever it is and however often.
fn presented(request: &Request) -> Result<&str, Problem> {
    let said = |detail: &str| Problem::new(Code::InvalidKey, format!("{detail} {}", Code::InvalidKey.about().advice));
    let mut found: Option<&str> = None;
    let bearers = request.headers().get_all(header::AUTHORIZATION).iter().filter_map(bearer);
    for key in bearers.chain(request.headers().get_all("x-api-key").iter().map(plain)).filter(|key| !key.is_empty()) {
        match found {
            Some(first) if first != key => return Err(said("The request carries more than one API key.")),
            _ => found = Some(key),
        }
    }
    found.ok_or_else(|| said("No API key came with the request."))
}

/// What stands behind `Bearer`; none for another scheme.
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, key) = plain(value).split_once(' ').unwrap_or_else(|| (plain(value), ""));
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

/// A header's text; of one that is not ASCII, something that is no key.
fn plain(value: &HeaderValue) -> &str {
    value.to_str().map_or("?", str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&str, &[u8])]) -> Result<String, Problem> {
        let mut request = Request::builder().finish();
        for (name, value) in headers {
            let name = poem::http::HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
            request.headers_mut().append(name, HeaderValue::from_bytes(value).expect("a header's value"));
        }
        presented(&request).map(str::to_owned)
    }

    #[test]
    fn there_is_one_key_or_none() {
        assert_eq!(of(&[("authorization", b"Bearer a")]).unwrap(), "a");
        assert_eq!(of(&[("authorization", b"bEARER   a ")]).unwrap(), "a");
        assert_eq!(of(&[("x-api-key", b" a ")]).unwrap(), "a");
        assert_eq!(of(&[("authorization", b"Bearer a"), ("x-api-key", b"a")]).unwrap(), "a", "the same key twice");
        assert_eq!(of(&[("authorization", b"Bearer"), ("x-api-key", b"a")]).unwrap(), "a", "an empty one beside it");
        assert_eq!(of(&[("authorization", b"Basic abc"), ("x-api-key", b"a")]).unwrap(), "a", "a proxy's own password");
        for several in [
            &[("authorization", b"Bearer a".as_slice()), ("x-api-key", b"b")][..],
            &[("authorization", b"Bearer a"), ("authorization", b"Bearer b")],
            &[("x-api-key", b"a"), ("x-api-key", "ü".as_bytes())],
        ] {
            assert!(of(several).unwrap_err().detail.starts_with("The request carries more"), "{several:?}");
        }
        for none in [&[][..], &[("authorization", b"".as_slice())], &[("authorization", b"Bearer ")], &[("x-api-key", b"  ")]] {
            assert!(of(none).unwrap_err().detail.starts_with("No API key"), "{none:?}");
        }
    }
}
