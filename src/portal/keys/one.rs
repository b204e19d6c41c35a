//! `/app/keys/{id}`: one key, its limits, its budgets, and a new secret for it.

use askama::Template;
use chrono::TimeDelta;
use entity::api_key;
use entity::balance::Scope as Per;
use entity::ids::{KeyId, PeriodId};
use entity::money::Nanos;
use poem::web::{Data, Path};
use poem::{IntoResponse as _, Response, handler};
use sea_orm::TransactionTrait as _;
use serde::Deserialize;
use uuid::Uuid;

use super::super::error::PortalError;
use super::super::{see, see_with, show};
use super::form::{self, KeyForm, ScopeBox};
use crate::app::App;
use crate::auth::key::{self, ChangeKeyError};
use crate::metering::limits::{self, LimitState, Spender};
use crate::web::flash;
use crate::web::form::{FieldErrors, Form};
use crate::web::page::{Page, Shell};
use crate::web::session::SignedInMember;

#[derive(Template)]
#[template(path = "portal/key.html")]
struct KeyPage {
    shell: Shell,
    id: String,
    title: String,
    shown: String,
    created: String,
    last_used: String,
    /// `active`, `expired` or `revoked`.
    state: &'static str,
    old: Vec<Old>,
    budgets: Vec<Budget>,
    form: KeyForm,
    scopes: Vec<ScopeBox>,
    currency: String,
    errors: FieldErrors,
}

/// An old secret that still works.
struct Old {
    hint: String,
    until: String,
}

struct Budget {
    per: &'static str,
    amount: String,
    spent: String,
    remaining: String,
}

/// For how long old secrets work on, as the page offers it.
#[derive(Deserialize)]
struct Rotation {
    #[serde(default)]
    overlap: String,
}

/// Shows a key.
#[handler]
pub async fn get(app: Data<&App>, me: SignedInMember, Path(id): Path<String>) -> Result<Response, PortalError> {
    let key = find(&app, &me, &id).await?;
    let budgets = budgets(&app, &me, key.id).await?;
    let form = KeyForm::of(&key, &budgets, &me.account.currency);
    Ok(page(&app, me, (key, budgets), form, FieldErrors::default()).await?.into_response())
}

/// Changes a key.
#[handler]
pub async fn save(
    app: Data<&App>,
    me: SignedInMember,
    Path(id): Path<String>,
    Form(fields): Form<KeyForm>,
) -> Result<Response, PortalError> {
    let key = find(&app, &me, &id).await?;
    let budgets = budgets(&app, &me, key.id).await?;
    let errors = match fields.read(&app, Some(&key)) {
        Ok(asked) => {
            let txn = app.db.begin().await?;
            match key::change_in(&txn, me.account.id, key.id, asked.changes.clone(), app.clock.now()).await {
                Ok(_) => {
                    asked.set_budgets_in(&txn, &me.account, key.id, &budgets).await?;
                    txn.commit().await?;
                    app.keys.forget(&key.public_id).await;
                    return Ok(see_with(&app, &format!("/app/keys/{id}"), "key_changed"));
                }
                Err(error) => form::wrong(&error).ok_or_else(|| not_changed(error))?,
            }
        }
        Err(errors) => errors,
    };
    Ok(page(&app, me, (key, budgets), fields, errors).await?.refused())
}

/// Gives a key a new secret and shows it on the page of all keys.
#[handler]
pub async fn rotate(
    app: Data<&App>,
    me: SignedInMember,
    Path(id): Path<String>,
    Form(Rotation { overlap }): Form<Rotation>,
) -> Result<Response, PortalError> {
    let key = find(&app, &me, &id).await?;
    // The page offers numbers: anything else was not sent by it.
    let overlap = overlap.parse().ok().and_then(TimeDelta::try_seconds).ok_or(PortalError::NotFound)?;
    let txn = app.db.begin().await?;
    match key::rotate_in(&txn, (me.account.id, me.account.mode), key.id, overlap, app.clock.now()).await {
        Ok((row, secret)) => {
            txn.commit().await?;
            app.keys.forget(&row.public_id).await;
            let mut response = see("/app/keys");
            flash::leave(&app, &mut response, "key_created", &secret);
            Ok(response)
        }
        Err(error @ ChangeKeyError::TooManySecrets) => {
            let text = format!("{error} Wait until one has run out, or end all of them at once.");
            let budgets = budgets(&app, &me, key.id).await?;
            let form = KeyForm::of(&key, &budgets, &me.account.currency);
            Ok(page(&app, me, (key, budgets), form, FieldErrors::one("overlap", text)).await?.refused())
        }
        Err(error) => Err(not_changed(error)),
    }
}

fn not_changed(error: ChangeKeyError) -> PortalError {
    match error {
        ChangeKeyError::Database(error) => error.into(),
        // Revoked or expired in another window: its page has no form any more.
        _ => PortalError::NotFound,
    }
}

async fn find(app: &App, me: &SignedInMember, id: &str) -> Result<api_key::Model, PortalError> {
    let id: KeyId = id.parse().map_err(|_| PortalError::NotFound)?;
    let row = api_key::Entity::one_of(me.account.id, id).one(&app.db).await?;
    row.ok_or(PortalError::NotFound)
}

/// The budgets of a key in their present windows.
async fn budgets(app: &App, me: &SignedInMember, key: KeyId) -> Result<Vec<LimitState>, PortalError> {
    // The period says where the account's cap stands, which is not asked here.
    let spender = Spender { account: me.account.id, key, period: PeriodId(Uuid::nil()), at: me.account.now(app.clock.now()) };
    let mut states = limits::states(&app.db, &spender).await?;
    states.retain(|state| matches!(state.scope, Per::Day | Per::Week | Per::Month));
    Ok(states)
}

async fn page(
    app: &App,
    me: SignedInMember,
    (key, budgets): (api_key::Model, Vec<LimitState>),
    form: KeyForm,
    errors: FieldErrors,
) -> Result<Page<KeyPage>, PortalError> {
    let SignedInMember { account, shell, .. } = me;
    let now = app.clock.now();
    let old = key::former(&app.db, &[key.id], now).await?;
    let amount = |amount: i64| show::nanos(Nanos(amount), &account.currency);
    Ok(Page(KeyPage {
        id: key.id.to_string(),
        shown: super::shown(&key, account.mode.as_str()),
        created: show::date(key.created_at),
        last_used: key.last_used_at.map_or_else(|| "never".to_owned(), show::moment),
        state: super::state(&key, now),
        title: key.name,
        old: old.into_iter().map(|old| Old { hint: old.hint, until: show::moment(old.expires_at) }).collect(),
        budgets: budgets
            .iter()
            .map(|state| Budget {
                per: state.scope.as_str(),
                amount: amount(state.amount.0),
                spent: amount(state.spent.0),
                remaining: amount((state.amount.0 - state.spent.0).max(0)),
            })
            .collect(),
        scopes: form.boxes(),
        form,
        currency: account.currency.to_uppercase(),
        errors,
        shell,
    }))
}
