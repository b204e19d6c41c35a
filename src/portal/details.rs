//! `/app/billing/details`: who the invoices are for, in which language, with which tax id.

use askama::Template;
use entity::account::Locale;
use poem::web::Data;
use poem::{IntoResponse as _, Response, handler};
use sea_orm::TransactionTrait as _;
use serde::Deserialize;

use super::error::PortalError;
use super::see_with;
use crate::accounts::details::{self, Details};
use crate::app::App;
use crate::web::form::{FieldErrors, Form};
use crate::web::page::{Page, Shell};
use crate::web::session::SignedInMember;

/// Zones that the form offers; the API takes every one of the IANA database.
const ZONES: [&str; 16] = [
    "UTC",
    "America/Los_Angeles",
    "America/Chicago",
    "America/New_York",
    "America/Sao_Paulo",
    "Europe/London",
    "Europe/Paris",
    "Europe/Berlin",
    "Europe/Athens",
    "Africa/Johannesburg",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Australia/Sydney",
];

/// What was typed. A box that is not ticked is not sent.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Fields {
    name: String,
    address_line1: String,
    address_line2: String,
    postal_code: String,
    city: String,
    country: String,
    tax_id: String,
    locale: String,
    time_zone: String,
    e_invoice: Option<String>,
}

impl Default for Fields {
    fn default() -> Self {
        let [name, address_line1, address_line2, postal_code, city, country, tax_id, locale, time_zone] = Default::default();
        Self { name, address_line1, address_line2, postal_code, city, country, tax_id, locale, time_zone, e_invoice: None }
    }
}

#[derive(Template)]
#[template(path = "portal/details.html")]
struct DetailsPage {
    shell: Shell,
    details: Details,
    zones: Vec<String>,
    errors: FieldErrors,
}

/// Shows the page.
#[handler]
pub async fn get(me: SignedInMember) -> Result<Response, PortalError> {
    let details = Details::from(&me.account);
    Ok(page(me.shell, details, FieldErrors::default()).into_response())
}

/// Saves it. Invoices from the next one on say so.
#[handler]
pub async fn post(app: Data<&App>, me: SignedInMember, Form(fields): Form<Fields>) -> Result<Response, PortalError> {
    let typed = Details {
        name: fields.name,
        address_line1: fields.address_line1,
        address_line2: fields.address_line2,
        postal_code: fields.postal_code,
        city: fields.city,
        country: fields.country,
        tax_id: fields.tax_id,
        locale: if fields.locale == "zh" { Locale::Zh } else { Locale::En },
        time_zone: fields.time_zone,
        e_invoice: fields.e_invoice.is_some(),
    };
    match typed.clone().checked() {
        Ok(details) => {
            let txn = app.db.begin().await?;
            details::store(&txn, me.account.id, details, app.clock.now()).await?;
            txn.commit().await?;
            Ok(see_with(&app, "/app/billing/details", "details_saved"))
        }
        Err(wrong) => {
            let mut errors = FieldErrors::default();
            wrong.into_iter().for_each(|wrong| errors.add(wrong.field, sentence(&wrong.expected)));
            Ok(page(me.shell, typed, errors).refused())
        }
    }
}

fn page(shell: Shell, details: Details, errors: FieldErrors) -> Page<DetailsPage> {
    let own = (!ZONES.contains(&details.time_zone.as_str())).then(|| details.time_zone.clone());
    let zones = own.into_iter().chain(ZONES.map(str::to_owned)).collect();
    Page(DetailsPage { shell, details, zones, errors })
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| format!("{}{}.", first.to_uppercase(), letters.as_str())).unwrap_or_default()
}
