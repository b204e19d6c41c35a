//! The columns of a file, each stated once: how it is kept, and how it is taken from an event and put into one.

use chrono::DateTime;
use entity::ids::{AccountId, EventId, KeyId, PeriodId, PriceId, RequestId};
use entity::money::Nanos;
use entity::usage_event::Model as Event;
use parquet::basic::Encoding;
use sea_orm::Value;
use uuid::Uuid;

/// A column of `usage_event`, by the name that it has there.
pub(super) struct Column {
    pub name: &'static str,
    pub kind: Kind,
    /// None: what is written often is written once, in a dictionary.
    pub encoding: Option<Encoding>,
}

/// What a column holds.
pub(super) enum Kind {
    Uuid(fn(&Event) -> Uuid, fn(&mut Event, Uuid)),
    Text(fn(&Event) -> &str, fn(&mut Event, String)),
    Int(fn(&Event) -> i64, fn(&mut Event, i64)),
    /// Microseconds since 1970, UTC.
    Instant(fn(&Event) -> i64, fn(&mut Event, i64)),
}

impl Kind {
    /// As Parquet's own language of schemas says it.
    pub fn declared(&self, name: &str) -> String {
        match self {
            Self::Uuid(..) => format!("required fixed_len_byte_array(16) {name} (UUID);"),
            Self::Text(..) => format!("required binary {name} (STRING);"),
            Self::Int(..) => format!("required int64 {name};"),
            Self::Instant(..) => format!("required int64 {name} (TIMESTAMP(MICROS,true));"),
        }
    }

    /// As PostgreSQL takes the values of many events: the type of the array, and the array.
    pub fn array(&self, events: &[Event]) -> (&'static str, Value) {
        let instant = |event, get: fn(&Event) -> i64| DateTime::from_timestamp_micros(get(event)).unwrap_or_default();
        match *self {
            Self::Uuid(get, _) => ("uuid[]", events.iter().map(get).collect::<Vec<_>>().into()),
            Self::Text(get, _) => ("text[]", events.iter().map(|event| get(event).to_owned()).collect::<Vec<_>>().into()),
            Self::Int(get, _) => ("bigint[]", events.iter().map(get).collect::<Vec<_>>().into()),
            Self::Instant(get, _) => ("timestamptz[]", events.iter().map(|event| instant(event, get)).collect::<Vec<_>>().into()),
        }
    }
}

const fn uuid(name: &'static str, get: fn(&Event) -> Uuid, set: fn(&mut Event, Uuid)) -> Column {
    Column { name, kind: Kind::Uuid(get, set), encoding: None }
}

/// UUIDs that never come twice: a dictionary would hold each of them. BYTE_STREAM_SPLIT would make a file a quarter smaller and
/// is younger than many readers; these files are to be read for as long as books are kept.
const fn drawn(name: &'static str, get: fn(&Event) -> Uuid, set: fn(&mut Event, Uuid)) -> Column {
    Column { name, kind: Kind::Uuid(get, set), encoding: Some(Encoding::PLAIN) }
}

const fn text(name: &'static str, get: fn(&Event) -> &str, set: fn(&mut Event, String)) -> Column {
    Column { name, kind: Kind::Text(get, set), encoding: None }
}

const fn int(name: &'static str, get: fn(&Event) -> i64, set: fn(&mut Event, i64)) -> Column {
    Column { name, kind: Kind::Int(get, set), encoding: None }
}

/// Where they are, account first: the order in which a file is sorted.
pub(super) const ID: usize = 0;
pub(super) const ACCOUNT: usize = 1;

pub(super) const COLUMNS: [Column; 15] = [
    drawn("id", |event| event.id.0, |event, id| event.id = EventId(id)),
    uuid("account_id", |event| event.account_id.0, |event, id| event.account_id = AccountId(id)),
    uuid("key_id", |event| event.key_id.0, |event, id| event.key_id = KeyId(id)),
    uuid("period_id", |event| event.period_id.0, |event, id| event.period_id = PeriodId(id)),
    uuid("price_id", |event| event.price_id.0, |event, id| event.price_id = PriceId(id)),
    text("task", |event| &event.task, |event, task| event.task = task),
    text("model", |event| &event.model, |event, model| event.model = model),
    text("model_version", |event| &event.model_version, |event, version| event.model_version = version),
    drawn("request_id", |event| event.request_id.0, |event, id| event.request_id = RequestId(id)),
    int("quantity", |event| event.quantity, |event, quantity| event.quantity = quantity),
    Column {
        name: "quantity_before",
        kind: Kind::Int(|event| event.quantity_before, |event, quantity| event.quantity_before = quantity),
        encoding: Some(Encoding::DELTA_BINARY_PACKED),
    },
    int("amount_nanos", |event| event.amount_nanos.0, |event, nanos| event.amount_nanos = Nanos(nanos)),
    int("pixels", |event| event.pixels, |event, pixels| event.pixels = pixels),
    int("compute_us", |event| event.compute_us, |event, micros| event.compute_us = micros),
    Column {
        name: "at",
        // A part is decoded only when it is what was written, and that was an instant.
        kind: Kind::Instant(
            |event| event.at.timestamp_micros(),
            |event, micros| event.at = DateTime::from_timestamp_micros(micros).unwrap_or_default(),
        ),
        encoding: Some(Encoding::DELTA_BINARY_PACKED),
    },
];

/// What is filled column by column.
pub(super) fn blank() -> Event {
    let none = Uuid::nil();
    Event {
        id: EventId(none),
        account_id: AccountId(none),
        key_id: KeyId(none),
        period_id: PeriodId(none),
        price_id: PriceId(none),
        task: String::new(),
        model: String::new(),
        model_version: String::new(),
        request_id: RequestId(none),
        quantity: 0,
        quantity_before: 0,
        amount_nanos: Nanos(0),
        pixels: 0,
        compute_us: 0,
        at: DateTime::UNIX_EPOCH,
    }
}
