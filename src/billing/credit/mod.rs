//! Credit: granted by top-ups and gifts, spent as usage happens, burnt from its grants when a period is invoiced.

pub mod adjust;
pub mod burn;
pub mod expire;
pub(super) mod revoke;
pub mod statement;

use entity::account;
use entity::credit_grant::{self, Kind};
use entity::ids::{AccountId, BalanceId, GrantId};
use entity::ledger_account::Code;
use entity::money::Nanos;
use entity::{Time, balance};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use super::ledger::{self, Booking, Side};

/// Credit to be granted.
#[derive(Debug, Clone)]
pub struct NewGrant<'a> {
    pub kind: Kind,
    /// With the kind: the key under which it is granted at most once.
    pub reference: &'a str,
    pub amount: Nanos,
    /// Lower is burnt first. `None`: as is usual for its kind.
    pub priority: Option<i16>,
    /// From then on what is left of it is lost.
    pub expires_at: Option<Time>,
    /// Why an operator grants it; empty when the product does.
    pub reason: &'a str,
    /// The ledger account that it comes from, and what the transfer is called.
    pub source: (Side, &'a str),
}

/// Grants credit of the usual kind: the grant, its ledger transfer and the higher balance, together in the caller's
/// transaction. False when this `reference` was granted before: nothing is then changed.
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
    let source = match kind {
        Kind::Paid => ((None, Code::Cash), "topup"),
        Kind::Promotional => ((None, Code::Promotion), "promotion"),
    };
    let new = NewGrant { kind, reference, amount, priority: None, expires_at: None, reason: "", source };
    Ok(grant_new_in(txn, account, new, at).await?.is_some())
}

/// [`grant_in`] with all that may be said of a grant; `None` when it was granted before.
///
/// # Errors
/// As [`grant_in`], and when it would expire before it begins.
pub async fn grant_new_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    new: NewGrant<'_>,
    at: Time,
) -> Result<Option<credit_grant::Model>, DbErr> {
    let row = credit_grant::Model {
        id: GrantId::new(),
        account_id: account.id,
        kind: new.kind,
        reference: new.reference.into(),
        amount_nanos: new.amount,
        remaining_nanos: new.amount,
        created_at: at,
        priority: new.priority.unwrap_or(new.kind.priority()),
        effective_at: at,
        expires_at: new.expires_at,
        reason: new.reason.into(),
    };
    // The unique key (kind, reference) decides between two deliveries of the same payment.
    let conflict = OnConflict::columns([credit_grant::Column::Kind, credit_grant::Column::Reference]).do_nothing().to_owned();
    let insert = credit_grant::Entity::insert(credit_grant::ActiveModel::from(row.clone())).on_conflict(conflict);
    if insert.exec_without_returning(txn).await? == 0 {
        return Ok(None);
    }
    let (debit, kind) = new.source;
    let credit = (Some(account.id), Code::Credit);
    let booking = Booking { kind, reference: new.reference, debit, credit, currency: &account.currency, amount: new.amount, at };
    ledger::post_in(txn, booking).await?;
    raise_in(txn, account.id, new.amount).await?;
    Ok(Some(row))
}

/// Raises what the account may spend, or lowers it by an amount below zero.
///
/// # Errors
/// When the database refuses, as it does when more was spent or is held than would be left.
pub(super) async fn raise_in(txn: &impl ConnectionTrait, account: AccountId, amount: Nanos) -> Result<(), DbErr> {
    let raised = balance::Entity::update_many()
        .col_expr(balance::Column::Credits, Expr::cust_with_values("credits + $1", [amount]))
        .filter(balance::Column::Id.eq(BalanceId(account.0)))
        .exec(txn)
        .await?;
    if raised.rows_affected == 1 { Ok(()) } else { Err(DbErr::RecordNotUpdated) }
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
