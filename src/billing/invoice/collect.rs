//! Brings an issued invoice to the payment provider and has it paid: create → lines → totals equal → finalize → pay, or send.
//! Every step is noted before it is asked for and stores what the next one needs, so a crash anywhere goes on where it was.

use std::collections::HashMap;

use chrono::TimeDelta;
use entity::account::Collection;
use entity::ids::InvoiceId;
use entity::invoice::{DocumentState, PaymentState};
use entity::money::Minor;
use entity::{Time, account, invoice, invoice_document, invoice_line};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _,
    TransactionTrait as _,
};
use serde::{Deserialize, Serialize};

use super::act::remote_note;
use crate::billing::provider::{NewInvoice, NewLine, Provider, ProviderError, Remote, Status, customer, invoice as remote};
use crate::billing::{letters, payment};
use crate::platform::mail;
use crate::platform::queue::{self, Failure, Job, Outcome};

/// What is sent is due after so long.
pub(super) const TERM: TimeDelta = TimeDelta::days(14);

/// Copies an issued invoice to Stripe and finalizes it there.
#[derive(Debug, Serialize, Deserialize)]
pub struct PushInvoice {
    pub invoice: InvoiceId,
}

impl Job for PushInvoice {
    const KIND: &'static str = "billing.push_invoice";
}

/// Has the saved card charged for a pushed invoice.
#[derive(Debug, Serialize, Deserialize)]
pub struct CollectInvoice {
    pub invoice: InvoiceId,
    /// Which charge it is, from 1: part of the idempotency key, so that a retried job charges once.
    pub attempt: u32,
}

impl Job for CollectInvoice {
    const KIND: &'static str = "billing.collect_invoice";
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        if error.is_final() { Self::Park(error.to_string()) } else { Self::Retry(error.to_string()) }
    }
}

/// Runs [`PushInvoice`].
///
/// # Errors
/// Parked with both totals when Stripe's differs from ours.
pub async fn push(db: &DatabaseConnection, stripe: &Provider, public_url: &str, job: PushInvoice, wall_now: Time) -> Outcome {
    let invoice = load(db, job.invoice).await?;
    if !collectable(&invoice) {
        return Ok(());
    }
    let id = created(db, stripe, &invoice, wall_now).await?;
    let mut copy = remote::find(stripe, &id).await?;
    if copy.status == Status::Draft {
        if copy.lines == 0 {
            remote::add_lines(db, stripe, invoice.id, &id, lines_of(db, &invoice).await?, wall_now).await?;
            copy = remote::find(stripe, &id).await?;
        }
        compare(stripe, &invoice, &copy).await?;
        copy = remote::finalize(db, stripe, invoice.id, &id, wall_now).await?;
    }
    remote_note::push_all(db, stripe, (&invoice, &id), wall_now).await?;
    if invoice.collection == Collection::Send {
        remote::mail(db, stripe, invoice.id, &id, wall_now).await?;
    }
    let known = invoice.stripe_hosted_url.is_some();
    let txn = db.begin().await?;
    let change = invoice::ActiveModel { id: Set(invoice.id), stripe_hosted_url: Set(copy.hosted_url), ..Default::default() };
    let invoice = invoice::Entity::update(change).exec(&txn).await?;
    match invoice.collection {
        Collection::Charge => {
            let job = CollectInvoice { invoice: invoice.id, attempt: 1 };
            queue::enqueue_in(&txn, &job, Some(invoice.id.to_string()), wall_now).await?;
        }
        Collection::Send if !known => send_in(&txn, &invoice, public_url, wall_now).await?,
        Collection::Send => {}
    }
    Ok(txn.commit().await?)
}

/// The document and where it can be paid, as our letter: once, with the address of the page that is stored beside it.
async fn send_in(txn: &impl ConnectionTrait, invoice: &invoice::Model, public_url: &str, wall_now: Time) -> Result<(), Failure> {
    let Some(document) = invoice_document::Entity::find_by_id(invoice.id).one(txn).await? else {
        return Err(Failure::Retry(format!("invoice {} has no document yet", invoice.id)));
    };
    let letter = letters::invoice_due(invoice, document.pdf, public_url).map_err(|error| Failure::Park(error.to_string()))?;
    mail::post_in(txn, Some(invoice.account_id), &invoice.buyer_email, letter, wall_now).await?;
    Ok(())
}

/// Runs [`CollectInvoice`]. That the invoice is paid we learn from Stripe's webhook, or the sweep when none comes.
///
/// # Errors
/// Retried while Stripe does not answer. A declined card is no error of the job.
pub async fn collect(db: &DatabaseConnection, stripe: &Provider, public_url: &str, job: CollectInvoice, wall_now: Time) -> Outcome {
    let invoice = load(db, job.invoice).await?;
    if !collectable(&invoice) {
        return Ok(());
    }
    let Some(id) = invoice.stripe_invoice_id.clone() else {
        return Err(Failure::Park(format!("invoice {} was never pushed to Stripe", number(&invoice))));
    };
    if remote::find(stripe, &id).await?.status != Status::Open {
        return payment::sync(db, stripe, public_url, invoice.id, wall_now).await;
    }
    mark_processing(db, &invoice).await?;
    match remote::pay(db, stripe, invoice.id, &id, job.attempt, wall_now).await {
        Ok(_) => Ok(()),
        // No card, declined, or paid by hand in this very moment: what Stripe has now decides.
        Err(error) if error.is_final() => payment::refused(db, stripe, public_url, invoice.id, (job.attempt, &error), wall_now).await,
        Err(error) => Err(error.into()),
    }
}

/// Withdrawn, given up, paid or paid in part by transfer: nothing more goes through Stripe.
fn collectable(invoice: &invoice::Model) -> bool {
    invoice.document_state == DocumentState::Open && matches!(invoice.payment_state, PaymentState::Unpaid | PaymentState::Processing)
}

async fn load(db: &DatabaseConnection, id: InvoiceId) -> Result<invoice::Model, Failure> {
    invoice::Entity::find_by_id(id).one(db).await?.ok_or_else(|| Failure::Park(format!("invoice {id} is gone")))
}

fn number(invoice: &invoice::Model) -> &str {
    invoice.number.as_deref().unwrap_or("(draft)")
}

/// Stripe's id of the invoice, stored before anything is done with it.
async fn created(db: &DatabaseConnection, stripe: &Provider, invoice: &invoice::Model, wall_now: Time) -> Result<String, Failure> {
    if let Some(known) = &invoice.stripe_invoice_id {
        return Ok(known.clone());
    }
    let account =
        account::Entity::find_by_id(invoice.account_id).one(db).await?.ok_or_else(|| Failure::Park("the account is gone".into()))?;
    let customer = customer::ensure(db, stripe, &account, &invoice.buyer_email, wall_now).await?;
    let days_until_due = (invoice.collection == Collection::Send).then(|| TERM.num_days().unsigned_abs().try_into().unwrap_or(0));
    let new = NewInvoice { id: invoice.id, customer: &customer, currency: &invoice.currency, number: number(invoice), days_until_due };
    let copy = remote::create(db, stripe, new, wall_now).await?;
    let change = invoice::ActiveModel { id: Set(invoice.id), stripe_invoice_id: Set(Some(copy.id.clone())), ..Default::default() };
    invoice::Entity::update(change).exec(db).await?;
    Ok(copy.id)
}

async fn lines_of(db: &DatabaseConnection, invoice: &invoice::Model) -> Result<Vec<NewLine>, DbErr> {
    let period = (invoice.period_starts_at, invoice.period_ends_at);
    let line = |row: invoice_line::Model| NewLine {
        description: if row.events > 0 { format!("{} × {}", row.quantity, row.description) } else { row.description },
        amount: row.amount_minor,
        period,
        metadata: HashMap::from([("line_id".to_owned(), row.id.to_string())]),
    };
    let mut lines: Vec<_> = invoice_line::Entity::of(invoice).all(db).await?.into_iter().map(line).collect();
    let tax = if invoice.tax_included { Minor(0) } else { invoice.tax_minor };
    for (description, amount) in [
        ("Prepaid credit applied", Minor(-invoice.credits_applied_minor.0)),
        ("Discounts", Minor(-invoice.discount_minor.0)),
        ("Tax", tax),
        ("Carried over from earlier invoices", invoice.carried_in_minor),
        ("Carried over to the next invoice", Minor(-invoice.carried_out_minor.0)),
    ] {
        if amount.0 != 0 {
            lines.push(NewLine { description: description.into(), amount, period, metadata: HashMap::new() });
        }
    }
    Ok(lines)
}

/// Invariant 7: our total equals Stripe's before the invoice is finalized. Otherwise the copy goes and an operator looks.
async fn compare(stripe: &Provider, invoice: &invoice::Model, copy: &Remote) -> Outcome {
    if copy.total == invoice.total_minor && copy.subtotal == invoice.total_minor && copy.starting_balance == Minor(0) {
        return Ok(());
    }
    remote::delete(stripe, &copy.id).await?;
    let exponent = entity::money::exponent(&invoice.currency);
    let [ours, theirs, balance] = [invoice.total_minor, copy.total, copy.starting_balance].map(|amount| amount.decimal(exponent));
    Err(Failure::Park(format!(
        "invoice {}: our total is {ours}, Stripe's {theirs} (balance {balance}); Stripe's draft {} was deleted",
        number(invoice),
        copy.id
    )))
}

/// Only from unpaid: a webhook may have been quicker.
async fn mark_processing(db: &DatabaseConnection, invoice: &invoice::Model) -> Result<(), DbErr> {
    invoice::Entity::update_many()
        .col_expr(invoice::Column::PaymentState, Expr::value(PaymentState::Processing.as_str()))
        .filter(invoice::Column::Id.eq(invoice.id))
        .filter(invoice::Column::PaymentState.eq(PaymentState::Unpaid))
        .exec(db)
        .await
        .map(|_| ())
}
