//! `/app/billing`: the plan, the credit, the period so far, the invoice to come, and more credit through the hosted checkout.

use askama::Template;
use chrono::TimeDelta;
use entity::dispute::State as DisputeState;
use entity::money::Minor;
use entity::top_up::{self as top_up_row, State};
use entity::{coupon as coupon_rows, coupon_redemption};
use poem::web::{Data, Query};
use poem::{IntoResponse as _, Response, handler};
use serde::Deserialize;

use super::error::PortalError;
use super::prices::{self, PriceRow};
use super::sums::{self, Parts, Sum};
use super::{see, show};
use crate::app::App;
use crate::billing::invoice::preview::preview;
use crate::billing::overview::{card, overview};
use crate::billing::top_up::{self, TopUpError};
use crate::billing::{coupon, dispute};
use crate::web::form::{FieldErrors, Form};
use crate::web::page::{Page, Shell};
use crate::web::session::SignedInMember;

/// Amounts offered, in major units.
const OFFERED: [i64; 4] = [10, 25, 50, 100];
/// For this long the return page waits for the payment by itself.
const WAITS: TimeDelta = TimeDelta::minutes(3);

/// What the checkout's links back say.
#[derive(Deserialize, Default)]
struct Asked {
    #[serde(default)]
    checkout: String,
}

/// What the top-up form sends: one of the offered amounts, or `custom` with an amount beside it.
#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    amount: String,
    #[serde(default)]
    custom: String,
}

#[derive(Template)]
#[template(path = "portal/billing.html")]
struct BillingPage {
    shell: Shell,
    remaining: String,
    is_empty: bool,
    /// What a dispute froze.
    frozen: Option<String>,
    trial: bool,
    spent: String,
    calls: String,
    period: String,
    plan: String,
    plan_description: String,
    base_fee: String,
    prices: Vec<PriceRow>,
    card: Option<String>,
    lines: Vec<Line>,
    sums: Vec<Sum>,
    total: String,
    coupons: Vec<CouponRow>,
    top_ups: Vec<TopUpRow>,
    offered: Vec<i64>,
    symbol: String,
    typed: Typed,
    errors: FieldErrors,
    /// The customer came back from the checkout.
    back: Back,
}

#[derive(PartialEq)]
enum Back {
    No,
    Paid(String),
    Waiting,
    Left,
}

struct Line {
    description: String,
    quantity: String,
    exact: String,
    amount: String,
}

/// What was typed into a form that was refused.
#[derive(Default)]
pub struct Typed {
    /// Another amount.
    pub custom: String,
    /// A coupon's code.
    pub code: String,
}

struct CouponRow {
    code: String,
    description: String,
    until: Option<String>,
}

struct TopUpRow {
    at: String,
    amount: String,
    word: &'static str,
    kind: &'static str,
}

/// Shows the page.
#[handler]
pub async fn get(app: Data<&App>, me: SignedInMember, Query(asked): Query<Asked>) -> Result<Response, PortalError> {
    Ok(page(&app, me, &asked, Typed::default(), FieldErrors::default()).await?.into_response())
}

/// Starts a checkout and sends the browser there.
#[handler]
pub async fn start(app: Data<&App>, me: SignedInMember, Form(fields): Form<Fields>) -> Result<Response, PortalError> {
    let text = if fields.amount == "custom" { fields.custom.trim() } else { fields.amount.trim() };
    let Some(amount) = minor_of(text, me.account.exponent()) else {
        let errors = FieldErrors::one("custom", "Give an amount such as 25 or 12.50.");
        return refused(&app, me, Typed { custom: fields.custom, ..Typed::default() }, errors).await;
    };
    let back = format!("{}/app/billing?checkout=", app.config.server.public_url);
    let now = me.account.now(app.clock.now());
    let links = (format!("{back}done"), format!("{back}left"));
    let started = top_up::start(&app.db, &app.stripe, &me.account, &me.member.email, amount, (&links.0, &links.1), now).await;
    let text = match started {
        Ok(url) => return Ok(see(&url)),
        Err(TopUpError::Database(error)) => return Err(error.into()),
        Err(TopUpError::Amount { min, max }) => {
            let (min, max) = (show::minor(min, &me.account.currency), show::minor(max, &me.account.currency));
            format!("Choose an amount between {min} and {max}.")
        }
        Err(error) => {
            tracing::warn!(%error, "a checkout could not be started");
            "The payment provider does not answer right now. Nothing was charged; please try again.".to_owned()
        }
    };
    refused(&app, me, Typed { custom: fields.custom, ..Typed::default() }, FieldErrors::one("custom", text)).await
}

/// The page with what was wrong in one of its forms.
pub async fn refused(app: &App, me: SignedInMember, typed: Typed, errors: FieldErrors) -> Result<Response, PortalError> {
    Ok(page(app, me, &Asked::default(), typed, errors).await?.refused())
}

async fn page(app: &App, me: SignedInMember, asked: &Asked, typed: Typed, errors: FieldErrors) -> Result<Page<BillingPage>, PortalError> {
    let SignedInMember { account, shell, .. } = me;
    let now = account.now(app.clock.now());
    let currency = account.currency.as_str();
    let state = overview(&app.db, &account).await?.ok_or_else(PortalError::unsubscribed)?;
    let next = preview(&app.db, &account, &app.config.seller).await?.ok_or_else(PortalError::unsubscribed)?;
    let top_ups = top_up::list(&app.db, account.id).await?;
    let disputes = dispute::list(&app.db, account.id).await?;
    Ok(Page(BillingPage {
        remaining: show::nanos(state.remaining, currency),
        is_empty: state.remaining.0 <= state.frozen.0,
        frozen: (state.frozen.0 > 0).then(|| show::nanos(state.frozen, currency)),
        trial: state.trial,
        spent: show::nanos(state.spent_this_period, currency),
        calls: show::calls(state.events_this_period),
        period: show::span(state.period.0, state.period.1),
        plan: state.plan_name,
        plan_description: state.plan_description,
        base_fee: show::minor(state.base_fee, currency),
        prices: state.prices.iter().flat_map(|price| prices::rows(&price.description, price.meter, &price.rate, currency)).collect(),
        card: card(&app.stripe, &account).await.map(|card| card.to_string()),
        lines: next
            .lines
            .iter()
            .map(|line| Line {
                description: line.description.clone(),
                quantity: show::count(line.quantity),
                exact: show::nanos(line.exact, currency),
                amount: show::minor(line.amount, currency),
            })
            .collect(),
        sums: sums::rows(&Parts {
            subtotal: next.subtotal,
            discounts: &next.discounts,
            tax: next.tax.as_ref(),
            credits_applied: next.credits_applied,
            carried_in: next.carried_in,
            carried_out: next.carried_out,
            currency,
        }),
        coupons: coupon::held(&app.db, account.id, now).await?.into_iter().map(coupon_row).collect(),
        total: show::minor(next.total, currency),
        back: back(asked, &top_ups, now, currency),
        top_ups: top_ups.iter().map(|top_up| row(top_up, &disputes, currency)).collect(),
        offered: OFFERED.to_vec(),
        symbol: show::minor(Minor(0), currency).trim_end_matches(['0', '.']).trim().to_owned(),
        typed,
        errors,
        shell,
    }))
}

/// What the newest top-up came to, for who just returned from the checkout.
fn back(asked: &Asked, top_ups: &[top_up_row::Model], now: entity::Time, currency: &str) -> Back {
    match (asked.checkout.as_str(), top_ups.first()) {
        ("left", _) => Back::Left,
        ("done", Some(newest)) if newest.state == State::Paid => Back::Paid(show::minor(newest.amount_minor, currency)),
        ("done", Some(newest)) if newest.state == State::Pending && now < newest.created_at + WAITS => Back::Waiting,
        _ => Back::No,
    }
}

fn coupon_row((redemption, coupon): (coupon_redemption::Model, coupon_rows::Model)) -> CouponRow {
    CouponRow { code: coupon.code, description: coupon.description, until: redemption.ends_at.map(show::date) }
}

fn row(top_up: &top_up_row::Model, disputes: &[entity::dispute::Model], currency: &str) -> TopUpRow {
    let dispute = disputes.iter().find(|dispute| dispute.top_up_id == Some(top_up.id)).map(|dispute| dispute.state);
    let (word, kind) = match top_up.state {
        State::Paid if dispute == Some(DisputeState::Open) => ("disputed", "warn"),
        State::Paid if dispute == Some(DisputeState::Lost) => ("taken back", "bad"),
        State::Pending => ("pending", "warn"),
        State::Paid => ("paid", "good"),
        State::Expired => ("expired", ""),
        State::Failed => ("refused", "bad"),
    };
    TopUpRow { at: show::moment(top_up.created_at), amount: show::minor(top_up.amount_minor, currency), word, kind }
}

/// `25` → 2500 cents; no float is involved. `None` for what is no amount of the currency.
fn minor_of(text: &str, exponent: u32) -> Option<Minor> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > exponent as usize {
        return None;
    }
    let padded = format!("{whole}{fraction:0<width$}", width = exponent as usize);
    padded.parse().ok().map(Minor).filter(|amount| amount.0 > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_without_floats() {
        assert_eq!(minor_of("25", 2), Some(Minor(2500)));
        assert_eq!(minor_of("12.5", 2), Some(Minor(1250)));
        assert_eq!(minor_of("1250", 0), Some(Minor(1250)));
        for wrong in ["", "0", "-5", "1e3", "12.505", "1,000", "ten", "99999999999999999999"] {
            assert_eq!(minor_of(wrong, 2), None, "{wrong}");
        }
    }
}
