//! The letters about money, from `templates/mail/`.

use askama::Template;
use entity::money::{self, Minor};
use entity::{account, invoice, top_up};

use crate::platform::mail::{Attachment, Letter};

/// `12.50 USD`.
fn amount(minor: Minor, currency: &str) -> String {
    format!("{} {}", minor.decimal(money::exponent(currency)), currency.to_uppercase())
}

/// The invoice as a letter: paid, or with nothing to pay, with its PDF.
///
/// # Errors
/// When a template cannot be rendered.
pub fn invoice(invoice: &invoice::Model, pdf: Vec<u8>, public_url: &str) -> Result<Letter, askama::Error> {
    #[derive(Template)]
    #[template(path = "mail/invoice.txt")]
    struct Text<'a>(&'a Content);
    #[derive(Template)]
    #[template(path = "mail/invoice.html")]
    struct Html<'a>(&'a Content);
    let content = content(invoice, public_url);
    Ok(Letter {
        name: "invoice",
        subject: format!("Your invoice {} is paid", content.number),
        text: Text(&content).render()?,
        html: Html(&content).render()?,
        attachments: vec![Attachment { filename: format!("{}.pdf", content.number), content_type: "application/pdf", content: pdf }],
    })
}

/// The charge for an invoice failed: where to pay it by hand.
///
/// # Errors
/// When a template cannot be rendered.
pub fn payment_failed(invoice: &invoice::Model, public_url: &str) -> Result<Letter, askama::Error> {
    #[derive(Template)]
    #[template(path = "mail/payment_failed.txt")]
    struct Text<'a>(&'a Content);
    #[derive(Template)]
    #[template(path = "mail/payment_failed.html")]
    struct Html<'a>(&'a Content);
    let content = content(invoice, public_url);
    Ok(Letter {
        name: "payment_failed",
        subject: format!("The payment for invoice {} failed", content.number),
        text: Text(&content).render()?,
        html: Html(&content).render()?,
        attachments: Vec::new(),
    })
}

/// What both letters about an invoice say.
struct Content {
    buyer: String,
    seller: String,
    number: String,
    period: String,
    subtotal: String,
    /// Empty when no credit was used.
    credits_applied: String,
    total: String,
    /// Our page of the invoice.
    link: String,
    /// Where it can be paid.
    pay_link: String,
}

fn content(invoice: &invoice::Model, public_url: &str) -> Content {
    let (from, to) = (invoice.period_starts_at.date_naive(), invoice.period_ends_at.date_naive());
    let money = |minor| amount(minor, &invoice.currency);
    let link = format!("{public_url}/app/invoices/{}", invoice.id);
    let applied = invoice.credits_applied_minor;
    Content {
        buyer: invoice.buyer_name.clone(),
        seller: super::invoice::finalize::snapshot_of(invoice).map(|snapshot| snapshot.seller.name).unwrap_or_default(),
        number: invoice.number.clone().unwrap_or_default(),
        period: format!("{from} to {to}"),
        subtotal: money(invoice.subtotal_minor),
        credits_applied: if applied.0 == 0 { String::new() } else { money(applied) },
        total: money(invoice.total_minor),
        pay_link: invoice.stripe_hosted_url.clone().unwrap_or_else(|| link.clone()),
        link,
    }
}

/// The receipt of a top-up.
///
/// # Errors
/// When a template cannot be rendered.
pub fn receipt(account: &account::Model, top_up: &top_up::Model, public_url: &str) -> Result<Letter, askama::Error> {
    let content = Receipt {
        buyer: account.name.clone(),
        amount: amount(top_up.amount_minor, &account.currency),
        date: top_up.paid_at.unwrap_or(top_up.created_at).date_naive().to_string(),
        reference: top_up.id.to_string(),
        link: format!("{public_url}/app/billing"),
    };
    #[derive(Template)]
    #[template(path = "mail/receipt.txt")]
    struct Text<'a>(&'a Receipt);
    #[derive(Template)]
    #[template(path = "mail/receipt.html")]
    struct Html<'a>(&'a Receipt);
    Ok(Letter {
        name: "receipt",
        subject: format!("Receipt for your top-up of {}", content.amount),
        text: Text(&content).render()?,
        html: Html(&content).render()?,
        attachments: Vec::new(),
    })
}

struct Receipt {
    buyer: String,
    amount: String,
    date: String,
    reference: String,
    link: String,
}
