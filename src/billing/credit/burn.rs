//! Burning: which grants pay for what. By priority, then what expires first, then the older.

use entity::credit_grant::{self, Kind};
use entity::credit_movement::{self, Kind as Movement};
use entity::ids::{AccountId, CreditMovementId, GrantId, InvoiceId};
use entity::money::{Nanos, Overflow};
use entity::{Time, invoice};
use sea_orm::sea_query::{Expr, NullOrdering};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, Order, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select,
};

/// What is taken from one grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    pub grant: GrantId,
    pub kind: Kind,
    pub amount: Nanos,
}

impl Taken {
    /// Whether it was given, not bought.
    pub fn is_gift(&self) -> bool {
        self.kind == Kind::Promotional
    }
}

/// The grants that hold something, in the order in which they are burnt. What a grant still holds after its time was used
/// before (see [`super::expire`]), so it goes first.
fn ordered(account: AccountId, at: Time) -> Select<credit_grant::Entity> {
    use credit_grant::Column::{EffectiveAt, ExpiresAt, Id, Priority, RemainingNanos};
    credit_grant::Entity::of(account)
        .filter(RemainingNanos.gt(Nanos(0)))
        .order_by_asc(Expr::cust_with_values("NOT coalesce(expires_at <= $1, false)", [at]))
        .order_by_asc(Priority)
        .order_by_with_nulls(ExpiresAt, Order::Asc, NullOrdering::Last)
        .order_by_asc(EffectiveAt)
        .order_by_asc(Id)
}

/// The grants of an account that hold something at `at`, in the order in which they are burnt.
///
/// # Errors
/// When the database refuses.
pub async fn grants(db: &impl ConnectionTrait, account: AccountId, at: Time) -> Result<Vec<credit_grant::Model>, DbErr> {
    ordered(account, at).all(db).await
}

/// The same, locked: two that take from the grants of an account do so one after the other.
///
/// # Errors
/// When the database refuses.
pub async fn lock_in(txn: &impl ConnectionTrait, account: AccountId, at: Time) -> Result<Vec<credit_grant::Model>, DbErr> {
    ordered(account, at).lock_exclusive().all(txn).await
}

/// Takes up to `amount` from grants in their order. Pure.
pub fn plan(grants: &[credit_grant::Model], amount: Nanos) -> Vec<Taken> {
    let mut open = amount.0;
    let mut taken = Vec::new();
    for grant in grants {
        let part = open.min(grant.remaining_nanos.0);
        if part > 0 {
            open -= part;
            taken.push(Taken { grant: grant.id, kind: grant.kind, amount: Nanos(part) });
        }
    }
    taken
}

/// # Errors
/// When the sum does not fit.
pub fn sum<'a>(taken: impl IntoIterator<Item = &'a Taken>) -> Result<Nanos, Overflow> {
    taken.into_iter().try_fold(Nanos(0), |sum, taken| sum.checked_add(taken.amount))
}

/// Takes what was planned, for an invoice. The balance is not touched: it was debited when the usage happened.
///
/// # Errors
/// When the database refuses, as it does when a grant holds less by now.
pub async fn burn_in(txn: &impl ConnectionTrait, invoice: &invoice::Model, taken: &[Taken], at: Time) -> Result<(), DbErr> {
    for part in taken {
        change_in(txn, part.grant, Nanos(-part.amount.0)).await?;
        note_in(txn, invoice.account_id, part, (Movement::Burn, Some(invoice.id), ""), at).await?;
    }
    Ok(())
}

/// Gives back what an invoice took. The balance is not touched: the usage stays used, and the next document takes it again.
///
/// # Errors
/// When the database refuses.
pub async fn return_in(txn: &impl ConnectionTrait, invoice: &invoice::Model, at: Time) -> Result<(), DbErr> {
    let burnt = credit_movement::Entity::of(invoice.account_id)
        .filter(credit_movement::Column::InvoiceId.eq(invoice.id))
        .filter(credit_movement::Column::Kind.eq(Movement::Burn));
    for movement in burnt.all(txn).await? {
        change_in(txn, movement.grant_id, movement.amount_nanos).await?;
        let part = Taken { grant: movement.grant_id, kind: Kind::Paid, amount: movement.amount_nanos };
        note_in(txn, invoice.account_id, &part, (Movement::Return, Some(invoice.id), ""), at).await?;
    }
    Ok(())
}

/// What the grant still holds changes by so much.
pub(in crate::billing) async fn change_in(txn: &impl ConnectionTrait, grant: GrantId, by: Nanos) -> Result<(), DbErr> {
    credit_grant::Entity::update_many()
        .col_expr(credit_grant::Column::RemainingNanos, Expr::cust_with_values("remaining_nanos + $1", [by]))
        .filter(credit_grant::Column::Id.eq(grant))
        .exec(txn)
        .await
        .map(|_| ())
}

pub(in crate::billing) async fn note_in(
    txn: &impl ConnectionTrait,
    account: AccountId,
    part: &Taken,
    (kind, invoice, reason): (Movement, Option<InvoiceId>, &str),
    at: Time,
) -> Result<CreditMovementId, DbErr> {
    let id = CreditMovementId::new();
    let row = credit_movement::ActiveModel {
        id: Set(id),
        account_id: Set(account),
        grant_id: Set(part.grant),
        kind: Set(kind),
        amount_nanos: Set(part.amount),
        invoice_id: Set(invoice),
        reason: Set(reason.into()),
        at: Set(at),
    };
    credit_movement::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(id)
}
