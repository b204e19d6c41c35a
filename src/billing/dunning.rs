//! What follows when an invoice is not paid: charges and letters by a schedule, then suspension; and the way back.
//!
//! One row per unpaid invoice says where it stands; [`Dun`] takes it one step further. Every step is under the account's lock and
//! looks again, so that a payment that comes in between ends it.

use chrono::TimeDelta;
use entity::account::{Collection, Standing};
use entity::ids::{AccountId, InvoiceId};
use entity::invoice::PaymentState;
use entity::{Time, account, dunning, invoice};
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, PaginatorTrait as _, QuerySelect as _, Statement,
    TransactionTrait as _,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::invoice::collect::CollectInvoice;
use super::letters::{self, Next};
use super::payment::lock_in;
use crate::platform::config::Dunning;
use crate::platform::mail::{self, Letter};
use crate::platform::queue::{self, Failure, Job, Outcome};
use crate::webhooks::{self, Event};

/// How long the outcome of a charge may take before the charge is asked for again, under the same key.
const PATIENCE: TimeDelta = TimeDelta::days(1);
/// How long a customer may take to confirm a charge before it counts as failed.
pub const CONFIRMATION: TimeDelta = TimeDelta::days(3);

/// Takes the dunning of an invoice a step further.
#[derive(Debug, Serialize, Deserialize)]
pub struct Dun {
    pub invoice: InvoiceId,
}

impl Job for Dun {
    const KIND: &'static str = "billing.dun";
}

/// Looks for invoices whose next step is due.
#[derive(Debug, Serialize, Deserialize)]
pub struct DunDue {}

impl Job for DunDue {
    const KIND: &'static str = "billing.dun_due";
}

/// Tells the customer that the account is active again.
#[derive(Debug, Serialize, Deserialize)]
pub struct TellRestored {
    /// The invoice that was settled last.
    pub invoice: InvoiceId,
}

impl Job for TellRestored {
    const KIND: &'static str = "billing.tell_restored";
}

/// Notes that a charge failed, in the caller's transaction, which holds the account's lock. `attempt` is which one, from 1, when
/// it was ours; the news of a failure alone does not say. True when it was not known.
pub(super) async fn failed_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    invoice: &invoice::Model,
    attempt: Option<u32>,
    wall_now: Time,
) -> Result<bool, DbErr> {
    let known = dunning::Entity::find_by_id(invoice.id).one(txn).await?;
    let failures = attempt.map_or(1, |attempt| i32::try_from(attempt).unwrap_or(i32::MAX)).max(1);
    match known {
        Some(row) if row.failures >= failures => return Ok(false),
        Some(_) => {
            let change = dunning::ActiveModel { invoice_id: Set(invoice.id), failures: Set(failures), ..Default::default() };
            dunning::Entity::update(change).exec(txn).await?;
        }
        None => {
            let now = account.now(wall_now);
            let row =
                dunning::Model { invoice_id: invoice.id, account_id: account.id, started_at: now, failures, told: 0, next_at: Some(now) };
            dunning::Entity::insert(dunning::ActiveModel::from(row)).exec_without_returning(txn).await?;
        }
    }
    if account.standing == Standing::Active {
        set_standing_in(txn, account, Standing::PastDue).await?;
    }
    queue::enqueue_in(txn, &Dun { invoice: invoice.id }, Some(format!("{}:{failures}", invoice.id)), wall_now).await?;
    Ok(true)
}

/// Forgets what is settled, and makes the account active again when nothing is left that it was suspended, or past due, for.
/// In the caller's transaction, which holds the account's lock and has settled, withdrawn or given up an invoice.
pub(super) async fn restore_in(txn: &impl ConnectionTrait, account: &account::Model, wall_now: Time) -> Result<(), DbErr> {
    let mut settled = None;
    for row in dunning::Entity::of(account.id).all(txn).await? {
        let invoice = invoice::Entity::find_by_id(row.invoice_id).one(txn).await?;
        if invoice.is_none_or(|invoice| invoice.due().0 == 0) {
            dunning::Entity::delete_by_id(row.invoice_id).exec(txn).await?;
            settled = Some(row.invoice_id);
        }
    }
    let waits = dunning::Entity::of(account.id).count(txn).await? > 0;
    if waits || !matches!(account.standing, Standing::PastDue | Standing::Suspended) {
        return Ok(());
    }
    // A trigger tells every replica, which answers calls again with the next one.
    set_standing_in(txn, account, Standing::Active).await?;
    if let (Standing::Suspended, Some(invoice)) = (account.standing, settled) {
        queue::enqueue_in(txn, &TellRestored { invoice }, Some(invoice.to_string()), wall_now).await?;
    }
    Ok(())
}

async fn set_standing_in(txn: &impl ConnectionTrait, account: &account::Model, standing: Standing) -> Result<(), DbErr> {
    let change = account::ActiveModel { id: Set(account.id), standing: Set(standing), ..Default::default() };
    account::Entity::update(change).exec(txn).await.map(|_| ())
}

/// Enqueues a step for every invoice whose next one is due in its account's own time, after it began with what is overdue.
///
/// # Errors
/// When the database refuses.
pub async fn due(db: &DatabaseConnection, wall_now: Time) -> Result<(), DbErr> {
    begin_overdue(db, None, wall_now).await?;
    let statement = Statement::from_sql_and_values(
        db.get_database_backend(),
        "SELECT d.invoice_id FROM dunning d JOIN account a ON a.id = d.account_id
         WHERE d.next_at <= $1 + make_interval(secs => a.clock_offset_seconds) ORDER BY d.next_at LIMIT 1000",
        [wall_now.into()],
    );
    for row in db.query_all_raw(statement).await? {
        let invoice = InvoiceId(row.try_get::<Uuid>("", "invoice_id")?);
        queue::enqueue_in(db, &Dun { invoice }, Some(invoice.to_string()), wall_now).await?;
    }
    Ok(())
}

/// Begins with what is overdue, of one account or of all: what was sent and is not paid, and charges that a customer does not
/// confirm.
///
/// # Errors
/// When the database refuses.
pub async fn begin_overdue(db: &DatabaseConnection, account: Option<AccountId>, wall_now: Time) -> Result<(), DbErr> {
    let overdue = Statement::from_sql_and_values(
        db.get_database_backend(),
        "SELECT i.id FROM invoice i JOIN account a ON a.id = i.account_id
         WHERE i.document_state = 'open' AND i.payment_state IN ('unpaid', 'processing', 'partial')
           AND least(i.due_at, i.action_needed_at + $2 * interval '1 day') <= $1 + make_interval(secs => a.clock_offset_seconds)
           AND ($3::uuid IS NULL OR i.account_id = $3)
           AND NOT EXISTS (SELECT 1 FROM dunning d WHERE d.invoice_id = i.id) ORDER BY i.id LIMIT 1000",
        [wall_now.into(), CONFIRMATION.num_days().into(), account.map(|account| account.0).into()],
    );
    for row in db.query_all_raw(overdue).await? {
        begin(db, InvoiceId(row.try_get::<Uuid>("", "id")?), wall_now).await?;
    }
    Ok(())
}

/// Begins with an invoice that is overdue.
async fn begin(db: &DatabaseConnection, id: InvoiceId, wall_now: Time) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    // Lock, look again: it may have been paid meanwhile.
    if let Some((account, invoice)) = lock_in(&txn, id).await?
        && invoice.due().0 > 0
    {
        failed_in(&txn, &account, &invoice, None, wall_now).await?;
    }
    txn.commit().await
}

/// Runs [`Dun`].
///
/// # Errors
/// Retried when the database refuses.
pub async fn run(db: &DatabaseConnection, schedule: &Dunning, public_url: &str, job: Dun, wall_now: Time) -> Outcome {
    let txn = db.begin().await?;
    let Some((account, invoice)) = lock_in(&txn, job.invoice).await? else { return Ok(()) };
    let Some(row) = dunning::Entity::find_by_id(job.invoice).lock_exclusive().one(&txn).await? else { return Ok(()) };
    if invoice.due().0 == 0 {
        restore_in(&txn, &account, wall_now).await?;
        return Ok(txn.commit().await?);
    }
    let now = account.now(wall_now);
    // Charges that were tried again so far are those after the first.
    let next = schedule.after(row.failures.unsigned_abs() - 1, row.started_at);
    if row.told < row.failures {
        let letter = letters::payment_failed(&invoice, public_url, next);
        tell_in(&txn, &account, &invoice, letter, wall_now).await?;
        let at = match next {
            Next::Retry(at) | Next::Suspension(at) => at,
        };
        step_in(&txn, dunning::ActiveModel { told: Set(row.failures), next_at: Set(Some(at)), ..known(&row) }).await?;
    } else if row.next_at.is_some_and(|at| at <= now) {
        match next {
            Next::Retry(_) => charge_in(&txn, &invoice, &row, now, wall_now).await?,
            Next::Suspension(_) => suspend_in(&txn, &account, &invoice, &row, public_url, wall_now).await?,
        }
    }
    Ok(txn.commit().await?)
}

fn known(row: &dunning::Model) -> dunning::ActiveModel {
    dunning::ActiveModel { invoice_id: Set(row.invoice_id), ..Default::default() }
}

async fn step_in(txn: &impl ConnectionTrait, change: dunning::ActiveModel) -> Result<(), DbErr> {
    dunning::Entity::update(change).exec(txn).await.map(|_| ())
}

/// Has the card charged again. What was sent, or paid in part by transfer, is not: the rest is awaited the same way.
async fn charge_in(txn: &impl ConnectionTrait, invoice: &invoice::Model, row: &dunning::Model, now: Time, wall_now: Time) -> Outcome {
    if invoice.payment_state == PaymentState::Partial || invoice.collection == Collection::Send {
        step_in(txn, dunning::ActiveModel { failures: Set(row.failures + 1), next_at: Set(Some(now)), ..known(row) }).await?;
        return Ok(());
    }
    let attempt = row.failures.unsigned_abs() + 1;
    let key = format!("{}:{attempt}", invoice.id);
    queue::enqueue_in(txn, &CollectInvoice { invoice: invoice.id, attempt }, Some(key), wall_now).await?;
    step_in(txn, dunning::ActiveModel { next_at: Set(Some(now + PATIENCE)), ..known(row) }).await?;
    Ok(())
}

async fn suspend_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    invoice: &invoice::Model,
    row: &dunning::Model,
    public_url: &str,
    wall_now: Time,
) -> Outcome {
    step_in(txn, dunning::ActiveModel { next_at: Set(None), ..known(row) }).await?;
    if !matches!(account.standing, Standing::Active | Standing::PastDue) {
        return Ok(());
    }
    set_standing_in(txn, account, Standing::Suspended).await?;
    tell_in(txn, account, invoice, letters::suspended(invoice, public_url), wall_now).await?;
    let news = serde_json::json!({ "id": account.id.to_string(), "invoice": invoice.id.to_string() });
    webhooks::emit_in(txn, account.id, Event::AccountSuspended, news, wall_now).await?;
    Ok(())
}

async fn tell_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    invoice: &invoice::Model,
    letter: Result<Letter, serde_json::Error>,
    wall_now: Time,
) -> Outcome {
    let letter = letter.map_err(|error| Failure::Park(error.to_string()))?;
    mail::post_in(txn, Some(account.id), &invoice.buyer_email, letter, wall_now).await?;
    Ok(())
}

/// Runs [`TellRestored`].
///
/// # Errors
/// Retried when the database refuses.
pub async fn tell_restored(db: &DatabaseConnection, public_url: &str, job: TellRestored, wall_now: Time) -> Outcome {
    let txn = db.begin().await?;
    let Some((account, invoice)) = lock_in(&txn, job.invoice).await? else { return Ok(()) };
    tell_in(&txn, &account, &invoice, letters::restored(&invoice, public_url), wall_now).await?;
    let news = serde_json::json!({ "id": account.id.to_string(), "invoice": invoice.id.to_string() });
    webhooks::emit_in(&txn, account.id, Event::AccountRestored, news, wall_now).await?;
    Ok(txn.commit().await?)
}

impl Dunning {
    /// What follows when the charge failed that came after `retries` others: the next by the schedule, counted in days from the
    /// first failure; or, after the last, suspension.
    fn after(&self, retries: u32, started_at: Time) -> Next {
        let on = |days: u32| started_at + TimeDelta::days(days.into());
        match self.retry_days.get(retries as usize) {
            Some(days) => Next::Retry(on(*days)),
            None => Next::Suspension(on(self.retry_days.last().copied().unwrap_or(0).saturating_add(self.grace_days))),
        }
    }
}
