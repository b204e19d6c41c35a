//! Credit: granted by top-ups and gifts, spent as usage happens, burnt from its grants when a period is invoiced.

use entity::account;
use entity::credit_grant::{self, Kind};
use entity::ids::{AccountId, BalanceId, GrantId};
use entity::ledger_account::Code;
use entity::money::Nanos;
use entity::{Time, balance};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::ledger::{self, Booking};

/// Grants credit: the grant, its ledger transfer and the higher balance, together in the caller's transaction.
/// False when this `reference` was granted before: nothing is then changed.
///
/// # Errors
/// When the database refuses, as it does when the account has no balance row yet.
pub async fn grant_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    kind: Kind,
    reference: &str,
    amount: Nanos,
    at: Time,
) -> Result<bool, DbErr> {
    let grant = credit_grant::ActiveModel {
        id: Set(GrantId::new()),
        account_id: Set(account.id),
        kind: Set(kind),
        reference: Set(reference.into()),
        amount_nanos: Set(amount),
        remaining_nanos: Set(amount),
        created_at: Set(at),
    };
    // The unique key (kind, reference) decides between two deliveries of the same payment.
    let conflict = OnConflict::columns([credit_grant::Column::Kind, credit_grant::Column::Reference]).do_nothing().to_owned();
    if credit_grant::Entity::insert(grant).on_conflict(conflict).exec_without_returning(txn).await? == 0 {
        return Ok(false);
    }
    let (booked_as, source) = match kind {
        Kind::Paid => ("topup", Code::Cash),
        Kind::Promotional => ("promotion", Code::Promotion),
    };
    ledger::post_in(
        txn,
        Booking {
            kind: booked_as,
            reference,
            debit: (None, source),
            credit: (Some(account.id), Code::Credit),
            currency: &account.currency,
            amount,
            at,
        },
    )
    .await?;
    raise_in(txn, account.id, amount).await?;
    Ok(true)
}

async fn raise_in(txn: &impl ConnectionTrait, account: AccountId, amount: Nanos) -> Result<(), DbErr> {
    let raised = balance::Entity::update_many()
        .col_expr(balance::Column::Credits, Expr::cust_with_values("credits + $1", [amount]))
        .filter(balance::Column::Id.eq(BalanceId(account.0)))
        .exec(txn)
        .await?;
    if raised.rows_affected == 1 { Ok(()) } else { Err(DbErr::RecordNotUpdated) }
}

/// Takes up to `amount` from the account's grants, promotional first, then the oldest, and returns what was taken.
/// The balance is not touched: it was debited when the usage happened.
///
/// # Errors
/// When the database refuses.
pub async fn burn_in(txn: &impl ConnectionTrait, account: AccountId, amount: Nanos) -> Result<Nanos, DbErr> {
    // Locked: two invoices of one account take from the same grants one after the other.
    let grants = credit_grant::Entity::of(account)
        .filter(credit_grant::Column::RemainingNanos.gt(Nanos(0)))
        .order_by_asc(Expr::cust("kind = 'paid'"))
        .order_by_asc(credit_grant::Column::Id)
        .lock_exclusive()
        .all(txn)
        .await?;
    let mut open = amount.0;
    for grant in grants {
        let taken = open.min(grant.remaining_nanos.0);
        if taken <= 0 {
            break;
        }
        open -= taken;
        let change = credit_grant::ActiveModel {
            id: Set(grant.id),
            remaining_nanos: Set(Nanos(grant.remaining_nanos.0 - taken)),
            ..Default::default()
        };
        credit_grant::Entity::update(change).exec(txn).await?;
    }
    Ok(Nanos(amount.0 - open))
}

/// What the grants still hold: credit that no invoice has burnt.
///
/// # Errors
/// When the database refuses.
pub async fn unburnt(db: &impl ConnectionTrait, account: AccountId) -> Result<Nanos, DbErr> {
    let grants = credit_grant::Entity::of(account).filter(credit_grant::Column::RemainingNanos.gt(Nanos(0))).all(db).await?;
    Ok(Nanos(grants.iter().map(|grant| grant.remaining_nanos.0).sum()))
}

/// Whether the account had bought credit before `until`: from then on it is no trial and the base fee is due.
///
/// # Errors
/// When the database refuses.
pub async fn had_paid_before(db: &impl ConnectionTrait, account: AccountId, until: Time) -> Result<bool, DbErr> {
    let first = credit_grant::Entity::of(account)
        .filter(credit_grant::Column::Kind.eq(Kind::Paid))
        .filter(credit_grant::Column::CreatedAt.lt(until))
        .limit(1)
        .one(db)
        .await?;
    Ok(first.is_some())
}
