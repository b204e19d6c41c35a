//! The books. Every transfer has a debit and a credit, so the sum over all accounts is always zero; a transfer is keyed by
//! the business fact it books, so booking it again changes nothing.

use entity::Time;
use entity::ids::{AccountId, LedgerAccountId, TransferId};
use entity::ledger_account::{self, Code};
use entity::money::Nanos;
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, FromQueryResult, QueryFilter as _, Statement};

/// A ledger account: of a customer, or ours (`None`).
pub type Side = (Option<AccountId>, Code);

/// A business fact to book. An amount below zero is booked the other way round, one of zero not at all.
#[derive(Debug, Clone)]
pub struct Booking<'a> {
    /// What happened: `topup`, `invoice.revenue`, …
    pub kind: &'a str,
    /// Which one: with `kind`, the key under which it is booked at most once.
    pub reference: &'a str,
    pub debit: Side,
    pub credit: Side,
    pub currency: &'a str,
    pub amount: Nanos,
    pub at: Time,
}

/// Books a fact. False when it was booked before, or has no amount.
///
/// # Errors
/// When the database refuses.
pub async fn post_in(txn: &impl ConnectionTrait, booking: Booking<'_>) -> Result<bool, DbErr> {
    let (debit, credit) = if booking.amount.0 < 0 { (booking.credit, booking.debit) } else { (booking.debit, booking.credit) };
    if booking.amount.0 == 0 {
        return Ok(false);
    }
    let amount = booking.amount.0.checked_abs().ok_or_else(|| DbErr::Custom(format!("{}: the amount does not fit", booking.kind)))?;
    let debit = side_in(txn, debit, booking.currency).await?;
    let credit = side_in(txn, credit, booking.currency).await?;
    let statement = Statement::from_sql_and_values(
        txn.get_database_backend(),
        "INSERT INTO transfer (id, kind, reference, debit_account_id, credit_account_id, amount_nanos, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kind, reference) DO NOTHING",
        [
            TransferId::new().0.into(),
            booking.kind.into(),
            booking.reference.into(),
            debit.0.into(),
            credit.0.into(),
            amount.into(),
            booking.at.into(),
        ],
    );
    Ok(txn.execute_raw(statement).await?.rows_affected() == 1)
}

/// Finds or opens a ledger account.
async fn side_in(txn: &impl ConnectionTrait, side: Side, currency: &str) -> Result<LedgerAccountId, DbErr> {
    if let Some(id) = find(txn, side, currency).await? {
        return Ok(id);
    }
    // Two transactions that open the same account: the second waits for the first and then finds its row.
    let statement = Statement::from_sql_and_values(
        txn.get_database_backend(),
        "INSERT INTO ledger_account (id, account_id, code, currency) VALUES ($1, $2, $3, $4)
         ON CONFLICT (account_id, code, currency) DO NOTHING",
        [LedgerAccountId::new().0.into(), side.0.map(|id| id.0).into(), side.1.as_str().into(), currency.into()],
    );
    txn.execute_raw(statement).await?;
    find(txn, side, currency).await?.ok_or_else(|| DbErr::RecordNotFound(format!("ledger account {}", side.1.as_str())))
}

async fn find(db: &impl ConnectionTrait, (owner, code): Side, currency: &str) -> Result<Option<LedgerAccountId>, DbErr> {
    let mut query =
        ledger_account::Entity::find().filter(ledger_account::Column::Code.eq(code)).filter(ledger_account::Column::Currency.eq(currency));
    query = match owner {
        Some(owner) => query.filter(ledger_account::Column::AccountId.eq(owner)),
        None => query.filter(ledger_account::Column::AccountId.is_null()),
    };
    Ok(query.one(db).await?.map(|row| row.id))
}

/// One line of the trial balance.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Balance {
    /// `None`: ours.
    pub account_id: Option<AccountId>,
    pub code: Code,
    pub currency: String,
    /// Debits minus credits. Over all lines of a currency the sum is zero.
    pub nanos: Nanos,
}

/// Debits minus credits of every ledger account.
///
/// # Errors
/// When the database refuses.
pub async fn trial_balance(db: &impl ConnectionTrait) -> Result<Vec<Balance>, DbErr> {
    let statement = Statement::from_string(
        db.get_database_backend(),
        "SELECT l.account_id, l.code, l.currency,
                (COALESCE((SELECT sum(amount_nanos) FROM transfer WHERE debit_account_id = l.id), 0)
               - COALESCE((SELECT sum(amount_nanos) FROM transfer WHERE credit_account_id = l.id), 0))::bigint AS nanos
         FROM ledger_account l ORDER BY l.currency, l.account_id NULLS FIRST, l.code",
    );
    Balance::find_by_statement(statement).all(db).await
}

/// Debits minus credits of one ledger account; zero when nothing was ever booked there.
///
/// # Errors
/// When the database refuses.
pub async fn balance_of(db: &impl ConnectionTrait, owner: Option<AccountId>, code: Code) -> Result<Nanos, DbErr> {
    let lines = trial_balance(db).await?;
    Ok(Nanos(lines.iter().filter(|line| line.account_id == owner && line.code == code).map(|line| line.nanos.0).sum()))
}
