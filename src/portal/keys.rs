//! `/app/keys`: make, see and revoke keys. The whole key is shown once, on the page after it was made.

use askama::Template;
use entity::api_key;
use entity::ids::KeyId;
use poem::web::{Data, Path};
use poem::{IntoResponse as _, Response, handler};
use serde::Deserialize;

use super::error::PortalError;
use super::{see, see_with, show};
use crate::app::App;
use crate::auth::key::{self, CreateKeyError, Scope};
use crate::web::flash;
use crate::web::form::{FieldErrors, Form};
use crate::web::page::{Page, Shell};
use crate::web::session::SignedInMember;

/// What the page sends to make a key. A checkbox that is not ticked is not sent.
#[derive(Deserialize, Default)]
struct NewKey {
    #[serde(default)]
    name: String,
    scope_infer: Option<String>,
    scope_usage: Option<String>,
    scope_keys: Option<String>,
    scope_billing: Option<String>,
}

/// Nothing but the token that the form extractor checks.
#[derive(Deserialize)]
struct Confirmed {}

#[derive(Template)]
#[template(path = "portal/keys.html")]
struct KeysPage {
    shell: Shell,
    /// The key that was just made: only this page has it.
    secret: String,
    curl: String,
    keys: Vec<Row>,
    typed_name: String,
    scopes: Vec<ScopeBox>,
    errors: FieldErrors,
}

struct Row {
    id: String,
    name: String,
    shown: String,
    scopes: String,
    created: String,
    last_used: String,
    is_active: bool,
}

struct ScopeBox {
    field: String,
    name: &'static str,
    says: &'static str,
    ticked: bool,
}

/// A first call, with this key in it.
pub fn curl(public_url: &str, key: &str) -> String {
    format!("curl {public_url}/v1/detect \\\n  -H \"Authorization: Bearer {key}\" \\\n  -F image=@label.png")
}

/// Shows the keys.
#[handler]
pub async fn get(app: Data<&App>, me: SignedInMember) -> Result<Response, PortalError> {
    let ticked = NewKey { scope_infer: Some(String::new()), scope_usage: Some(String::new()), ..NewKey::default() };
    Ok(page(&app, me, &ticked, FieldErrors::default()).await?.into_response())
}

/// Makes a key and shows it on the page that follows.
#[handler]
pub async fn create(app: Data<&App>, me: SignedInMember, Form(fields): Form<NewKey>) -> Result<Response, PortalError> {
    let scopes: Vec<Scope> = Scope::ALL.into_iter().filter(|scope| fields.has(*scope)).collect();
    let made = key::create_in(&app.db, &me.account, Some(me.member.id), &fields.name, &scopes, app.clock.now()).await;
    let (field, error) = match made {
        Ok((_, secret)) => {
            let mut response = see("/app/keys");
            flash::leave(&app, &mut response, "key_created", &secret);
            return Ok(response);
        }
        Err(CreateKeyError::Database(error)) => return Err(error.into()),
        Err(error @ CreateKeyError::NoScope) => ("scopes", error),
        Err(error) => ("name", error),
    };
    Ok(page(&app, me, &fields, FieldErrors::one(field, error)).await?.refused())
}

/// Revokes a key of this account.
#[handler]
pub async fn revoke(
    app: Data<&App>,
    me: SignedInMember,
    Path(id): Path<String>,
    Form(Confirmed {}): Form<Confirmed>,
) -> Result<Response, PortalError> {
    let id: KeyId = id.parse().map_err(|_| PortalError::NotFound)?;
    if key::revoke(&app.db, &app.keys, me.account.id, id, app.clock.now()).await? {
        Ok(see_with(&app, "/app/keys", "key_revoked"))
    } else {
        Err(PortalError::NotFound)
    }
}

async fn page(app: &App, me: SignedInMember, fields: &NewKey, errors: FieldErrors) -> Result<Page<KeysPage>, PortalError> {
    let SignedInMember { account, shell, .. } = me;
    let keys = key::list(&app.db, account.id).await?;
    let secret = shell.detail("key_created").to_owned();
    Ok(Page(KeysPage {
        curl: curl(&app.config.server.public_url, &secret),
        secret,
        keys: keys.iter().map(|key| row(key, account.mode.as_str())).collect(),
        typed_name: fields.name.clone(),
        scopes: Scope::ALL.into_iter().map(|scope| scope_box(scope, fields.has(scope))).collect(),
        errors,
        shell,
    }))
}

fn row(key: &api_key::Model, mode: &str) -> Row {
    Row {
        id: key.id.to_string(),
        name: key.name.clone(),
        shown: format!("lm_{mode}_{}_…{}", key.public_id, key.hint),
        scopes: key.scope_names().join(", "),
        created: show::date(key.created_at),
        last_used: key.last_used_at.map_or_else(|| "never".to_owned(), show::moment),
        is_active: key.revoked_at.is_none(),
    }
}

fn scope_box(scope: Scope, ticked: bool) -> ScopeBox {
    let says = match scope {
        Scope::Infer => "Send images. This is what costs.",
        Scope::Usage => "Read usage and the balance.",
        Scope::Keys => "Make and revoke keys.",
        Scope::Billing => "Read invoices and the plan.",
    };
    ScopeBox { field: format!("scope_{}", scope.as_str()), name: scope.as_str(), says, ticked }
}

impl NewKey {
    fn has(&self, scope: Scope) -> bool {
        let field = match scope {
            Scope::Infer => &self.scope_infer,
            Scope::Usage => &self.scope_usage,
            Scope::Keys => &self.scope_keys,
            Scope::Billing => &self.scope_billing,
        };
        field.is_some()
    }
}
