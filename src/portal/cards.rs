//! `/app/billing/cards`: the saved cards, which of them invoices are charged to, and the provider's own portal.

use askama::Template;
use poem::web::{Data, Path, Query};
use poem::{IntoResponse as _, Response, handler};
use serde::Deserialize;

use super::error::PortalError;
use super::{see, see_with};
use crate::app::App;
use crate::billing::card::{self, Saved};
use crate::billing::provider::ProviderError;
use crate::web::form::{Confirmed, Form};
use crate::web::page::{Page, Shell};
use crate::web::session::SignedInMember;

const HERE: &str = "/app/billing/cards";

/// What the links back from the page that saves a card say.
#[derive(Deserialize, Default)]
struct Asked {
    #[serde(default)]
    card: String,
}

#[derive(Template)]
#[template(path = "portal/cards.html")]
struct CardsPage {
    shell: Shell,
    cards: Vec<Row>,
    /// The provider does not answer: the list is not known.
    away: bool,
    /// The customer came back from the page that saves a card.
    back: Back,
}

#[derive(PartialEq)]
enum Back {
    No,
    Done,
    Left,
}

struct Row {
    id: String,
    name: String,
    expires: String,
    default: bool,
}

/// Shows the page.
#[handler]
pub async fn get(app: Data<&App>, me: SignedInMember, Query(asked): Query<Asked>) -> Result<Response, PortalError> {
    let cards = card::saved(&app.stripe, &me.account).await;
    if let Err(error) = &cards {
        tracing::warn!(%error, "the saved cards could not be read: {error}");
    }
    let back = match asked.card.as_str() {
        "done" => Back::Done,
        "left" => Back::Left,
        _ => Back::No,
    };
    let away = cards.is_err();
    let cards = cards.unwrap_or_default().into_iter().map(row).collect();
    Ok(Page(CardsPage { shell: me.shell, cards, away, back }).into_response())
}

fn row(saved: Saved) -> Row {
    let (year, month) = saved.card.expires;
    Row { name: saved.card.to_string(), expires: format!("{month:02}/{year}"), default: saved.default, id: saved.card.id }
}

/// Sends the browser to the page that saves a card.
#[handler]
pub async fn add(app: Data<&App>, me: SignedInMember, Form(Confirmed {}): Form<Confirmed>) -> Result<Response, PortalError> {
    let back = format!("{}{HERE}", app.config.server.public_url);
    let page = card::add(&app.db, &app.stripe, &me.account, (&me.member.email, &back), app.clock.now()).await;
    leads_to(&app, page)
}

/// Sends the browser to the provider's own portal.
#[handler]
pub async fn portal(app: Data<&App>, me: SignedInMember, Form(Confirmed {}): Form<Confirmed>) -> Result<Response, PortalError> {
    let back = format!("{}{HERE}", app.config.server.public_url);
    let page = card::visit_portal(&app.db, &app.stripe, &me.account, (&me.member.email, &back), app.clock.now()).await;
    leads_to(&app, page)
}

/// Has invoices charged to a card.
#[handler]
pub async fn make_default(
    app: Data<&App>,
    me: SignedInMember,
    Path(id): Path<String>,
    Form(Confirmed {}): Form<Confirmed>,
) -> Result<Response, PortalError> {
    changed(&app, card::make_default(&app.stripe, &me.account, &id).await, "card_default")
}

/// Forgets a card.
#[handler]
pub async fn remove(
    app: Data<&App>,
    me: SignedInMember,
    Path(id): Path<String>,
    Form(Confirmed {}): Form<Confirmed>,
) -> Result<Response, PortalError> {
    changed(&app, card::remove(&app.stripe, &me.account, &id).await, "card_removed")
}

fn leads_to(app: &App, page: Result<String, ProviderError>) -> Result<Response, PortalError> {
    match page {
        Ok(url) => Ok(see(&url)),
        Err(error) => away(app, error),
    }
}

/// Another account's card is none.
fn changed(app: &App, done: Result<bool, ProviderError>, code: &'static str) -> Result<Response, PortalError> {
    match done {
        Ok(true) => Ok(see_with(app, HERE, code)),
        Ok(false) => Err(PortalError::NotFound),
        Err(error) => away(app, error),
    }
}

fn away(app: &App, error: ProviderError) -> Result<Response, PortalError> {
    match error {
        ProviderError::Database(error) => Err(error.into()),
        error => {
            tracing::warn!(%error, "a card could not be changed: {error}");
            Ok(see_with(app, HERE, "provider_away"))
        }
    }
}
