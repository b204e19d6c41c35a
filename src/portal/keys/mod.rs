//! `/app/keys`: make, see and revoke keys. The whole key is shown once, on the page after it was made.

mod form;
pub mod one;

use askama::Template;
use entity::api_key;
use entity::ids::KeyId;
use poem::web::{Data, Path};
use poem::{IntoResponse as _, Response, handler};
use sea_orm::TransactionTrait as _;

use self::form::{KeyForm, ScopeBox};
use super::error::PortalError;
use super::{see, see_with, show};
use crate::app::App;
use crate::auth::key::{self, CreateKeyError};
use crate::web::flash;
use crate::web::form::{Confirmed, FieldErrors, Form};
use crate::web::page::{Page, Shell};
use crate::web::session::SignedInMember;

#[derive(Template)]
#[template(path = "portal/keys.html")]
struct KeysPage {
    shell: Shell,
    /// The key that was just made: only this page has it.
    secret: String,
    curl: String,
    keys: Vec<Row>,
    form: KeyForm,
    scopes: Vec<ScopeBox>,
    currency: String,
    errors: FieldErrors,
}

struct Row {
    id: String,
    name: String,
    shown: String,
    scopes: String,
    limits: String,
    last_used: String,
    /// `active`, `expired` or `revoked`.
    state: &'static str,
}

/// A first call, with this key in it.
pub fn curl(public_url: &str, key: &str) -> String {
    format!("curl {public_url}/v1/detect \\\n  -H \"Authorization: Bearer {key}\" \\\n  -F image=@label.png")
}

/// Shows the keys.
#[handler]
pub async fn get(app: Data<&App>, me: SignedInMember) -> Result<Response, PortalError> {
    Ok(page(&app, me, KeyForm::fresh(), FieldErrors::default()).await?.into_response())
}

/// Makes a key and shows it on the page that follows.
#[handler]
pub async fn create(app: Data<&App>, me: SignedInMember, Form(fields): Form<KeyForm>) -> Result<Response, PortalError> {
    match make(&app, &me, &fields).await? {
        Ok(secret) => {
            let mut response = see("/app/keys");
            flash::leave(&app, &mut response, "key_created", &secret);
            Ok(response)
        }
        Err(errors) => Ok(page(&app, me, fields, errors).await?.refused()),
    }
}

/// The whole key, or what is wrong with the form.
async fn make(app: &App, me: &SignedInMember, fields: &KeyForm) -> Result<Result<String, FieldErrors>, PortalError> {
    let asked = match fields.read(app, None) {
        Ok(asked) => asked,
        Err(errors) => return Ok(Err(errors)),
    };
    let now = app.clock.now();
    let txn = app.db.begin().await?;
    let made = key::create_in(&txn, &me.account, Some(me.member.id), &fields.name, &fields.scopes(), now).await;
    let (row, secret) = match made {
        Ok(made) => made,
        Err(CreateKeyError::Database(error)) => return Err(error.into()),
        Err(error @ CreateKeyError::NoScope) => return Ok(Err(FieldErrors::one("scopes", error))),
        Err(error) => return Ok(Err(FieldErrors::one("name", error))),
    };
    if let Err(error) = key::change_in(&txn, me.account.id, row.id, asked.changes.clone(), now).await {
        return form::wrong(&error).map(Err).ok_or_else(|| PortalError::internal(error));
    }
    asked.set_budgets_in(&txn, &me.account, row.id, &[]).await?;
    txn.commit().await?;
    Ok(Ok(secret))
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

async fn page(app: &App, me: SignedInMember, form: KeyForm, errors: FieldErrors) -> Result<Page<KeysPage>, PortalError> {
    let SignedInMember { account, shell, .. } = me;
    let (keys, now) = (key::list(&app.db, account.id).await?, app.clock.now());
    let secret = shell.detail("key_created").to_owned();
    Ok(Page(KeysPage {
        curl: curl(&app.config.server.public_url, &secret),
        secret,
        keys: keys.iter().map(|key| row(key, account.mode.as_str(), now)).collect(),
        scopes: form.boxes(),
        form,
        currency: account.currency.to_uppercase(),
        errors,
        shell,
    }))
}

fn row(key: &api_key::Model, mode: &str, now: entity::Time) -> Row {
    Row {
        id: key.id.to_string(),
        name: key.name.clone(),
        shown: shown(key, mode),
        scopes: key.scope_names().join(", "),
        limits: limits(key),
        last_used: key.last_used_at.map_or_else(|| "never".to_owned(), show::moment),
        state: state(key, now),
    }
}

/// As much of a key as may be shown.
fn shown(key: &api_key::Model, mode: &str) -> String {
    format!("lm_{mode}_{}_…{}", key.public_id, key.hint)
}

fn state(key: &api_key::Model, now: entity::Time) -> &'static str {
    match key.is_active(now) {
        true => "active",
        false if key.revoked_at.is_some() => "revoked",
        false => "expired",
    }
}

/// In a few words; empty without any.
fn limits(key: &api_key::Model) -> String {
    let models = key.model_names().map(|models| models.join(", "));
    let networks = key.network_names().map(|networks| match networks.as_slice() {
        [one] => format!("from {one}"),
        all => format!("from {} networks", all.len()),
    });
    let pace = key.requests_per_minute.map(|pace| format!("{}/min", show::count(pace.into())));
    let end = key.expires_at.map(|end| format!("until {}", show::day(form::last_day(end))));
    [models, networks, pace, end].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}
