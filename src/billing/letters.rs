//! The letters about money: what each fills into its words (`templates/mail/words/`).

use entity::account::{Collection, Locale};
use entity::credit_note::{self, Settlement};
use entity::money::{self, Minor, Nanos};
use entity::{Time, account, invoice, top_up};

use super::invoice::finalize::snapshot_of;
use super::invoice::snapshot::Snapshot;
use super::subscription::cycle;
use crate::platform::mail::{Attachment, Letter, compose};

/// `12.50 USD`.
fn amount(minor: Minor, currency: &str) -> String {
    format!("{} {}", minor.decimal(money::exponent(currency)), currency.to_uppercase())
}

/// The same of nanos, with every digit that is not zero.
fn exact(nanos: Nanos, currency: &str) -> String {
    format!("{} {}", nanos.decimal(money::exponent(currency)), currency.to_uppercase())
}

fn day(instant: Time, zone: &str) -> String {
    cycle::date(zone, instant).to_string()
}

/// The invoice as a letter: paid, or with nothing to pay, with its PDF.
///
/// # Errors
/// When the invoice's snapshot cannot be read.
pub fn invoice(invoice: &invoice::Model, pdf: Vec<u8>, public_url: &str) -> Result<Letter, serde_json::Error> {
    let number = invoice.number.clone().unwrap_or_default();
    let mut letter = about(invoice, public_url, "invoice", &[])?;
    letter.attachments.push(Attachment { filename: format!("{number}.pdf"), content_type: "application/pdf", content: pdf });
    Ok(letter)
}

/// A credit note as a letter, with its PDF.
///
/// # Errors
/// When the invoice's snapshot cannot be read.
pub fn credit_note(
    note: &credit_note::Model,
    invoice: &invoice::Model,
    pdf: Vec<u8>,
    public_url: &str,
) -> Result<Letter, serde_json::Error> {
    let settled = match note.settlement {
        Settlement::None => "unpaid",
        Settlement::Refund => "refunded",
        Settlement::Credit => "credited",
    };
    let more = [("note", note.number.clone()), ("reason", note.reason.clone()), (settled, amount(note.amount_minor, &note.currency))];
    let mut letter = about(invoice, public_url, "credit_note", &more)?;
    letter.attachments.push(Attachment { filename: format!("{}.pdf", note.number), content_type: "application/pdf", content: pdf });
    Ok(letter)
}

/// What comes after a charge that failed, in the account's own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The card is charged again.
    Retry(Time),
    /// No charge is tried any more; calls are refused from then on.
    Suspension(Time),
}

/// The charge for an invoice failed: where to pay it by hand, and what comes next.
///
/// # Errors
/// When the invoice's snapshot cannot be read.
pub fn payment_failed(invoice: &invoice::Model, public_url: &str, next: Next) -> Result<Letter, serde_json::Error> {
    let next = match next {
        Next::Retry(at) => ("next", at),
        Next::Suspension(at) => ("suspension", at),
    };
    let Snapshot { time_zone, .. } = snapshot_of(invoice)?;
    // What is sent was never charged: it is overdue.
    let name = if invoice.collection == Collection::Send { "payment_overdue" } else { "payment_failed" };
    about(invoice, public_url, name, &[(next.0, day(next.1, &time_zone))])
}

/// The bank wants the customer to confirm the charge: where to do that.
///
/// # Errors
/// When the invoice's snapshot cannot be read.
pub fn payment_action(invoice: &invoice::Model, public_url: &str) -> Result<Letter, serde_json::Error> {
    about(invoice, public_url, "payment_action", &[])
}

/// The invoice as a letter: to be paid by hand until it is due, with its PDF.
///
/// # Errors
/// When the invoice's snapshot cannot be read.
pub fn invoice_due(invoice: &invoice::Model, pdf: Vec<u8>, public_url: &str) -> Result<Letter, serde_json::Error> {
    let number = invoice.number.clone().unwrap_or_default();
    let Snapshot { time_zone, .. } = snapshot_of(invoice)?;
    let due = [("due", invoice.due_at.map(|at| day(at, &time_zone)).unwrap_or_default())];
    let mut letter = about(invoice, public_url, "invoice_due", &due)?;
    letter.attachments.push(Attachment { filename: format!("{number}.pdf"), content_type: "application/pdf", content: pdf });
    Ok(letter)
}

/// The bank wants the customer to confirm the charge of credit that buys itself: where to buy it by hand.
pub fn top_up_action(account: &account::Model, top_up: &top_up::Model, page: &str) -> Letter {
    let values = [("buyer", account.name.clone()), ("amount", amount(top_up.amount_minor, &account.currency)), ("link", page.to_owned())];
    written("top_up_action", account.locale, &values)
}

/// The account is suspended for an invoice.
///
/// # Errors
/// When the invoice's snapshot cannot be read.
pub fn suspended(invoice: &invoice::Model, public_url: &str) -> Result<Letter, serde_json::Error> {
    about(invoice, public_url, "suspended", &[])
}

/// The invoice that suspended the account is settled.
///
/// # Errors
/// When the invoice's snapshot cannot be read.
pub fn restored(invoice: &invoice::Model, public_url: &str) -> Result<Letter, serde_json::Error> {
    about(invoice, public_url, "restored", &[])
}

/// A letter about an invoice, in the language of the document.
fn about(
    invoice: &invoice::Model,
    public_url: &str,
    name: &'static str,
    more: &[(&'static str, String)],
) -> Result<Letter, serde_json::Error> {
    let Snapshot { seller, locale, time_zone, .. } = snapshot_of(invoice)?;
    let money = |minor: Minor| amount(minor, &invoice.currency);
    let some = |minor: Minor| if minor.0 == 0 { String::new() } else { money(minor) };
    let link = format!("{public_url}/app/invoices/{}", invoice.id);
    let mut values = vec![
        ("buyer", invoice.buyer_name.clone()),
        ("seller", seller.name),
        ("number", invoice.number.clone().unwrap_or_default()),
        ("from", day(invoice.period_starts_at, &time_zone)),
        ("to", day(invoice.period_ends_at, &time_zone)),
        ("subtotal", money(invoice.subtotal_minor)),
        ("discount", some(invoice.discount_minor)),
        ("tax", some(invoice.tax_minor)),
        ("credits", some(invoice.credits_applied_minor)),
        ("total", money(invoice.total_minor)),
        ("pay_link", invoice.stripe_hosted_url.clone().unwrap_or_else(|| link.clone())),
        ("link", link),
    ];
    values.extend(more.iter().cloned());
    Ok(written(name, locale, &values))
}

/// The receipt of a top-up.
pub fn receipt(account: &account::Model, top_up: &top_up::Model, public_url: &str) -> Letter {
    let values = [
        ("buyer", account.name.clone()),
        ("amount", amount(top_up.amount_minor, &account.currency)),
        ("date", day(top_up.paid_at.unwrap_or(top_up.created_at), &account.time_zone)),
        ("reference", top_up.id.to_string()),
        ("link", format!("{public_url}/app/billing")),
    ];
    written("receipt", account.locale, &values)
}

/// The card that invoices are charged to (`visa •••• 4242`) expires at the end of `month` (`2027-03`).
pub fn card_expiring(account: &account::Model, card: &str, month: &str, public_url: &str) -> Letter {
    let values = [
        ("buyer", account.name.clone()),
        ("card", card.to_owned()),
        ("month", month.to_owned()),
        ("link", format!("{public_url}/app/billing")),
    ];
    written("card_expiring", account.locale, &values)
}

/// The card was refused when credit was to buy itself; `off`: so often that it does not any more.
pub fn auto_top_up_refused(account: &account::Model, top_up: &top_up::Model, (next, off): (Time, bool), public_url: &str) -> Letter {
    let values = [
        ("buyer", account.name.clone()),
        ("amount", amount(top_up.amount_minor, &account.currency)),
        ("next", day(next, &account.time_zone)),
        ("link", format!("{public_url}/app/billing/credit")),
    ];
    written(if off { "auto_top_up_off" } else { "auto_top_up_refused" }, account.locale, &values)
}

/// The credit fell below what the customer asked to be told of.
pub fn credit_low(account: &account::Model, remaining: Nanos, threshold: Nanos, public_url: &str) -> Letter {
    let values = [
        ("buyer", account.name.clone()),
        ("remaining", exact(remaining, &account.currency)),
        ("threshold", exact(threshold, &account.currency)),
        ("link", format!("{public_url}/app/billing")),
    ];
    written("credit_low", account.locale, &values)
}

/// What a period's spend is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Beyond it nothing is refused.
    Budget,
    /// Beyond it calls are refused.
    Cap,
}

/// The spend of the period reached a share of the budget or of the cap.
pub fn spend(
    account: &account::Model,
    (measure, of): (Measure, Nanos),
    (share, spent): (i64, Nanos),
    period_ends_at: Time,
    public_url: &str,
) -> Letter {
    let values = [
        ("buyer", account.name.clone()),
        ("share", format!("{share} %")),
        ("spent", exact(spent, &account.currency)),
        ("amount", exact(of, &account.currency)),
        ("to", day(period_ends_at, &account.time_zone)),
        ("link", format!("{public_url}/app/billing/alerts")),
    ];
    let name = match measure {
        Measure::Budget => "budget_near",
        Measure::Cap => "cap_near",
    };
    written(name, account.locale, &values)
}

fn written(name: &'static str, locale: Locale, values: &[(&'static str, String)]) -> Letter {
    let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    compose(name, locale, &values)
}
