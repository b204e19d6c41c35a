//! `lensmeter admin account`: accounts as an operator reads them.

use std::fmt::Write as _;

use anyhow::Context as _;
use entity::ids::AccountId;
use entity::money::{Minor, Nanos};
use entity::{account, audit_log, balance, member};
use sea_orm::{ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _};

use super::Office;
use crate::billing::{invoice, subscription};

/// The most accounts of a list, and the most rows of each part of one.
const SHOWN: u64 = 50;
const PARTS: usize = 10;

/// A line for each account.
pub(super) async fn list(office: &Office, matching: &str) -> anyhow::Result<String> {
    let owners = member::Entity::find().filter(member::Column::Email.contains(matching)).select_only().column(member::Column::AccountId);
    let named = Condition::any().add(account::Column::Name.contains(matching)).add(account::Column::Id.in_subquery(owners.into_query()));
    let found = account::Entity::find().filter(named).order_by_desc(account::Column::Id).limit(SHOWN + 1).all(&office.db).await?;
    let mut text = String::new();
    for row in found.iter().take(SHOWN as usize) {
        let account::Model { id, name, currency, mode, standing, .. } = row;
        writeln!(text, "{id}  {:<9} {:<4} {}  {name}", standing.as_str(), mode.as_str(), currency.to_uppercase())?;
    }
    if found.len() as u64 > SHOWN {
        writeln!(text, "… and more: narrow it down with --matching")?;
    }
    Ok(if text.is_empty() { "No account.\n".into() } else { text })
}

/// One account on a page.
pub(super) async fn show(office: &Office, id: AccountId) -> anyhow::Result<String> {
    let db = &office.db;
    let account = account::Entity::find_by_id(id).one(db).await?.context("there is no such account")?;
    let owner = member::Entity::of(id).order_by_asc(member::Column::Id).one(db).await?.map(|row| row.email).unwrap_or_default();
    let digits = account.exponent();
    let money = |nanos: Nanos| format!("{} {}", nanos.decimal(digits), account.currency.to_uppercase());
    let minor = |amount: Minor| format!("{} {}", amount.decimal(digits), account.currency.to_uppercase());
    let mut text = String::new();
    writeln!(text, "{id}  {}\n{owner}", account.name)?;
    writeln!(text, "standing  {} ({} mode)", account.standing.as_str(), account.mode.as_str())?;
    writeln!(text, "time      {}", account.now(office.clock.now()).format("%Y-%m-%d %H:%M UTC"))?;
    if let Some(credit) = balance::Entity::credit_of(id).one(db).await? {
        writeln!(text, "credit    {} of {}", money(credit.remaining()), money(credit.credits))?;
    }
    if let Some(state) = subscription::state(db, &account).await? {
        let until = state.period.as_ref().map(|period| format!(", period until {}", period.ends_at.date_naive())).unwrap_or_default();
        let next = state.at_period_end().map(|(act, _)| format!(", then {}", act.as_str())).unwrap_or_default();
        writeln!(text, "plan      {} version {} ({}{until}{next})", state.plan_code, state.plan.version, state.status())?;
    }
    for row in invoice::list(db, id).await?.iter().take(PARTS) {
        let (number, due) = (row.number.clone().unwrap_or_default(), row.due());
        let state = format!("{}, {}", row.document_state.as_str(), row.payment_state.as_str());
        writeln!(text, "invoice   {}  {number}  {}, due {}  {state}", row.id, minor(row.total_minor), minor(due))?;
    }
    let acts = audit_log::Entity::of(id).order_by_desc(audit_log::Column::Id).limit(PARTS as u64);
    for act in acts.all(db).await? {
        writeln!(text, "act       {}  {} by {}: {}", act.at.format("%Y-%m-%d %H:%M"), act.action, act.actor, act.reason)?;
    }
    Ok(text)
}
