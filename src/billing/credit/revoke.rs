//! Credit that is taken back: by an operator, or with the top-up that brought it.

use entity::credit_movement::Kind as Movement;
use entity::ids::AccountId;
use entity::money::Nanos;
use entity::{Time, balance};
use sea_orm::{DatabaseTransaction, DbErr};

use super::{burn, raise_in};
use crate::metering::limits;

/// What can still be spent: what is left and not frozen by a dispute. Locks the balance, so that no call holds any of it.
///
/// # Errors
/// When the database refuses.
pub(in crate::billing) async fn spendable_in(txn: &DatabaseTransaction, account: AccountId) -> Result<Nanos, DbErr> {
    let left = limits::lock_credit_in(txn, account).await?;
    let frozen = balance::Entity::credit_of(account).one(txn).await?.map(|balance| balance.frozen()).unwrap_or_default();
    Ok(Nanos((left.0 - frozen.0).max(0)))
}

/// Takes up to `amount` back of what can still be spent, from the grants that would be burnt last, and lowers the balance.
/// Returns what was taken. The caller books it: each for its own reason.
///
/// # Errors
/// When the database refuses.
pub(in crate::billing) async fn revoke_in(
    txn: &DatabaseTransaction,
    account: AccountId,
    amount: Nanos,
    reason: &str,
    at: Time,
) -> Result<Nanos, DbErr> {
    // The grants before the balance, as everybody does.
    let mut grants = burn::lock_in(txn, account, at).await?;
    let free = spendable_in(txn, account).await?;
    grants.reverse();
    let taken = burn::plan(&grants, amount.min(free));
    for part in &taken {
        burn::change_in(txn, part.grant, Nanos(-part.amount.0)).await?;
        burn::note_in(txn, account, part, (Movement::Revocation, None, reason), at).await?;
    }
    let gone = burn::sum(&taken).map_err(|error| DbErr::Custom(error.to_string()))?;
    raise_in(txn, account, Nanos(-gone.0)).await?;
    Ok(gone)
}
