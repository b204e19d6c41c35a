//! What the template is told of a credit note. Seller and buyer are those of its invoice.

use chrono::Datelike as _;
use entity::money::{self, Minor};
use entity::{Time, credit_note, invoice};
use serde_json::{Value, json};

use super::data::{fonts, grouped, party, rate};
use crate::billing::invoice::snapshot::Snapshot;
use crate::billing::subscription::cycle::date;
use crate::billing::tax::Category;

/// The data of a credit note.
pub(super) fn data(note: &credit_note::Model, invoice: &invoice::Model, snapshot: &Snapshot) -> Value {
    let exponent = money::exponent(&note.currency);
    let amount = |minor: Minor| grouped(&minor.decimal(exponent));
    let day = |instant: Time| date(&snapshot.time_zone, instant);
    let issued = day(note.created_at);
    let tax = snapshot.tax.as_ref();
    json!({
        "lang": snapshot.locale.as_str(),
        "fonts": fonts(snapshot.locale),
        "number": note.number,
        "seller": party(&snapshot.seller),
        "buyer": party(&snapshot.buyer),
        "currency": note.currency.to_uppercase(),
        "issued": { "year": issued.year(), "month": issued.month(), "day": issued.day(), "text": issued.to_string() },
        "invoice": { "number": invoice.number, "date": invoice.issued_at.map(|at| day(at).to_string()).unwrap_or_default() },
        "reason": note.reason,
        "net": amount(Minor(note.amount_minor.0 - note.tax_minor.0)),
        "tax": tax.map(|tax| json!({ "name": tax.rule.name, "rate": rate(tax), "amount": amount(note.tax_minor) })),
        "reverse_charge": tax.is_some_and(|tax| tax.rule.category == Category::AE),
        "total": amount(note.amount_minor),
        "settlement": note.settlement.as_str(),
    })
}
