//! `/app/billing/credit`: what became of the credit, line by line, and how it buys itself.

use askama::Template;
use entity::account;
use entity::money::{Minor, Nanos, exponent};
use poem::web::Data;
use poem::{IntoResponse as _, Response, handler};
use serde::Deserialize;

use super::error::PortalError;
use super::{see_with, show};
use crate::app::App;
use crate::billing::auto_top_up::{self, Settings, SettingsError};
use crate::billing::credit::statement::{self, Entry, What};
use crate::web::form::{FieldErrors, Form};
use crate::web::page::{Page, Shell};
use crate::web::session::SignedInMember;

/// What was typed; a box that is not ticked is not sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Fields {
    enabled: String,
    threshold: String,
    amount: String,
    daily_cap: String,
}

#[derive(Template)]
#[template(path = "portal/credit.html")]
struct CreditPage {
    shell: Shell,
    rows: Vec<Row>,
    fields: Fields,
    currency: String,
    errors: FieldErrors,
}

struct Row {
    at: String,
    what: &'static str,
    note: String,
    amount: String,
    /// It came, and did not go.
    came: bool,
    balance: String,
}

/// Shows the page.
#[handler]
pub async fn get(app: Data<&App>, me: SignedInMember) -> Result<Response, PortalError> {
    let row = auto_top_up::of(&app.db, &me.account, me.account.now(app.clock.now())).await?;
    let digits = exponent(&me.account.currency);
    let fields = Fields {
        enabled: if row.enabled { "on".into() } else { String::new() },
        threshold: row.threshold_nanos.decimal(digits),
        amount: row.amount_minor.decimal(digits),
        daily_cap: row.daily_cap_minor.decimal(digits),
    };
    Ok(page(&app, me, fields, FieldErrors::default()).await?.into_response())
}

/// Saves how credit buys itself.
#[handler]
pub async fn post(app: Data<&App>, me: SignedInMember, Form(fields): Form<Fields>) -> Result<Response, PortalError> {
    let asked = match read(&fields, &me.account) {
        Ok(asked) => asked,
        Err(errors) => return Ok(page(&app, me, fields, errors).await?.refused()),
    };
    let now = me.account.now(app.clock.now());
    let field = match auto_top_up::set(&app.db, &me.account, asked, now).await {
        Ok(_) => return Ok(see_with(&app, "/app/billing/credit", "auto_top_up_saved")),
        Err(SettingsError::Database(error)) => return Err(error.into()),
        Err(SettingsError::Amount) => ("amount", "Type an amount that a top-up can have."),
        Err(SettingsError::Threshold) => ("threshold", "Type an amount that is not above the largest top-up."),
        Err(SettingsError::DailyCap) => ("daily_cap", "Type at least the amount of one top-up."),
    };
    Ok(page(&app, me, fields, FieldErrors::one(field.0, field.1)).await?.refused())
}

fn read(fields: &Fields, account: &account::Model) -> Result<Settings, FieldErrors> {
    let mut errors = FieldErrors::default();
    let mut amount = |field: &'static str, text: &str| {
        Nanos::parse(text.trim()).unwrap_or_else(|| {
            errors.add(field, "Type an amount such as 25.00.");
            Nanos(0)
        })
    };
    let digits = account.exponent();
    let threshold = amount("threshold", &fields.threshold);
    let (once, daily) = (amount("amount", &fields.amount), amount("daily_cap", &fields.daily_cap));
    let mut whole = |field: &'static str, exact: Nanos| {
        let rounded = exact.round(digits);
        if rounded.nanos(digits) != Ok(exact) {
            errors.add(field, "Type an amount without parts of a cent.");
        }
        rounded
    };
    let (amount, daily_cap): (Minor, Minor) = (whole("amount", once), whole("daily_cap", daily));
    if errors.is_empty() { Ok(Settings { enabled: !fields.enabled.is_empty(), threshold, amount, daily_cap }) } else { Err(errors) }
}

async fn page(app: &App, me: SignedInMember, fields: Fields, errors: FieldErrors) -> Result<Page<CreditPage>, PortalError> {
    let SignedInMember { account, shell, .. } = me;
    let mut entries = statement::statement(&app.db, &account, account.now(app.clock.now())).await?;
    // The latest is what people look for.
    entries.reverse();
    let rows = entries.into_iter().map(|entry| row(entry, &account.currency)).collect();
    Ok(Page(CreditPage { shell, rows, fields, currency: account.currency.to_uppercase(), errors }))
}

fn row(entry: Entry, currency: &str) -> Row {
    let what = match entry.what {
        What::Paid => "Top-up",
        What::Promotional => "Gift",
        What::Used => "Usage, invoiced",
        What::Returned => "Returned, invoice withdrawn",
        What::Expired => "Expired",
        What::Revoked => "Taken back",
        What::Unbilled => "Usage, not invoiced yet",
    };
    let note = match entry.expires_at {
        Some(end) if entry.note.is_empty() => format!("until {}", show::date(end)),
        Some(end) => format!("{}, until {}", entry.note, show::date(end)),
        None => entry.note,
    };
    Row {
        at: show::moment(entry.at),
        what,
        note,
        amount: show::nanos(entry.amount, currency),
        came: entry.amount.0 > 0,
        balance: show::nanos(entry.balance, currency),
    }
}
