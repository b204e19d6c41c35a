//! The operator's token.

use poem::http::header;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use secrecy::ExposeSecret as _;

use crate::app::App;
use crate::platform::secret;
use crate::web::json::problem::{Code, Problem};

const SCHEME: &str = "operator_token";

/// Proof that the request carries the operator's token.
pub struct Operator;

impl<'a> ApiExtractor<'a> for Operator {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = MetaSecurityScheme {
            ty: "http",
            description: Some("The `admin_token` of the configuration."),
            name: None,
            key_in: None,
            scheme: Some("bearer"),
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(SCHEME, scheme);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SCHEME]
    }

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let app = request.data::<App>().ok_or_else(|| Problem::plain(Code::Internal))?;
        let refused = |detail: &str| poem::Error::from(Problem::new(Code::InvalidToken, detail));
        let Some(token) = &app.config.server.admin_token else {
            return Err(refused("No operator token is configured, so these routes are closed: set LENSMETER_ADMIN_TOKEN."));
        };
        let presented = request.header(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        // Of hashes, so that not even the length of the token shows in the time.
        if secret::equal(secret::sha256(presented.trim()), secret::sha256(token.expose_secret())) {
            Ok(Self)
        } else {
            Err(refused("Send the operator's token as `Authorization: Bearer …`. It is the LENSMETER_ADMIN_TOKEN of this installation."))
        }
    }
}
