//! The PDF of an invoice (PDF/A-3b), set by Typst from data alone. The same rows give the same bytes.

use std::sync::LazyLock;

use entity::money::{self, Minor, Nanos};
use entity::price::Tiers;
use entity::{Time, invoice, invoice_line};
use serde_json::{Value, json};
use typst::foundations::{Dict, IntoValue as _, Smart};
use typst_as_lib::{TypstEngine, TypstTemplateMainFile};
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};

use super::finalize::snapshot_of;

/// Beside Typst's own, for names in Chinese, Japanese and Korean; used when the machine has it.
const CJK_FONT: &str = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc";

/// Why a document could not be made: a fault of ours, never of the customer's data.
#[derive(Debug, thiserror::Error)]
#[error("the document of the invoice: {0}")]
pub struct DocumentError(String);

/// Built once: reading the fonts takes longer than setting an invoice.
static ENGINE: LazyLock<TypstEngine<TypstTemplateMainFile>> = LazyLock::new(|| {
    let mut fonts: Vec<Vec<u8>> = typst_assets::fonts().map(<[u8]>::to_vec).collect();
    // Missing: such names are set in boxes, everything else is as before.
    fonts.extend(std::fs::read(CJK_FONT).ok());
    TypstEngine::builder().main_file(include_str!("../../../templates/invoice.typ")).fonts(fonts).build()
});

/// Sets an issued invoice, on a thread that may take its time.
///
/// # Errors
/// When the template does not take the data.
pub async fn render(invoice: invoice::Model, lines: Vec<invoice_line::Model>) -> Result<Vec<u8>, DocumentError> {
    let number = invoice.number.clone().unwrap_or_default();
    let data = data(&invoice, &lines)?;
    let rendered = tokio::task::spawn_blocking(move || set(&data, &number)).await;
    rendered.map_err(|error| DocumentError(error.to_string()))?
}

fn set(data: &Value, number: &str) -> Result<Vec<u8>, DocumentError> {
    let wrong = |problem: &dyn std::fmt::Debug| DocumentError(format!("{problem:?}"));
    let mut inputs = Dict::new();
    inputs.insert("data".into(), data.to_string().into_value());
    let document = ENGINE.compile_with_input(inputs).output.map_err(|error| wrong(&error))?;
    let options = PdfOptions {
        // No time of now and no random identifier: the same invoice is the same file.
        ident: Smart::Custom(number.into()),
        creator: Smart::Custom(Some("Lensmeter".into())),
        standards: PdfStandards::new(&[PdfStandard::A_3b]).map_err(|error| wrong(&error))?,
        ..PdfOptions::default()
    };
    typst_pdf::pdf(&document, &options).map_err(|error| wrong(&error))
}

fn data(invoice: &invoice::Model, lines: &[invoice_line::Model]) -> Result<Value, DocumentError> {
    use chrono::Datelike as _;
    let snapshot = snapshot_of(invoice).map_err(|error| DocumentError(error.to_string()))?;
    let issued = invoice.issued_at.ok_or_else(|| DocumentError("it is not issued".into()))?.date_naive();
    let exponent = money::exponent(&invoice.currency);
    let amount = |minor: Minor| grouped(&minor.decimal(exponent));
    let line = |row: &invoice_line::Model| {
        let price = row.price_id.map(|id| id.to_string());
        let tiers = snapshot.prices.iter().find(|known| Some(&known.id) == price.as_ref()).map(|known| &known.tiers);
        json!({
            "description": row.description,
            "tiers": tiers.map_or_else(|| flat(row, exponent), |tiers| used(tiers, row.quantity, exponent)),
            "amount": amount(row.amount_minor),
            "events": row.events,
            "digest": if row.events > 0 { hex::encode(&row.events_digest) } else { String::new() },
        })
    };
    let applied = invoice.credits_applied_minor;
    Ok(json!({
        "fonts": ["Libertinus Serif", "Noto Sans CJK SC"],
        "number": invoice.number,
        "seller": snapshot.seller,
        "buyer": snapshot.buyer,
        "plan": snapshot.plan.name,
        "currency": invoice.currency.to_uppercase(),
        "issued": { "year": issued.year(), "month": issued.month(), "day": issued.day(), "text": issued.to_string() },
        "period": { "from": day(invoice.period_starts_at), "to": day(invoice.period_ends_at) },
        "lines": lines.iter().map(line).collect::<Vec<_>>(),
        "subtotal": amount(invoice.subtotal_minor),
        "credits_applied": if applied.0 == 0 { String::new() } else { amount(applied) },
        "total": amount(invoice.total_minor),
        "payment": payment_note(invoice),
    }))
}

fn day(instant: Time) -> String {
    instant.date_naive().to_string()
}

/// What the document says about paying. It is set at issue and does not change afterwards.
fn payment_note(invoice: &invoice::Model) -> String {
    if invoice.total_minor.0 == 0 {
        return "Nothing is due: no payment is needed.".into();
    }
    let due = "The total is due on receipt and is charged to the card on file.";
    match invoice.credits_applied_minor.0 {
        0 => due.into(),
        _ => format!("{due} Prepaid credit that was applied was paid, or granted, beforehand."),
    }
}

/// A line with one unit price: the fee.
fn flat(row: &invoice_line::Model, exponent: u32) -> Value {
    json!([{ "quantity": row.quantity.to_string(), "unit": row.exact_nanos.decimal(exponent) }])
}

/// How a quantity spreads over the tiers, with the unit price of each tier that it reaches.
fn used(tiers: &Tiers, quantity: i64, exponent: u32) -> Value {
    let mut below = 0;
    let mut parts = Vec::new();
    for tier in &tiers.0 {
        let upper = tier.up_to.unwrap_or(i64::MAX).min(quantity);
        if upper > below {
            let Nanos(unit) = tier.unit_nanos;
            parts.push(json!({ "quantity": grouped(&(upper - below).to_string()), "unit": Nanos(unit).decimal(exponent) }));
            below = upper;
        }
    }
    Value::Array(parts)
}

/// `12345.60` as `12,345.60`.
fn grouped(decimal: &str) -> String {
    let (whole, fraction) = decimal.split_once('.').map_or((decimal, None), |(whole, fraction)| (whole, Some(fraction)));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut text = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        for (decimal, expected) in [("0.05", "0.05"), ("999", "999"), ("1000.00", "1,000.00"), ("-1234567.80", "-1,234,567.80")] {
            assert_eq!(grouped(decimal), expected);
        }
    }
}
