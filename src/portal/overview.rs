//! `/app`: what is left, what was used, and the next step for who has not made a call yet.

use askama::Template;
use chrono::TimeDelta;
use poem::handler;
use poem::web::Data;

use super::chart::{self, Chart};
use super::error::PortalError;
use super::show;
use crate::app::App;
use crate::auth::key;
use crate::billing::overview::overview;
use crate::metering::report;
use crate::web::page::{Page, Shell};
use crate::web::session::SignedInMember;

#[derive(Template)]
#[template(path = "portal/overview.html")]
struct OverviewPage {
    shell: Shell,
    account: String,
    remaining: String,
    is_empty: bool,
    trial: bool,
    spent: String,
    calls: String,
    period: String,
    plan: String,
    chart: Chart,
    has_key: bool,
    has_call: bool,
    curl: String,
}

/// Shows the page.
#[handler]
pub async fn get(app: Data<&App>, me: SignedInMember) -> Result<Page<impl Template>, PortalError> {
    let SignedInMember { account, shell, .. } = me;
    let now = account.now(app.clock.now());
    let state = overview(&app.db, &account).await?.ok_or_else(PortalError::unsubscribed)?;
    let tomorrow = now.date_naive() + TimeDelta::days(1);
    let days = report::by_day(&app.db, account.id, tomorrow - TimeDelta::days(30), tomorrow).await?;
    let keys = key::list(&app.db, account.id).await?;
    let has_call = report::has_call(&app.db, account.id).await?;
    Ok(Page(OverviewPage {
        account: account.name.clone(),
        remaining: show::nanos(state.remaining, &account.currency),
        is_empty: state.remaining.0 <= 0,
        trial: state.trial,
        spent: show::nanos(state.spent_this_period, &account.currency),
        calls: show::count(state.events_this_period),
        period: show::span(state.period.0, state.period.1),
        plan: state.plan_name,
        chart: chart::of(&days, &account.currency),
        has_key: keys.iter().any(|key| key.revoked_at.is_none() && key.name != super::playground::KEY_NAME),
        has_call,
        curl: super::keys::curl(&app.config.server.public_url, "$LENSMETER_KEY"),
        shell,
    }))
}
