//! `/app/billing/alerts`: warnings by mail, and the cap that really stops.

use askama::Template;
use entity::balance::Scope as Per;
use entity::money::{Nanos, exponent};
use entity::{account, spend_limit};
use poem::web::Data;
use poem::{IntoResponse as _, Response, handler};
use sea_orm::{ColumnTrait as _, QueryFilter as _, TransactionTrait as _};
use serde::Deserialize;

use super::error::PortalError;
use super::{see_with, show};
use crate::app::App;
use crate::billing::alert::{self, Settings, SettingsError};
use crate::billing::overview::overview;
use crate::metering::limits;
use crate::web::form::{FieldErrors, Form};
use crate::web::page::{Page, Shell};
use crate::web::session::SignedInMember;

/// What was typed; an empty field is none.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Fields {
    budget: String,
    /// Per cents with commas between them.
    shares: String,
    credit_below: String,
    cap: String,
}

/// What it asks for.
struct Asked {
    settings: Settings,
    cap: Option<Nanos>,
}

#[derive(Template)]
#[template(path = "portal/alerts.html")]
struct AlertsPage {
    shell: Shell,
    fields: Fields,
    spent: String,
    remaining: String,
    period: String,
    currency: String,
    errors: FieldErrors,
}

/// Shows the page.
#[handler]
pub async fn get(app: Data<&App>, me: SignedInMember) -> Result<Response, PortalError> {
    let settings = alert::settings(&app.db, &me.account).await?;
    let cap = spend_limit::Entity::of(me.account.id).filter(spend_limit::Column::Scope.eq(Per::Period)).one(&app.db).await?;
    let text = |amount: Option<Nanos>| amount.map(|amount| amount.decimal(exponent(&me.account.currency))).unwrap_or_default();
    let fields = Fields {
        budget: text(settings.budget),
        shares: settings.shares.iter().map(i64::to_string).collect::<Vec<_>>().join(", "),
        credit_below: text(settings.credit_below),
        cap: text(cap.map(|cap| cap.amount)),
    };
    Ok(page(&app, me, fields, FieldErrors::default()).await?.into_response())
}

/// Saves it.
#[handler]
pub async fn post(app: Data<&App>, me: SignedInMember, Form(fields): Form<Fields>) -> Result<Response, PortalError> {
    match save(&app, &me.account, &fields).await? {
        Ok(()) => Ok(see_with(&app, "/app/billing/alerts", "alerts_saved")),
        Err(errors) => Ok(page(&app, me, fields, errors).await?.refused()),
    }
}

async fn save(app: &App, account: &account::Model, fields: &Fields) -> Result<Result<(), FieldErrors>, PortalError> {
    let asked = match read(fields) {
        Ok(asked) => asked,
        Err(errors) => return Ok(Err(errors)),
    };
    let txn = app.db.begin().await?;
    let refused = match alert::set_in(&txn, account.id, &asked.settings).await {
        Ok(()) => None,
        Err(SettingsError::Database(error)) => return Err(error.into()),
        Err(error @ SettingsError::Budget) => Some(("budget", error)),
        Err(error @ SettingsError::Shares) => Some(("shares", error)),
        Err(error @ SettingsError::Credit) => Some(("credit_below", error)),
    };
    if let Some((field, error)) = refused {
        return Ok(Err(FieldErrors::one(field, format!("Here is {error}."))));
    }
    let known = spend_limit::Entity::of(account.id).filter(spend_limit::Column::Scope.eq(Per::Period)).one(&txn).await?;
    // Setting it ends what replicas have reserved: only when it changes.
    if known.map(|cap| cap.amount) != asked.cap {
        limits::set_cap_in(&txn, account.id, asked.cap).await?;
    }
    txn.commit().await?;
    Ok(Ok(()))
}

fn read(fields: &Fields) -> Result<Asked, FieldErrors> {
    let mut errors = FieldErrors::default();
    let mut amount = |field: &'static str, text: &str| {
        let amount = (!text.trim().is_empty()).then(|| Nanos::parse(text.trim()));
        if amount == Some(None) {
            errors.add(field, "Type an amount such as 50.00, or nothing.");
        }
        amount.flatten()
    };
    let budget = amount("budget", &fields.budget);
    let credit_below = amount("credit_below", &fields.credit_below);
    let cap = amount("cap", &fields.cap);
    let parts = fields.shares.split([',', '%']).map(str::trim).filter(|part| !part.is_empty());
    let shares: Result<Vec<i64>, _> = parts.map(str::parse).collect();
    if shares.is_err() {
        errors.add("shares", "Type per cents with commas between them, such as 50, 80, 100; or nothing.");
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut shares = shares.unwrap_or_default();
    shares.sort_unstable();
    shares.dedup();
    Ok(Asked { settings: Settings { budget, shares, credit_below }, cap })
}

async fn page(app: &App, me: SignedInMember, fields: Fields, errors: FieldErrors) -> Result<Page<AlertsPage>, PortalError> {
    let SignedInMember { account, shell, .. } = me;
    let state = overview(&app.db, &account).await?.ok_or_else(PortalError::unsubscribed)?;
    let amount = |nanos: Nanos| show::nanos(nanos, &account.currency);
    Ok(Page(AlertsPage {
        shell,
        fields,
        spent: amount(state.spent_this_period),
        remaining: amount(state.remaining),
        period: show::span(state.period.0, state.period.1),
        currency: account.currency.to_uppercase(),
        errors,
    }))
}
