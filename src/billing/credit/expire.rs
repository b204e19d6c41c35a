//! Credit whose time is over. What usage had taken of it by then stays with the grant until the period is invoiced; the rest
//! is lost to the customer and goes to breakage in the books.

use entity::credit_grant;
use entity::credit_movement::Kind as Movement;
use entity::ids::{AccountId, GrantId};
use entity::ledger_account::Code;
use entity::money::Nanos;
use entity::{Time, account, balance, period};
use sea_orm::sea_query::LockType;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Statement, TransactionTrait as _,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::burn::{self, Taken};
use crate::billing::ledger::{self, Booking};
use crate::metering::limits;
use crate::platform::queue::Job;

/// Expires what is due, of every account.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExpireCredit {}

impl Job for ExpireCredit {
    const KIND: &'static str = "billing.expire_credit";
}

/// Runs [`ExpireCredit`]. An account that fails does not hold up the others; the next run finds it again.
///
/// # Errors
/// When the accounts cannot be read.
pub async fn expire_all_due(db: &DatabaseConnection, wall_now: Time) -> Result<usize, DbErr> {
    let statement = Statement::from_sql_and_values(
        db.get_database_backend(),
        "SELECT DISTINCT g.account_id FROM credit_grant g JOIN account a ON a.id = g.account_id
         WHERE g.remaining_nanos > 0 AND g.expires_at <= $1 + make_interval(secs => a.clock_offset_seconds)",
        [wall_now.into()],
    );
    let mut expired = 0;
    for row in db.query_all_raw(statement).await? {
        let id = AccountId(row.try_get::<Uuid>("", "account_id")?);
        let Some(account) = account::Entity::find_by_id(id).one(db).await? else { continue };
        match expire_due(db, id, account.now(wall_now)).await {
            Ok(more) => expired += more,
            Err(error) => tracing::error!(billing.account = %id, %error, "credit of {id} could not expire: {error}"),
        }
    }
    Ok(expired)
}

/// Expires the grants of an account whose time is over at `until`, the account's own time, in the order in which their times
/// ended. Returns how many lost something.
///
/// # Errors
/// When the database refuses; what expired before stays so.
pub async fn expire_due(db: &DatabaseConnection, account: AccountId, until: Time) -> Result<usize, DbErr> {
    let due = credit_grant::Entity::of(account)
        .filter(credit_grant::Column::RemainingNanos.gt(Nanos(0)))
        .filter(credit_grant::Column::ExpiresAt.lte(until))
        .order_by_asc(credit_grant::Column::ExpiresAt)
        .order_by_asc(credit_grant::Column::Id);
    let mut expired = 0;
    for grant in due.all(db).await? {
        expired += usize::from(expire_one(db, &grant).await?);
    }
    Ok(expired)
}

/// Expires what ends in a period that is over but not closed yet.
///
/// # Errors
/// As [`expire_due`].
pub async fn expire_before_close(db: &DatabaseConnection, id: AccountId, wall_now: Time) -> Result<usize, DbErr> {
    let open = period::Entity::of(id).filter(period::Column::State.eq(period::State::Open)).one(db).await?;
    let (Some(open), Some(account)) = (open, account::Entity::find_by_id(id).one(db).await?) else { return Ok(0) };
    if account.now(wall_now) < open.ends_at { Ok(0) } else { expire_due(db, id, open.ends_at).await }
}

async fn expire_one(db: &DatabaseConnection, grant: &credit_grant::Model) -> Result<bool, DbErr> {
    let Some(at) = grant.expires_at else { return Ok(false) };
    let Some(left) = balance::Entity::credit_of(grant.account_id).one(db).await? else { return Ok(false) };
    // A look without locks: what is used up waits for its invoice and disturbs no call meanwhile.
    if loss(&burn::grants(db, grant.account_id, before(at)).await?, grant.id, left.remaining()).0 == 0 {
        return Ok(false);
    }
    let txn = db.begin().await?;
    // Race: invoices and other expiries of the account, which take from the same grants.
    let account = account::Entity::find_by_id(grant.account_id).lock(LockType::NoKeyUpdate).one(&txn).await?;
    let Some(account) = account else { return Ok(false) };
    let grants = burn::lock_in(&txn, account.id, before(at)).await?;
    let lost = loss(&grants, grant.id, limits::lock_credit_in(&txn, account.id).await?);
    if lost.0 == 0 {
        return Ok(false);
    }
    let part = Taken { grant: grant.id, kind: grant.kind, amount: lost };
    burn::change_in(&txn, grant.id, Nanos(-lost.0)).await?;
    let movement = burn::note_in(&txn, account.id, &part, (Movement::Expiry, None, ""), at).await?;
    super::raise_in(&txn, account.id, Nanos(-lost.0)).await?;
    let booking = Booking {
        kind: "credit.expiry",
        // Not the grant: an invoice that takes less than usage had taken leaves it something to lose a second time.
        reference: &movement.to_string(),
        debit: (Some(account.id), Code::Credit),
        credit: (None, Code::Breakage),
        currency: &account.currency,
        amount: lost,
        at,
    };
    ledger::post_in(&txn, booking).await?;
    txn.commit().await?;
    Ok(true)
}

/// So that the grant stands in the burn order at its own place, not among what is over already.
fn before(at: Time) -> Time {
    at - chrono::TimeDelta::microseconds(1)
}

/// What usage has not taken of a grant. What was spent and is on no invoice yet is taken from the grants in their order.
fn loss(grants: &[credit_grant::Model], id: GrantId, spendable: Nanos) -> Nanos {
    let held: i64 = grants.iter().map(|grant| grant.remaining_nanos.0).sum();
    let unbilled = Nanos((held - spendable.0).max(0));
    let used = burn::plan(grants, unbilled).iter().find(|taken| taken.grant == id).map_or(0, |taken| taken.amount.0);
    let remaining = grants.iter().find(|grant| grant.id == id).map_or(0, |grant| grant.remaining_nanos.0);
    Nanos((remaining - used).clamp(0, spendable.0.max(0)))
}
