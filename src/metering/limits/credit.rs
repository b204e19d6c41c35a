//! Taking credit away under the lock of its balance.

use entity::balance;
use entity::ids::{AccountId, BalanceId};
use entity::money::Nanos;
use sea_orm::{DatabaseTransaction, DbErr};

use super::table;

/// Locks the credit of an account, ends the leases on it, and says what is not spent. Calls in flight are admitted anew, so
/// that what is then taken away is no call's any more. Run it in a transaction that commits soon.
///
/// # Errors
/// When the database refuses.
pub async fn lock_credit_in(txn: &DatabaseTransaction, account: AccountId) -> Result<Nanos, DbErr> {
    let credit = BalanceId(account.0);
    table::lock_in(txn, credit).await?;
    table::void_in(txn, credit).await?;
    let row = balance::Entity::credit_of(account).one(txn).await?.ok_or_else(|| DbErr::RecordNotFound(format!("credit of {account}")))?;
    Ok(row.remaining())
}
