//! Stripe's side of an invoice: each step with a key of its own, so that a step done twice is done once.

use std::collections::HashMap;

use entity::Time;
use entity::ids::InvoiceId;
use entity::money::Minor;
use stripe_billing::invoice::{
    AddLinesInvoice, AddLinesInvoiceLines, CreateInvoice, CreateInvoicePendingInvoiceItemsBehavior, DeleteInvoice, FinalizeInvoiceInvoice,
    PayInvoice, Period, RetrieveInvoice, VoidInvoiceInvoice,
};
use stripe_shared::{Invoice, InvoiceCollectionMethod, InvoiceStatus};

use super::{Stripe, StripeError};

/// An invoice as Stripe has it.
#[derive(Debug, Clone)]
pub struct Remote {
    pub id: String,
    pub status: Status,
    pub lines: usize,
    pub subtotal: Minor,
    pub total: Minor,
    /// What the customer's balance at Stripe would add or take: always zero with us.
    pub starting_balance: Minor,
    pub amount_paid: Minor,
    /// Charges tried so far.
    pub attempts: u64,
    /// Where the customer can pay by hand, once finalized.
    pub hosted_url: Option<String>,
    /// The payment that settled it: a PaymentIntent, or what stands for it.
    pub payment: Option<String>,
}

/// Where Stripe's invoice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Draft,
    Open,
    Paid,
    /// Void, uncollectible, or a word that we do not know.
    Other,
}

/// A line to be added; below zero for credit.
#[derive(Debug, Clone)]
pub struct NewLine {
    pub description: String,
    pub amount: Minor,
    pub period: (Time, Time),
    pub metadata: HashMap<String, String>,
}

/// Makes an empty draft that nothing advances but us.
///
/// # Errors
/// When Stripe refuses.
pub async fn create(stripe: &Stripe, id: InvoiceId, customer: &str, currency: &str, number: &str) -> Result<Remote, StripeError> {
    let request = CreateInvoice::new()
        .customer(customer)
        .currency(super::currency(currency)?)
        .collection_method(InvoiceCollectionMethod::ChargeAutomatically)
        .auto_advance(false)
        .pending_invoice_items_behavior(CreateInvoicePendingInvoiceItemsBehavior::Exclude)
        .description(format!("Invoice {number}"))
        .metadata(HashMap::from([("invoice_id".to_owned(), id.to_string()), ("number".to_owned(), number.to_owned())]));
    stripe.send(request, format!("inv:{id}:create")).await.and_then(ours)
}

/// Adds all lines in one call.
///
/// # Errors
/// When Stripe refuses.
pub async fn add_lines(stripe: &Stripe, id: InvoiceId, remote: &str, lines: Vec<NewLine>) -> Result<Remote, StripeError> {
    let lines = lines.into_iter().map(|line| AddLinesInvoiceLines {
        amount: Some(line.amount.0),
        description: Some(line.description),
        discountable: Some(false),
        metadata: Some(line.metadata),
        period: Some(Period { start: line.period.0.timestamp(), end: line.period.1.timestamp() }),
        ..AddLinesInvoiceLines::new()
    });
    let request = AddLinesInvoice::new(remote, lines.collect::<Vec<_>>());
    stripe.send(request, format!("inv:{id}:lines")).await.and_then(ours)
}

/// Reads an invoice with its payments.
///
/// # Errors
/// When Stripe refuses.
pub async fn find(stripe: &Stripe, remote: &str) -> Result<Remote, StripeError> {
    stripe.read(RetrieveInvoice::new(remote).expand(vec!["payments".to_owned()])).await.and_then(ours)
}

/// Throws a draft away.
///
/// # Errors
/// When Stripe refuses, as it does when it is no draft any more.
pub async fn delete(stripe: &Stripe, remote: &str) -> Result<(), StripeError> {
    stripe.read(DeleteInvoice::new(remote)).await.map(|_| ())
}

/// Withdraws an open invoice: nobody can pay it any more.
///
/// # Errors
/// When Stripe refuses, as it does once it is paid.
pub async fn void(stripe: &Stripe, id: InvoiceId, remote: &str) -> Result<(), StripeError> {
    stripe.send(VoidInvoiceInvoice::new(remote), format!("inv:{id}:void")).await.map(|_| ())
}

/// Fixes the draft; Stripe gives it a page where it can be paid.
///
/// # Errors
/// When Stripe refuses.
pub async fn finalize(stripe: &Stripe, id: InvoiceId, remote: &str) -> Result<Remote, StripeError> {
    stripe.send(FinalizeInvoiceInvoice::new(remote).auto_advance(false), format!("inv:{id}:finalize")).await.and_then(ours)
}

/// Charges the saved card. `attempt` counts charges, not retries of one: those repeat the key.
///
/// # Errors
/// 402 when the card is declined; otherwise when Stripe refuses.
pub async fn pay(stripe: &Stripe, id: InvoiceId, remote: &str, attempt: u32) -> Result<Remote, StripeError> {
    stripe.send(PayInvoice::new(remote).off_session(true), format!("inv:{id}:pay:{attempt}")).await.and_then(ours)
}

fn ours(invoice: Invoice) -> Result<Remote, StripeError> {
    let paid = invoice.payments.as_ref().and_then(|payments| payments.data.iter().find(|payment| payment.status == "paid"));
    let payment = paid.map(|payment| match &payment.payment.payment_intent {
        Some(intent) => intent.id().to_string(),
        None => payment.id.to_string(),
    });
    Ok(Remote {
        id: invoice.id.ok_or_else(|| StripeError::Decode("an invoice without an id".into()))?.to_string(),
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
