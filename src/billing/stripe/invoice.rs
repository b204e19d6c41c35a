//! Stripe's side of an invoice: each step with a key of its own, so that a step done twice is done once.

use std::collections::HashMap;

use entity::Time;
use entity::ids::InvoiceId;
use entity::money::Minor;
use sea_orm::DatabaseConnection;
use stripe_billing::invoice::{
    AddLinesInvoice, AddLinesInvoiceLines, CreateInvoice, CreateInvoicePendingInvoiceItemsBehavior, DeleteInvoice, FinalizeInvoiceInvoice,
    ListInvoice, PayInvoice, Period, RetrieveInvoice, SendInvoiceInvoice, VoidInvoiceInvoice,
};
use stripe_shared::{Invoice, InvoiceCollectionMethod, InvoiceStatus};

use super::{PAGE, Stripe, charge, intent, since};
use crate::billing::provider::{NewInvoice, NewLine, ProviderError, Remote, Status};

/// Makes an empty draft that nothing advances but us.
///
/// # Errors
/// When Stripe refuses.
pub async fn create(db: &DatabaseConnection, stripe: &Stripe, new: NewInvoice<'_>, wall_now: Time) -> Result<Remote, ProviderError> {
    let id = new.id.to_string();
    let metadata = HashMap::from([("invoice_id".to_owned(), id.clone()), ("number".to_owned(), new.number.to_owned())]);
    let request = CreateInvoice::new()
        .customer(new.customer)
        .currency(super::currency(new.currency)?)
        .auto_advance(false)
        .pending_invoice_items_behavior(CreateInvoicePendingInvoiceItemsBehavior::Exclude)
        .description(format!("Invoice {}", new.number))
        .metadata(metadata);
    let request = match new.days_until_due {
        Some(days) => request.collection_method(InvoiceCollectionMethod::SendInvoice).days_until_due(days),
        None => request.collection_method(InvoiceCollectionMethod::ChargeAutomatically),
    };
    let earlier = async {
        let list = ListInvoice::new().customer(new.customer).limit(PAGE);
        Ok(stripe.all(list.paginate()).await?.into_iter().find(|copy| of(copy) == Some(id.as_str())))
    };
    stripe.once(db, format!("inv:{id}:create"), request, earlier, wall_now).await.and_then(ours)
}

/// Adds all lines in one call.
///
/// # Errors
/// When Stripe refuses.
pub async fn add_lines(
    db: &DatabaseConnection,
    stripe: &Stripe,
    id: InvoiceId,
    remote: &str,
    lines: Vec<NewLine>,
    wall_now: Time,
) -> Result<Remote, ProviderError> {
    let lines = lines.into_iter().map(|line| AddLinesInvoiceLines {
        amount: Some(line.amount.0),
        description: Some(line.description),
        discountable: Some(false),
        metadata: Some(line.metadata),
        period: Some(Period { start: line.period.0.timestamp(), end: line.period.1.timestamp() }),
        ..AddLinesInvoiceLines::new()
    });
    let request = AddLinesInvoice::new(remote, lines.collect::<Vec<_>>());
    let earlier = left(stripe, remote, |copy| !copy.lines.data.is_empty());
    stripe.once(db, format!("inv:{id}:lines"), request, earlier, wall_now).await.and_then(ours)
}

/// What an earlier attempt at a step made of the invoice, when `done` says that it did it.
async fn left(stripe: &Stripe, remote: &str, done: impl FnOnce(&Invoice) -> bool) -> Result<Option<Invoice>, ProviderError> {
    let copy = stripe.read(RetrieveInvoice::new(remote)).await?;
    Ok(done(&copy).then_some(copy))
}

fn of(copy: &Invoice) -> Option<&str> {
    copy.metadata.as_ref()?.get("invoice_id").map(String::as_str)
}

/// Reads an invoice with its payments.
///
/// # Errors
/// When Stripe refuses.
pub async fn find(stripe: &Stripe, remote: &str) -> Result<Remote, ProviderError> {
    stripe.read(RetrieveInvoice::new(remote).expand(vec!["payments".to_owned()])).await.and_then(ours)
}

/// Throws a draft away.
///
/// # Errors
/// When Stripe refuses, as it does when it is no draft any more.
pub async fn delete(stripe: &Stripe, remote: &str) -> Result<(), ProviderError> {
    stripe.read(DeleteInvoice::new(remote)).await.map(|_| ())
}

/// Withdraws an open invoice: nobody can pay it any more.
///
/// # Errors
/// When Stripe refuses, as it does once it is paid.
pub async fn void(stripe: &Stripe, remote: &str) -> Result<(), ProviderError> {
    stripe.set(VoidInvoiceInvoice::new(remote), "void").await.map(|_| ())
}

/// Fixes the draft; Stripe gives it a page where it can be paid.
///
/// # Errors
/// When Stripe refuses.
pub async fn finalize(
    db: &DatabaseConnection,
    stripe: &Stripe,
    id: InvoiceId,
    remote: &str,
    wall_now: Time,
) -> Result<Remote, ProviderError> {
    let request = FinalizeInvoiceInvoice::new(remote).auto_advance(false);
    let earlier = left(stripe, remote, |copy| !matches!(copy.status, Some(InvoiceStatus::Draft)));
    stripe.once(db, format!("inv:{id}:finalize"), request, earlier, wall_now).await.and_then(ours)
}

/// Charges the saved card. `attempt` counts charges, not retries of one: those repeat the key.
///
/// # Errors
/// When the card is declined or its bank wants the customer; otherwise when Stripe refuses.
pub async fn pay(
    db: &DatabaseConnection,
    stripe: &Stripe,
    id: InvoiceId,
    remote: &str,
    attempt: u32,
    wall_now: Time,
) -> Result<Remote, ProviderError> {
    let request = PayInvoice::new(remote).off_session(true);
    let key = format!("inv:{id}:pay:{attempt}");
    let asked = intent::first_sent_at(db, &key).await?;
    let earlier = async {
        let copy = stripe.read(RetrieveInvoice::new(remote).expand(vec!["payments".to_owned()])).await?;
        if !matches!(copy.status, Some(InvoiceStatus::Open)) {
            return Ok(Some(copy));
        }
        // The bank said no, and only we did not hear it: asked again now, it would be the next charge and not this one.
        match (asked, payment_of(&copy)) {
            (Some(asked), Some(payment)) if payment.starts_with("pi_") => {
                charge::refused_since(stripe, &payment, asked).await.map(|()| None)
            }
            _ => Ok(None),
        }
    };
    stripe.once(db, key, request, earlier, wall_now).await.and_then(ours)
}

/// Has Stripe mail it, with its page and its bank details.
///
/// # Errors
/// When Stripe refuses.
pub async fn mail(db: &DatabaseConnection, stripe: &Stripe, id: InvoiceId, remote: &str, wall_now: Time) -> Result<Remote, ProviderError> {
    let earlier = left(stripe, remote, |copy| !matches!(copy.status, Some(InvoiceStatus::Open)));
    stripe.once(db, format!("inv:{id}:send"), SendInvoiceInvoice::new(remote), earlier, wall_now).await.and_then(ours)
}

/// Invoices of a time.
///
/// # Errors
/// When Stripe refuses.
pub async fn all_since(stripe: &Stripe, instant: Time) -> Result<Vec<Remote>, ProviderError> {
    let list = ListInvoice::new().created(since(instant)).limit(PAGE);
    stripe.all(list.paginate()).await?.into_iter().map(ours).collect()
}

/// The payment that paid it, or is to. Read with `payments`.
fn payment_of(invoice: &Invoice) -> Option<String> {
    let with = |status: &str| invoice.payments.as_ref().and_then(|all| all.data.iter().find(|payment| payment.status == status));
    with("paid").or_else(|| with("open")).map(|payment| match &payment.payment.payment_intent {
        Some(intent) => intent.id().to_string(),
        None => payment.id.to_string(),
    })
}

fn ours(invoice: Invoice) -> Result<Remote, ProviderError> {
    let payment = payment_of(&invoice);
    Ok(Remote {
        invoice: of(&invoice).map(str::to_owned),
        id: invoice.id.ok_or_else(|| ProviderError::Decode("an invoice without an id".into()))?.to_string(),
        status: match invoice.status {
            Some(InvoiceStatus::Draft) => Status::Draft,
            Some(InvoiceStatus::Open) => Status::Open,
            Some(InvoiceStatus::Paid) => Status::Paid,
            _ => Status::Other,
        },
        lines: invoice.lines.data.len(),
        subtotal: Minor(invoice.subtotal),
        total: Minor(invoice.total),
        starting_balance: Minor(invoice.starting_balance),
        amount_paid: Minor(invoice.amount_paid),
        attempts: invoice.attempt_count,
        hosted_url: invoice.hosted_invoice_url,
        payment,
    })
}
