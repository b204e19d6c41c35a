//! Builds the draft of a closed period from its events: the base fee and one usage line per price.

use std::collections::BTreeMap;

use entity::ids::{EventId, InvoiceId, InvoiceLineId, PeriodId, PriceId};
use entity::member::Role;
use entity::money::{Nanos, Overflow};
use entity::{Time, account, invoice, invoice_line, member, period, plan_version, price, subscription, usage_event, usage_rollup};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::line::{self, Line, Totals};
use super::record::{Digest, EventRecord};
use super::snapshot::{self, Party, Snapshot};
use crate::billing::{credit, plan, rating};
use crate::platform::config::Seller;

/// Events read at a time.
const PAGE: u64 = 5_000;

/// Why no invoice can be made of a period.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    #[error("the period is gone or still open")]
    NotClosed,
    /// Invariant 5 is broken: an operator must look before anything is sent.
    #[error("the books of price {price} disagree: events {events}, rollups {rollups}, rated again {rated} (nanos)")]
    Books { price: PriceId, events: i64, rollups: i64, rated: i64 },
    #[error("the account has no member to send the invoice to")]
    NoBuyer,
    #[error("{0}")]
    Overflow(Overflow),
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl From<Overflow> for DraftError {
    fn from(overflow: Overflow) -> Self {
        Self::Overflow(overflow)
    }
}

/// What is known of a price's usage in a period.
#[derive(Default)]
struct Tally {
    quantity: i64,
    amount: Nanos,
    events: i64,
    digest: Digest,
}

/// Builds and stores the draft and its lines, and takes the credit it uses from the grants. The caller holds the account's
/// lock and issues the draft in the same transaction.
pub(super) async fn build_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    period: &period::Model,
    seller: &Seller,
    now: Time,
) -> Result<(invoice::Model, Totals), DraftError> {
    let (version, prices) = catalogue_of(txn, period).await?;
    let lines = lines_of(txn, account, period, &version, &prices).await?;
    let exponent = account.exponent();
    let totals = line::totals(&lines, credit::unburnt(txn, account.id).await?, exponent)?;
    let buyer = buyer_of(txn, account).await?;
    let snapshot = Snapshot {
        seller: Party::from(seller),
        buyer: Party { name: account.name.clone(), address: String::new(), tax_id: String::new(), email: buyer.email.clone() },
        plan: snapshot::Plan { name: version.name.clone(), version: version.version },
        period_starts_at: period.starts_at,
        period_ends_at: period.ends_at,
        prices: prices.into_iter().map(frozen).collect(),
        credit_burnt: totals.burnt,
    };
    let draft = invoice::Model {
        id: InvoiceId::new(),
        account_id: account.id,
        period_id: period.id,
        number: None,
        document_state: invoice::DocumentState::Draft,
        payment_state: invoice::PaymentState::Unpaid,
        currency: account.currency.clone(),
        buyer_name: account.name.clone(),
        buyer_email: buyer.email,
        subtotal_minor: totals.subtotal,
        credits_applied_minor: totals.credits_applied,
        total_minor: totals.total,
        snapshot: serde_json::to_value(&snapshot).map_err(|error| DbErr::Custom(error.to_string()))?,
        stripe_invoice_id: None,
        stripe_hosted_url: None,
        period_starts_at: period.starts_at,
        period_ends_at: period.ends_at,
        created_at: now,
        issued_at: None,
        paid_at: None,
    };
    invoice::Entity::insert(invoice::ActiveModel::from(draft.clone())).exec_without_returning(txn).await?;
    store_lines(txn, draft.id, lines).await?;
    credit::burn_in(txn, account.id, totals.burnt).await?;
    Ok((draft, totals))
}

async fn catalogue_of(txn: &impl ConnectionTrait, period: &period::Model) -> Result<(plan_version::Model, Vec<price::Model>), DraftError> {
    let subscription = subscription::Entity::find_by_id(period.subscription_id).one(txn).await?.ok_or(DraftError::NotClosed)?;
    let version = plan_version::Entity::find_by_id(subscription.plan_version_id).one(txn).await?.ok_or(DraftError::NotClosed)?;
    let prices = plan::prices_of(txn, &version).await?;
    Ok((version, prices))
}

async fn lines_of(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    period: &period::Model,
    version: &plan_version::Model,
    prices: &[price::Model],
) -> Result<Vec<Line>, DraftError> {
    let exponent = account.exponent();
    let mut lines = Vec::new();
    if version.base_fee_minor.0 > 0 && credit::had_paid_before(txn, account.id, period.ends_at).await? {
        lines.push(Line::base_fee(&version.name, version.base_fee_minor, exponent)?);
    }
    let mut tallies = tally(txn, period.id).await?;
    check_rollups(txn, period.id, &tallies).await?;
    for price in prices {
        let Some(tally) = tallies.remove(&price.id.to_string()) else { continue };
        let rated = rating::charge(&price.tiers, 0, tally.quantity)?;
        if rated != tally.amount {
            return Err(DraftError::Books { price: price.id, events: tally.amount.0, rollups: tally.amount.0, rated: rated.0 });
        }
        let counts = (tally.quantity, tally.events);
        lines.push(Line::usage(price.description.clone(), price.id, counts, tally.amount, tally.digest.finish(), exponent)?);
    }
    match tallies.into_values().next() {
        // Usage at a price that the period's plan does not have.
        Some(stray) => {
            Err(DraftError::Books { price: PriceId(uuid::Uuid::nil()), events: stray.amount.0, rollups: stray.amount.0, rated: 0 })
        }
        None => Ok(lines),
    }
}

/// Adds up the events of a period in order of id, a page at a time.
async fn tally(txn: &impl ConnectionTrait, period: PeriodId) -> Result<BTreeMap<String, Tally>, DraftError> {
    let mut tallies = BTreeMap::<String, Tally>::new();
    let mut after: Option<EventId> = None;
    loop {
        let mut query = usage_event::Entity::find().filter(usage_event::Column::PeriodId.eq(period));
        if let Some(after) = after {
            query = query.filter(usage_event::Column::Id.gt(after));
        }
        let page = query.order_by_asc(usage_event::Column::Id).limit(PAGE).all(txn).await?;
        let Some(last) = page.last() else { return Ok(tallies) };
        after = Some(last.id);
        for event in &page {
            let record = EventRecord::of(event);
            let tally = tallies.entry(record.price_id.clone()).or_default();
            tally.quantity = tally.quantity.checked_add(event.quantity).ok_or(Overflow)?;
            tally.amount = tally.amount.checked_add(event.amount_nanos)?;
            tally.events += 1;
            tally.digest.update(&record);
        }
    }
}

/// Invariant 5: the sum of the rollups is the sum of the events.
async fn check_rollups(txn: &impl ConnectionTrait, period: PeriodId, tallies: &BTreeMap<String, Tally>) -> Result<(), DraftError> {
    let mut rollups = BTreeMap::<String, (PriceId, i64)>::new();
    for row in usage_rollup::Entity::find().filter(usage_rollup::Column::PeriodId.eq(period)).all(txn).await? {
        rollups.entry(row.price_id.to_string()).or_insert((row.price_id, 0)).1 += row.amount_nanos.0;
    }
    for (key, (price, rolled)) in &rollups {
        let events = tallies.get(key).map_or(0, |tally| tally.amount.0);
        if events != *rolled {
            return Err(DraftError::Books { price: *price, events, rollups: *rolled, rated: events });
        }
    }
    match tallies.iter().find(|(key, _)| !rollups.contains_key(*key)) {
        Some((key, tally)) => {
            let price = key.parse().map_err(|error: entity::ids::InvalidId| DbErr::Custom(error.to_string()))?;
            Err(DraftError::Books { price, events: tally.amount.0, rollups: 0, rated: tally.amount.0 })
        }
        None => Ok(()),
    }
}

/// Who gets the invoice: the longest-standing owner.
async fn buyer_of(txn: &impl ConnectionTrait, account: &account::Model) -> Result<member::Model, DraftError> {
    member::Entity::of(account.id)
        .filter(member::Column::Role.eq(Role::Owner))
        .order_by_asc(member::Column::Id)
        .one(txn)
        .await?
        .ok_or(DraftError::NoBuyer)
}

fn frozen(price: price::Model) -> snapshot::Price {
    let price::Model { id, task, meter, description, tiers, cached, .. } = price;
    snapshot::Price { id: id.to_string(), task, meter, description, tiers, cached }
}

async fn store_lines(txn: &impl ConnectionTrait, invoice: InvoiceId, lines: Vec<Line>) -> Result<(), DbErr> {
    for (seq, line) in (1..).zip(lines) {
        let Line { kind, description, price_id, quantity, exact, amount, rounding, events, events_digest } = line;
        invoice_line::Entity::insert(invoice_line::ActiveModel {
            id: Set(InvoiceLineId::new()),
            invoice_id: Set(invoice),
            seq: Set(seq),
            kind: Set(kind),
            description: Set(description),
            price_id: Set(price_id),
            quantity: Set(quantity),
            exact_nanos: Set(exact),
            amount_minor: Set(amount),
            rounding_nanos: Set(rounding),
            events: Set(events),
            events_digest: Set(events_digest),
        })
        .exec_without_returning(txn)
        .await?;
    }
    Ok(())
}
