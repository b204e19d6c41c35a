//! `/app/settings`: who is signed in, and in which account.

use askama::Template;
use entity::session;
use poem::web::Data;
use poem::{Request, handler};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use super::error::PortalError;
use super::show;
use crate::app::App;
use crate::platform::secret;
use crate::web::page::{Page, Shell};
use crate::web::session::{SignedInMember, cookie_of};

#[derive(Template)]
#[template(path = "portal/settings.html")]
struct SettingsPage {
    shell: Shell,
    email: String,
    role: &'static str,
    member_since: String,
    company: String,
    account_id: String,
    mode: &'static str,
    currency: String,
    sessions: Vec<Row>,
}

struct Row {
    browser: String,
    ip: String,
    since: String,
    seen: String,
    is_this: bool,
}

/// Shows the page.
#[handler]
pub async fn get(request: &Request, app: Data<&App>, me: SignedInMember) -> Result<Page<impl Template>, PortalError> {
    let SignedInMember { member, account, shell } = me;
    let now = app.clock.now();
    let this = cookie_of(&app, request).map(secret::sha256).unwrap_or_default();
    let sessions = session::Entity::find()
        .filter(session::Column::MemberId.eq(member.id))
        .filter(session::Column::ExpiresAt.gt(now))
        .order_by_desc(session::Column::LastSeenAt)
        .all(&app.db)
        .await?;
    let rows = sessions.into_iter().map(|session| Row {
        browser: browser(&session.user_agent),
        ip: session.ip,
        since: show::moment(session.created_at),
        seen: show::moment(session.last_seen_at),
        is_this: session.token_hash == this,
    });
    Ok(Page(SettingsPage {
        shell,
        email: member.email,
        role: member.role.as_str(),
        member_since: show::date(member.created_at),
        company: account.name,
        account_id: account.id.to_string(),
        mode: account.mode.as_str(),
        currency: account.currency.to_uppercase(),
        sessions: rows.collect(),
    }))
}

/// A browser's name out of what it says of itself: good enough to recognise one's own.
fn browser(user_agent: &str) -> String {
    let known = [("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"), ("curl/", "curl")];
    let systems =
        [("Windows", "Windows"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Mac OS X", "macOS"), ("Linux", "Linux")];
    let find = |table: &[(&str, &'static str)]| table.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name);
    match (find(&known), find(&systems)) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        (Some(name), None) => name.to_owned(),
        _ if user_agent.is_empty() => "unknown".to_owned(),
        _ => user_agent.chars().take(60).collect(),
    }
}
