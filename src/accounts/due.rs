//! What falls due for an account in its own time: when the next of it does, and doing it.

use std::collections::HashSet;

use entity::ids::InvoiceId;
use entity::invoice::{DocumentState, PaymentState};
use entity::{Time, account, auto_top_up, credit_note, dunning, invoice, period, top_up};
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, DbErr, QueryFilter as _, Statement};

use crate::billing::credit::expire;
use crate::billing::dunning::{self as steps, Dun};
use crate::billing::jobs::{self, Means};
use crate::billing::payment::SyncInvoice;
use crate::billing::{alert, auto_top_up as purchases, close};
use crate::platform::clock::Clock;
use crate::platform::queue;

/// Rounds of work that one instant may need: a charge, its failure, its letter, the next step of dunning. More would go in circles.
const ROUNDS: usize = 20;

/// The next instant after `last` and up to `until` at which something falls due; all in the account's own time.
///
/// # Errors
/// When the database refuses.
pub(super) async fn next(db: &DatabaseConnection, account: &account::Model, last: Time, until: Time) -> Result<Option<Time>, DbErr> {
    let sql = "SELECT min(at) AS at FROM (
                   SELECT ends_at AS at FROM period WHERE account_id = $1 AND state = 'open'
                   UNION ALL SELECT expires_at FROM credit_grant WHERE account_id = $1 AND remaining_nanos > 0
                   UNION ALL SELECT next_at FROM dunning WHERE account_id = $1
                   UNION ALL SELECT next_try_at FROM auto_top_up WHERE account_id = $1 AND enabled
                   UNION ALL SELECT least(due_at, action_needed_at + $4 * interval '1 day') FROM invoice
                       WHERE account_id = $1 AND document_state = 'open' AND payment_state IN ('unpaid', 'processing', 'partial')
               ) due WHERE at > $2 AND at <= $3";
    let values = [account.id.0.into(), last.into(), until.into(), steps::CONFIRMATION.num_days().into()];
    let row = db.query_one_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await?;
    row.map_or(Ok(None), |row| row.try_get("", "at"))
}

/// Does what is due now in the account's own time, and all that follows from it at once: invoices, charges, letters. What fails
/// is retried by the workers, by the wall clock. Returns how many periods were closed.
///
/// # Errors
/// When the database refuses; what was done before stays done.
pub(super) async fn settle(means: Means<'_>, clock: &Clock, account: &account::Model) -> Result<usize, DbErr> {
    let db = means.db;
    let mut closed = 0;
    let mut asked = HashSet::new();
    for _ in 0..ROUNDS {
        let wall = clock.now();
        closed += close::close_due(db, account.id, wall).await?;
        expire::expire_due(db, account.id, account.now(wall)).await?;
        steps::begin_overdue(db, Some(account.id), wall).await?;
        enqueue(db, account, &mut asked, wall).await?;
        if auto_top_up::Entity::of(account.id).filter(auto_top_up::Column::Enabled.eq(true)).one(db).await?.is_some() {
            purchases::begin(db, account.id, wall).await?;
        }
        let subjects = subjects(db, account).await?;
        if queue::work_off_of(db, clock, &subjects, |job| jobs::run(means, job, clock.now())).await? == 0 {
            break;
        }
    }
    alert::check(db, account.id, means.public_url, clock.now()).await?;
    Ok(closed)
}

/// The steps of dunning that are due, and a look at Stripe for what no webhook told yet: once for each invoice and state.
async fn enqueue(
    db: &DatabaseConnection,
    account: &account::Model,
    asked: &mut HashSet<(InvoiceId, &'static str)>,
    wall: Time,
) -> Result<(), DbErr> {
    let due = dunning::Entity::of(account.id).filter(dunning::Column::NextAt.lte(account.now(wall)));
    for row in due.all(db).await? {
        queue::enqueue_in(db, &Dun { invoice: row.invoice_id }, Some(row.invoice_id.to_string()), wall).await?;
    }
    let pushed = invoice::Entity::of(account.id)
        .filter(invoice::Column::DocumentState.eq(DocumentState::Open))
        .filter(invoice::Column::PaymentState.is_in([PaymentState::Unpaid, PaymentState::Processing]))
        .filter(invoice::Column::StripeHostedUrl.is_not_null());
    for row in pushed.all(db).await? {
        if asked.insert((row.id, row.payment_state.as_str())) {
            queue::enqueue_in(db, &SyncInvoice { invoice: row.id }, Some(row.id.to_string()), wall).await?;
        }
    }
    Ok(())
}

/// What the keys of the account's jobs begin with.
async fn subjects(db: &DatabaseConnection, account: &account::Model) -> Result<Vec<String>, DbErr> {
    let mut subjects = Vec::new();
    subjects.extend(period::Entity::of(account.id).all(db).await?.into_iter().map(|row| row.id.to_string()));
    subjects.extend(invoice::Entity::of(account.id).all(db).await?.into_iter().map(|row| row.id.to_string()));
    subjects.extend(top_up::Entity::of(account.id).all(db).await?.into_iter().map(|row| row.id.to_string()));
    subjects.extend(credit_note::Entity::of(account.id).all(db).await?.into_iter().map(|row| row.id.to_string()));
    Ok(subjects)
}
