//! What an operator does, from the command line.

use anyhow::Context as _;
use entity::credit_grant::Kind;
use entity::credit_note::Settlement;
use entity::ids::{AccountId, InvoiceId};
use entity::money::{Minor, Nanos, exponent};
use entity::{account, invoice};
use sea_orm::{EntityTrait as _, Iterable as _};

use super::{By, Office};
use crate::billing::credit::adjust::{self, Adjustment};
use crate::billing::invoice::act::{Why, credit_note as notes, void as voids, write_off as write_offs};
use crate::billing::subscription::{self, Act};
use crate::platform::audit;

impl By {
    /// `operator:ada`, as it stands in the audit log.
    fn actor(&self) -> String {
        format!("{}:{}", audit::OPERATOR, self.operator.trim())
    }
}

pub(super) async fn adjust(office: &Office, id: AccountId, amount: &str, reference: &str, by: &By) -> anyhow::Result<String> {
    let account = account::Entity::find_by_id(id).one(&office.db).await?.context("there is no such account")?;
    let digits = amount.strip_prefix('-').unwrap_or(amount);
    let exact = Nanos::parse(digits).with_context(|| format!("amount: expected a decimal text such as 12.50, found {amount:?}"))?;
    let what = if digits.len() < amount.len() {
        Adjustment::Revoke { amount: exact }
    } else {
        Adjustment::Give { amount: exact, kind: Kind::Promotional, priority: None, expires_at: None }
    };
    let actor = by.actor();
    let why = Why { actor: &actor, reason: &by.reason };
    let left = adjust::adjust(&office.db, id, what, (reference, why), office.clock.now()).await?;
    Ok(format!("The credit of {id} is {} {} now.\n", left.decimal(account.exponent()), account.currency.to_uppercase()))
}

pub(super) async fn void(office: &Office, id: InvoiceId, by: &By) -> anyhow::Result<String> {
    let actor = by.actor();
    let why = Why { actor: &actor, reason: &by.reason };
    let new = voids::void(&office.db, &office.stripe, &office.config.seller, id, why, office.clock.now()).await?;
    Ok(format!("{id} is withdrawn; {} ({}) takes its place.\n", new.number.unwrap_or_default(), new.id))
}

pub(super) async fn write_off(office: &Office, id: InvoiceId, by: &By) -> anyhow::Result<String> {
    let actor = by.actor();
    let why = Why { actor: &actor, reason: &by.reason };
    let row = write_offs::write_off(&office.db, &office.stripe, id, why, office.clock.now()).await?;
    Ok(format!("{} is written off.\n", row.number.unwrap_or_default()))
}

pub(super) async fn credit_note(office: &Office, id: InvoiceId, (amount, settlement): (&str, &str), by: &By) -> anyhow::Result<String> {
    let row = invoice::Entity::find_by_id(id).one(&office.db).await?.context("there is no such invoice")?;
    let known = Settlement::iter().find(|known| known.as_str() == settlement);
    let settlement = known.context("--settlement: expected none, refund or credit")?;
    let amount = minor(amount, exponent(&row.currency))?;
    let actor = by.actor();
    let why = Why { actor: &actor, reason: &by.reason };
    let note = notes::issue(&office.db, &office.stripe, id, (amount, settlement), why, office.clock.now()).await?;
    Ok(format!("Credit note {} is issued.\n", note.number))
}

pub(super) async fn change(office: &Office, id: AccountId, plan: String, at_period_end: bool, by: &By) -> anyhow::Result<String> {
    let actor = by.actor();
    let why = Why { actor: &actor, reason: &by.reason };
    let said = if at_period_end { "gets" } else { "is on" };
    let when = if at_period_end { " when its period ends" } else { " now" };
    let text = format!("{id} {said} the plan {plan}{when}.\n");
    let act = if at_period_end { Act::ChangeAtPeriodEnd(plan) } else { Act::ChangeNow(plan) };
    account::Entity::find_by_id(id).one(&office.db).await?.context("there is no such account")?;
    subscription::act_for(&office.db, id, &act, why, office.clock.now()).await?;
    Ok(text)
}

/// Exact to the currency's smallest coin.
fn minor(text: &str, digits: u32) -> anyhow::Result<Minor> {
    let exact = Nanos::parse(text).with_context(|| format!("amount: expected a decimal text such as 12.50, found {text:?}"))?;
    let amount = exact.round(digits);
    anyhow::ensure!(amount.nanos(digits)? == exact, "amount: expected at most {digits} digits behind the point, found {text:?}");
    Ok(amount)
}
