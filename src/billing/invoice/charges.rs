//! What a period charges: the fee, the usage of each price with what follows from it, and items that waited. Read from
//! rollups, never from events: it takes as long for one call as for a million.

use std::collections::BTreeMap;

use entity::ids::PriceId;
use entity::invoice_line::Kind;
use entity::money::{Minor, Nanos};
use entity::{account, invoice_item, period, plan_version, price, subscription};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait as _, Statement};

use super::draft::DraftError;
use super::line::Line;
use crate::billing::proration::Share;
use crate::billing::subscription::cycle::date;
use crate::billing::{credit, plan, rating};
use crate::metering::digest::Digest;

/// The lines of a period and where they come from.
pub(super) struct Charges {
    pub version: plan_version::Model,
    pub prices: Vec<price::Model>,
    /// What of its cycle the period owes fees for.
    pub share: Share,
    /// Where its days begin.
    pub time_zone: String,
    pub lines: Vec<Line>,
    /// The items among the lines.
    pub items: Vec<invoice_item::Model>,
}

/// What is known of a price's usage in a period.
struct Tally {
    events: i64,
    quantity: i64,
    amount: Nanos,
    digest: Digest,
}

/// The charges of a period as they stand.
///
/// # Errors
/// When the rollups are not what the units cost, or an amount does not fit.
pub(super) async fn of(db: &impl ConnectionTrait, account: &account::Model, period: &period::Model) -> Result<Charges, DraftError> {
    let subscription = subscription::Entity::find_by_id(period.subscription_id).one(db).await?.ok_or(DraftError::NotClosed)?;
    let version = plan_version::Entity::find_by_id(subscription.plan_version_id).one(db).await?.ok_or(DraftError::NotClosed)?;
    let prices = plan::prices_of(db, &version).await?;
    let mut share = Share::of(period, &subscription);
    if !credit::had_paid_before(db, account.id, period.ends_at).await? {
        // On trial until the first top-up: no part of the cycle owes a fee or a minimum.
        share.from = share.to;
    }
    let exponent = account.exponent();
    let mut lines = Vec::from_iter(fee(&version, &share, &subscription.time_zone, exponent)?);
    let mut tallies = tallies(db, period).await?;
    for price in &prices {
        lines.extend(of_price(price, tallies.remove(&price.id), &share, exponent)?);
    }
    if let Some((stray, tally)) = tallies.pop_first() {
        // Usage at a price that the period's plan does not have.
        return Err(DraftError::Books { price: stray, rollups: tally.amount.0, rated: 0 });
    }
    let items = invoice_item::Entity::waiting(account.id, period.ends_at).all(db).await?;
    for item in &items {
        lines.push(Line::item(item, exponent)?);
    }
    Ok(Charges { version, prices, share, time_zone: subscription.time_zone, lines, items })
}

/// The plan itself, for the period's share of its cycle.
fn fee(version: &plan_version::Model, share: &Share, time_zone: &str, exponent: u32) -> Result<Option<Line>, DraftError> {
    let fee = Minor(share.part(version.base_fee_minor.0)?);
    if fee.0 == 0 {
        return Ok(None);
    }
    let description = if share.is_whole() {
        format!("{} plan, monthly fee", version.name)
    } else {
        format!("{} plan, fee from {} to {}", version.name, date(time_zone, share.from), date(time_zone, share.to))
    };
    Ok(Some(Line::new(Kind::BaseFee, description, None, 1, fee.nanos(exponent)?, exponent)?))
}

/// The usage of a price, what a volume price gives back of it, and what it lacks to the minimum.
fn of_price(price: &price::Model, tally: Option<Tally>, share: &Share, exponent: u32) -> Result<Vec<Line>, DraftError> {
    let rate = price.rate();
    let quantity = tally.as_ref().map_or(0, |tally| tally.quantity);
    let mut lines = Vec::new();
    if let Some(Tally { events, quantity, amount, digest }) = tally {
        let rated = rating::charge(&rate, 0, quantity)?;
        if rated != amount {
            return Err(DraftError::Books { price: price.id, rollups: amount.0, rated: rated.0 });
        }
        lines.push(Line::usage(price.description.clone(), price.id, (quantity, events), amount, digest, exponent)?);
    }
    let closing = rating::at_close(&rate, quantity, share)?;
    for (kind, exact, words) in [(Kind::Volume, closing.volume, "volume price"), (Kind::Minimum, closing.minimum, "minimum")] {
        if exact.0 != 0 {
            lines.push(Line::new(kind, format!("{}, {words}", price.description), Some(price.id), 1, exact, exponent)?);
        }
    }
    Ok(lines)
}

async fn tallies(db: &impl ConnectionTrait, period: &period::Model) -> Result<BTreeMap<PriceId, Tally>, DbErr> {
    let statement =
        "SELECT price_id, sum(events)::bigint AS events, sum(quantity)::bigint AS quantity, sum(amount_nanos)::bigint AS amount,
                            (sum(digest) % 115792089237316195423570985008687907853269984665640564039457584007913129639936)::text AS digest
                     FROM usage_rollup WHERE account_id = $1 AND period_id = $2 GROUP BY price_id";
    let values = [period.account_id.0.into(), period.id.0.into()];
    let rows = db.query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), statement, values)).await?;
    let read = |row: sea_orm::QueryResult| {
        let digest: String = row.try_get("", "digest")?;
        let digest = Digest::parse(&digest).ok_or_else(|| DbErr::Custom(format!("{digest} is no digest")))?;
        let (events, quantity) = (row.try_get("", "events")?, row.try_get("", "quantity")?);
        Ok((PriceId(row.try_get("", "price_id")?), Tally { events, quantity, amount: Nanos(row.try_get("", "amount")?), digest }))
    };
    rows.into_iter().map(read).collect()
}
