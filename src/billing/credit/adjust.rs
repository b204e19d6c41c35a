//! Credit that an operator gives or takes back, with a reason.

use entity::credit_grant::{self, Kind};
use entity::ids::AccountId;
use entity::ledger_account::Code;
use entity::money::Nanos;
use entity::{Time, account, balance};
use sea_orm::sea_query::LockType;
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait as _, QuerySelect as _, TransactionTrait as _};
use serde_json::json;

use super::{NewGrant, grant_new_in, revoke};
use crate::billing::invoice::act::Why;
use crate::billing::ledger::{self, Booking};

/// Why credit was not adjusted. Nothing is changed then.
#[derive(Debug, thiserror::Error)]
pub enum AdjustError {
    #[error("the amount must not be zero")]
    Nothing,
    /// More was to be taken than the account can still spend, which is this, in decimals.
    #[error("the account has {0} left to spend")]
    TooMuch(String),
    #[error("there is no such account")]
    Unknown,
    /// The reference was used before: this was done already.
    #[error("this reference was used before")]
    Repeated,
    #[error("reason: expected 1 to 500 letters")]
    Reason,
    #[error("credit expires after it begins")]
    Expiry,
    #[error("the account has no balance: it never had a plan")]
    NoBalance,
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// What is given.
#[derive(Debug, Clone, Copy)]
struct Gift<'a> {
    amount: Nanos,
    kind: Kind,
    priority: Option<i16>,
    expires_at: Option<Time>,
    reason: &'a str,
}

/// What an operator does to the credit of an account.
#[derive(Debug, Clone, Copy)]
pub enum Adjustment {
    Give { amount: Nanos, kind: Kind, priority: Option<i16>, expires_at: Option<Time> },
    Revoke { amount: Nanos },
}

/// Adjusts the credit of an account, with its entry in the audit log. The same `reference` is done once.
///
/// # Errors
/// See [`AdjustError`].
pub async fn adjust(
    db: &DatabaseConnection,
    id: AccountId,
    adjustment: Adjustment,
    (reference, why): (&str, Why<'_>),
    wall_now: Time,
) -> Result<Nanos, AdjustError> {
    why.check().map_err(|_| AdjustError::Reason)?;
    let txn = db.begin().await?;
    // Race: invoices and expiries of the account take from the same grants.
    let account = account::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(&txn).await?.ok_or(AdjustError::Unknown)?;
    let (now, key) = (account.now(wall_now), format!("operator:{id}:{reference}"));
    let change = match adjustment {
        Adjustment::Give { amount, kind, priority, expires_at } => {
            let gift = Gift { amount, kind, priority, expires_at, reason: why.reason };
            give_in(&txn, &account, gift, &key, now).await?.ok_or(AdjustError::Repeated)?;
            amount
        }
        Adjustment::Revoke { amount } => {
            revoke_in(&txn, &account, amount, (&key, why.reason), now).await?;
            Nanos(-amount.0)
        }
    };
    let detail = json!({ "amount": change.decimal(account.exponent()), "currency": account.currency, "reference": reference });
    why.note_in(&txn, id, ("credit.adjust", &id.to_string()), detail, wall_now).await?;
    let left = balance::Entity::credit_of(id).one(&txn).await?.ok_or(AdjustError::NoBalance)?.remaining();
    txn.commit().await?;
    Ok(left)
}

/// `None` when the reference was used before.
async fn give_in(
    txn: &DatabaseTransaction,
    account: &account::Model,
    gift: Gift<'_>,
    reference: &str,
    now: Time,
) -> Result<Option<credit_grant::Model>, AdjustError> {
    if gift.amount.0 <= 0 {
        return Err(AdjustError::Nothing);
    }
    if gift.expires_at.is_some_and(|end| end <= now) {
        return Err(AdjustError::Expiry);
    }
    let Gift { amount, kind, priority, expires_at, reason } = gift;
    // Paid credit that no checkout brought came by a transfer.
    let source = match kind {
        Kind::Paid => ((None, Code::Cash), "credit.transfer"),
        Kind::Promotional => ((None, Code::Promotion), "promotion"),
    };
    let new = NewGrant { kind, reference, amount, priority, expires_at, reason, source };
    match grant_new_in(txn, account, new, now).await {
        Err(DbErr::RecordNotUpdated) => Err(AdjustError::NoBalance),
        other => Ok(other?),
    }
}

/// Takes credit back that is not spent, from the grants that would be burnt last.
async fn revoke_in(
    txn: &DatabaseTransaction,
    account: &account::Model,
    amount: Nanos,
    (reference, reason): (&str, &str),
    now: Time,
) -> Result<(), AdjustError> {
    if amount.0 <= 0 {
        return Err(AdjustError::Nothing);
    }
    let gone = revoke::revoke_in(txn, account.id, amount, reason, now).await?;
    if gone < amount {
        return Err(AdjustError::TooMuch(gone.decimal(account.exponent())));
    }
    let booking = Booking {
        kind: "credit.revocation",
        reference,
        debit: (Some(account.id), Code::Credit),
        credit: (None, Code::Adjustment),
        currency: &account.currency,
        amount,
        at: now,
    };
    if ledger::post_in(txn, booking).await? { Ok(()) } else { Err(AdjustError::Repeated) }
}
