//! The key of a request: `Authorization: Bearer lm_…` or `X-API-Key: lm_…`.

use std::sync::Arc;

use poem::http::header;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::app::App;
use crate::auth::key::{Caller, KeyError, Scope};
use crate::web::json::body;
use crate::web::json::problem::{Code, Problem};

/// Names of the two security schemes in the OpenAPI document.
pub const SCHEMES: [&str; 2] = ["bearer", "api_key"];

/// A valid key. Handlers ask it for the scope they need.
pub struct Key(Arc<Caller>);

impl Key {
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
        match authenticate(request).await {
            Ok(caller) => Ok(Self(caller)),
            Err(problem) => {
                // A client that is still sending would see a broken connection and not the answer.
                body::discard(request, body.take().unwrap_or_default()).await;
                Err(problem.into())
            }
        }
    }
}

async fn authenticate(request: &Request) -> Result<Arc<Caller>, Problem> {
    let app = request.data::<App>().ok_or_else(|| Problem::plain(Code::Internal))?;
    let Some(text) = presented(request) else {
        return Err(Problem::new(Code::InvalidKey, format!("No API key came with the request. {}", Code::InvalidKey.about().advice)));
    };
    app.keys.authenticate(text, app.clock.now()).await.map_err(|error| match error {
        KeyError::Invalid => Problem::plain(Code::InvalidKey),
        KeyError::Unavailable => Problem::plain(Code::Unavailable),
    })
}

fn presented(request: &Request) -> Option<&str> {
    let bearer = request.header(header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    bearer.or_else(|| request.header("x-api-key").map(str::trim)).filter(|key| !key.is_empty())
}
