//! A line of a document: exact nanos, rounded once.

use entity::ids::PriceId;
use entity::invoice_line::Kind;
use entity::money::{Minor, Nanos, Overflow};
use entity::{invoice_item, invoice_line};

use crate::metering::digest::Digest;

/// A line before it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub kind: Kind,
    pub description: String,
    /// Of usage, and of what follows from it.
    pub price_id: Option<PriceId>,
    pub quantity: i64,
    pub exact: Nanos,
    /// `exact` rounded once, half away from zero.
    pub amount: Minor,
    /// `amount` minus `exact`.
    pub rounding: Nanos,
    pub events: i64,
    /// Of the events, see [`crate::metering::digest`]; all zero for a line without events.
    pub events_digest: Vec<u8>,
}

impl Line {
    /// A line without events. Of a price, when it follows from the usage of one.
    ///
    /// # Errors
    /// When the amount does not fit.
    pub fn new(
        kind: Kind,
        description: String,
        price_id: Option<PriceId>,
        quantity: i64,
        exact: Nanos,
        exponent: u32,
    ) -> Result<Self, Overflow> {
        let amount = exact.round(exponent);
        let rounding = amount.nanos(exponent)?.checked_sub(exact)?;
        let events_digest = Digest::default().bytes().to_vec();
        Ok(Self { kind, description, price_id, quantity, exact, amount, rounding, events: 0, events_digest })
    }

    /// The usage of one price.
    ///
    /// # Errors
    /// When the amount does not fit.
    pub fn usage(
        description: String,
        price_id: PriceId,
        (quantity, events): (i64, i64),
        exact: Nanos,
        digest: Digest,
        exponent: u32,
    ) -> Result<Self, Overflow> {
        let line = Self::new(Kind::Usage, description, Some(price_id), quantity, exact, exponent)?;
        Ok(Self { events, events_digest: digest.bytes().to_vec(), ..line })
    }

    /// An item that waited for its invoice.
    ///
    /// # Errors
    /// When the amount does not fit.
    pub fn item(item: &invoice_item::Model, exponent: u32) -> Result<Self, Overflow> {
        let kind = match item.kind {
            invoice_item::Kind::OneOff => Kind::OneOff,
            invoice_item::Kind::Proration => Kind::Proration,
        };
        Self::new(kind, item.description.clone(), None, item.quantity, item.amount_nanos, exponent)
    }
}

impl From<&invoice_line::Model> for Line {
    fn from(row: &invoice_line::Model) -> Self {
        Self {
            kind: row.kind,
            description: row.description.clone(),
            price_id: row.price_id,
            quantity: row.quantity,
            exact: row.exact_nanos,
            amount: row.amount_minor,
            rounding: row.rounding_nanos,
            events: row.events,
            events_digest: row.events_digest.clone(),
        }
    }
}
