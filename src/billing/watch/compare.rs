//! Whether the provider's books and ours say the same of the last days: invoices, refunds, disputes, pages that were paid. What
//! differs is stored for the operator until a later comparison finds it equal; what can be made good by looking again is.

use chrono::TimeDelta;
use entity::invoice::{DocumentState, PaymentState};
use entity::money::exponent;
use entity::{Time, credit_note, dispute, invoice, payment, stripe_difference, top_up};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, DbErr, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, Statement,
};
use serde::{Deserialize, Serialize};

use super::{state, write};
use crate::billing::provider::{self, Dispute, Provider, ProviderError, Refund, Remote, Session, Status};
use crate::billing::{dispute as disputes, payment as payments, top_up as top_ups};
use crate::platform::queue::{Job, Outcome};

/// Compares, once a day.
#[derive(Debug, Serialize, Deserialize)]
pub struct CompareBooks {}

impl Job for CompareBooks {
    const KIND: &'static str = "billing.compare_books";
}

const DAY: TimeDelta = TimeDelta::hours(23);
/// Of which time.
const SPAN: TimeDelta = TimeDelta::days(3);
/// What is younger may simply be under way.
const SETTLING: TimeDelta = TimeDelta::minutes(15);

/// One way in which they differ.
struct Difference {
    object: &'static str,
    id: String,
    what: &'static str,
    ours: String,
    theirs: String,
}

impl Difference {
    fn new(object: &'static str, id: &str, what: &'static str, (ours, theirs): (&str, &str)) -> Self {
        Self { object, id: id.to_owned(), what, ours: ours.to_owned(), theirs: theirs.to_owned() }
    }
}

/// Runs [`CompareBooks`]; does nothing when the last comparison is less than a day ago. Returns how many differences there are.
///
/// # Errors
/// When the provider or the database does not answer.
pub async fn run(db: &DatabaseConnection, stripe: &Provider, public_url: &str, wall_now: Time) -> Result<Option<usize>, ProviderError> {
    if state(db).await?.compared_at.is_some_and(|last| wall_now - last < DAY) {
        return Ok(None);
    }
    let since = wall_now - SPAN;
    let mut found = Vec::new();
    for copy in provider::invoice::all_since(stripe, since).await? {
        found.extend(of_invoice(db, stripe, public_url, &copy, wall_now).await?);
    }
    for copy in provider::refund::all_since(stripe, since).await? {
        found.extend(of_refund(db, &copy).await?);
    }
    for copy in provider::dispute::all_since(stripe, since).await? {
        found.extend(of_dispute(db, stripe, &copy, wall_now).await?);
    }
    for page in provider::checkout::complete_since(stripe, since).await? {
        found.extend(of_page(db, stripe, public_url, &page, wall_now).await?);
    }
    found.extend(unknown_there(db, stripe, since, wall_now).await?);
    for difference in &found {
        store(db, difference, wall_now).await?;
    }
    // What this comparison looked at and did not find again is over. Older ones stay, and so does what only an event tells.
    let over = "UPDATE stripe_difference SET resolved_at = $1
                WHERE resolved_at IS NULL AND last_at < $1 AND first_at >= $2 AND object <> 'credit_note'";
    write(db, over, [wall_now.into(), since.into()]).await?;
    write(db, "UPDATE stripe_state SET compared_at = $1", [wall_now.into()]).await?;
    count(db).await?;
    Ok(Some(found.len()))
}

/// The differences that stand, the newest first.
///
/// # Errors
/// When the database refuses.
pub async fn open(db: &DatabaseConnection) -> Result<Vec<stripe_difference::Model>, DbErr> {
    stripe_difference::Entity::find()
        .filter(stripe_difference::Column::ResolvedAt.is_null())
        .order_by_desc(stripe_difference::Column::FirstAt)
        .all(db)
        .await
}

/// A credit note that the provider tells of: one of an invoice of ours that we did not issue is a difference.
///
/// # Errors
/// When the database refuses.
pub async fn credit_note(db: &DatabaseConnection, id: &str, (invoice, ours): (&str, Option<&str>), wall_now: Time) -> Result<(), DbErr> {
    let known = invoice::Entity::find().filter(invoice::Column::StripeInvoiceId.eq(invoice)).count(db).await? > 0;
    if !known || ours.is_some() {
        return Ok(());
    }
    let difference = Difference::new("credit_note", id, "issued there", ("none", invoice));
    store(db, &difference, wall_now).await?;
    count(db).await
}

/// The gauge that an operator's alarm hangs on.
async fn count(db: &DatabaseConnection) -> Result<(), DbErr> {
    let open = stripe_difference::Entity::find().filter(stripe_difference::Column::ResolvedAt.is_null()).count(db).await?;
    #[expect(clippy::cast_precision_loss, reason = "a gauge; nobody has 2^52 differences")]
    metrics::gauge!("lensmeter_stripe_differences").set(open as f64);
    Ok(())
}

async fn store(db: &DatabaseConnection, difference: &Difference, wall_now: Time) -> Result<(), DbErr> {
    let Difference { object, id, what, ours, theirs } = difference;
    tracing::error!(stripe.object = id, "{object} {id}: {what}: ours {ours}, the payment provider's {theirs}");
    let statement = "INSERT INTO stripe_difference (object, object_id, what, ours, theirs, first_at, last_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $6)
                     ON CONFLICT (object_id, what) DO UPDATE SET ours = $4, theirs = $5, last_at = $6, resolved_at = NULL";
    let values = [(*object).into(), id.as_str().into(), (*what).into(), ours.as_str().into(), theirs.as_str().into(), wall_now.into()];
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), statement, values)).await.map(|_| ())
}

/// What a look again could not do is a difference all the same: it must not end the comparison.
fn looked(outcome: Outcome) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "a look at the payment provider came to nothing: {error}");
    }
}

/// An invoice that is ours, by its number in the metadata.
async fn of_invoice(
    db: &DatabaseConnection,
    stripe: &Provider,
    public_url: &str,
    copy: &Remote,
    wall_now: Time,
) -> Result<Vec<Difference>, DbErr> {
    let Some(id) = copy.invoice.as_ref().and_then(|id| id.parse().ok()) else { return Ok(Vec::new()) };
    let Some(before) = invoice::Entity::find_by_id::<entity::ids::InvoiceId>(id).one(db).await? else { return Ok(Vec::new()) };
    let settled = |row: &invoice::Model| {
        matches!(row.payment_state, PaymentState::Paid | PaymentState::Refunded) || row.document_state != DocumentState::Open
    };
    if (copy.status == Status::Paid) != settled(&before) {
        looked(payments::sync(db, stripe, public_url, id, wall_now).await);
    }
    let Some(row) = invoice::Entity::find_by_id(id).one(db).await? else { return Ok(Vec::new()) };
    let digits = exponent(&row.currency);
    let mut found = Vec::new();
    let mut differ = |what, ours: String, theirs: String| found.push(Difference::new("invoice", &copy.id, what, (&ours, &theirs)));
    if row.stripe_invoice_id.as_deref().is_some_and(|known| known != copy.id) {
        differ("a second copy", row.stripe_invoice_id.clone().unwrap_or_default(), copy.id.clone());
    }
    if copy.status != Status::Draft && copy.total != row.total_minor {
        differ("total", row.total_minor.decimal(digits), copy.total.decimal(digits));
    }
    let lost = is_lost(db, &row).await?;
    if !lost && copy.status == Status::Paid && !settled(&row) {
        differ("state", row.payment_state.as_str().into(), "paid".into());
    }
    if !lost && copy.status == Status::Open && row.payment_state == PaymentState::Paid && row.credited_minor.0 == 0 {
        differ("state", "paid".into(), "open".into());
    }
    if copy.status == Status::Other && row.document_state == DocumentState::Open && row.due().0 > 0 && row.paid_minor.0 == 0 {
        differ("state", row.payment_state.as_str().into(), "withdrawn".into());
    }
    Ok(found)
}

/// A dispute that was lost takes the money back, and their invoice stays paid.
async fn is_lost(db: &DatabaseConnection, invoice: &invoice::Model) -> Result<bool, DbErr> {
    let lost =
        dispute::Entity::find().filter(dispute::Column::InvoiceId.eq(invoice.id)).filter(dispute::Column::State.eq(dispute::State::Lost));
    Ok(lost.count(db).await? > 0)
}

/// A refund of a payment of ours.
async fn of_refund(db: &DatabaseConnection, copy: &Refund) -> Result<Option<Difference>, DbErr> {
    let note = credit_note::Entity::find().filter(credit_note::Column::StripeRefundId.eq(copy.id.as_str())).one(db).await?;
    if let Some(note) = note {
        let ours = note.refund_state == credit_note::RefundState::Failed;
        let word = |failed| if failed { "failed" } else { "done" };
        return Ok((ours != copy.failed).then(|| Difference::new("refund", &copy.id, "state", (word(ours), word(copy.failed)))));
    }
    let Some(intent) = copy.payment.as_deref() else { return Ok(None) };
    let of_invoice = payment::Entity::find().filter(payment::Column::StripePaymentReference.eq(intent)).count(db).await?;
    let of_top_up = top_up::Entity::find().filter(top_up::Column::StripePaymentIntentId.eq(intent)).count(db).await?;
    // A failed attempt that another one followed is told by the credit note of that.
    let ours = of_invoice + of_top_up > 0 && !copy.failed;
    Ok(ours.then(|| Difference::new("refund", &copy.id, "made there", ("none", intent))))
}

/// A dispute of a payment of ours.
async fn of_dispute(db: &DatabaseConnection, stripe: &Provider, copy: &Dispute, wall_now: Time) -> Result<Option<Difference>, DbErr> {
    let state = async || Ok::<_, DbErr>(dispute::Entity::find_by_id(copy.id.clone()).one(db).await?.map(|row| row.state));
    if state().await? != Some(copy.state) {
        looked(disputes::sync(db, stripe, &copy.id, wall_now).await);
    }
    let ours = state().await?;
    // None: of a payment that is not ours.
    let differs = ours.filter(|ours| *ours != copy.state);
    Ok(differs.map(|ours| Difference::new("dispute", &copy.id, "state", (ours.as_str(), copy.state.as_str()))))
}

/// A page that a customer paid on.
async fn of_page(
    db: &DatabaseConnection,
    stripe: &Provider,
    public_url: &str,
    page: &Session,
    wall_now: Time,
) -> Result<Option<Difference>, DbErr> {
    let Some(id) = page.top_up.as_ref().and_then(|id| id.parse().ok()).filter(|_| page.paid) else { return Ok(None) };
    let find = async || top_up::Entity::find_by_id::<entity::ids::TopUpId>(id).one(db).await;
    let Some(before) = find().await? else { return Ok(None) };
    if before.state != top_up::State::Paid {
        looked(top_ups::sync(db, stripe, public_url, id, wall_now).await);
    }
    let ours = find().await?.filter(|row| row.state != top_up::State::Paid);
    Ok(ours.map(|row| Difference::new("checkout_session", &page.id, "state", (row.state.as_str(), "paid"))))
}

/// Invoices that we pushed and that the provider does not know.
async fn unknown_there(db: &DatabaseConnection, stripe: &Provider, since: Time, wall_now: Time) -> Result<Vec<Difference>, ProviderError> {
    let pushed = "SELECT id FROM invoice WHERE stripe_invoice_id IS NOT NULL AND document_state = 'open'
                    AND id >= uuid_floor($1) AND id < uuid_floor($2)";
    let values = [since.into(), (wall_now - SETTLING).into()];
    let rows = db.query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), pushed, values)).await?;
    let mut found = Vec::new();
    for row in rows {
        let id = entity::ids::InvoiceId(row.try_get("", "id")?);
        let Some(invoice) = invoice::Entity::find_by_id(id).one(db).await? else { continue };
        let Some(theirs) = invoice.stripe_invoice_id else { continue };
        match provider::invoice::find(stripe, &theirs).await {
            Ok(_) => {}
            Err(ProviderError::Refused { status: 404, .. }) => {
                found.push(Difference::new("invoice", &theirs, "unknown there", (&id.to_string(), "none")));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
