//! What became of an account's credit, line by line, with the balance behind each: what a customer reads.

use entity::ids::AccountId;
use entity::money::Nanos;
use entity::{Time, account, balance};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, FromQueryResult, Statement};

/// A line of the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub at: Time,
    pub what: What,
    /// In the words of whoever did it, or the number of the invoice; may be empty.
    pub note: String,
    /// Above zero what came, below what went.
    pub amount: Nanos,
    /// Behind this entry.
    pub balance: Nanos,
    /// Of what came: when what is left of it is lost.
    pub expires_at: Option<Time>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A top-up.
    Paid,
    /// A gift.
    Promotional,
    /// Usage that an invoice settled.
    Used,
    /// The invoice was withdrawn.
    Returned,
    Expired,
    Revoked,
    /// Usage that is on no invoice yet.
    Unbilled,
}

impl What {
    /// The name as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "top_up",
            Self::Promotional => "gift",
            Self::Used => "usage",
            Self::Returned => "return",
            Self::Expired => "expiry",
            Self::Revoked => "revocation",
            Self::Unbilled => "unbilled_usage",
        }
    }
}

#[derive(FromQueryResult)]
struct Row {
    at: Time,
    what: String,
    note: String,
    amount: i64,
    expires_at: Option<Time>,
}

/// The statement of an account, oldest first; the last balance is what is left to spend.
///
/// # Errors
/// When the database refuses, or a sum does not fit.
pub async fn statement(db: &DatabaseConnection, account: &account::Model, now: Time) -> Result<Vec<Entry>, DbErr> {
    let mut entries = Vec::new();
    let mut sum = Nanos(0);
    for row in rows(db, account.id).await? {
        let amount = Nanos(row.amount);
        sum = sum.checked_add(amount).map_err(|error| DbErr::Custom(error.to_string()))?;
        let what = match row.what.as_str() {
            "paid" => What::Paid,
            "promotional" => What::Promotional,
            "burn" => What::Used,
            "return" => What::Returned,
            "expiry" => What::Expired,
            _ => What::Revoked,
        };
        entries.push(Entry { at: row.at, what, note: row.note, amount, balance: sum, expires_at: row.expires_at });
    }
    let left = balance::Entity::credit_of(account.id).one(db).await?.map(|balance| balance.remaining()).unwrap_or_default();
    let unbilled = left.checked_sub(sum).map_err(|error| DbErr::Custom(error.to_string()))?;
    if unbilled.0 != 0 {
        entries.push(Entry { at: now, what: What::Unbilled, note: String::new(), amount: unbilled, balance: left, expires_at: None });
    }
    Ok(entries)
}

/// Grants, and movements summed by what they belong to: an invoice that took from three grants is one line.
async fn rows(db: &impl ConnectionTrait, account: AccountId) -> Result<Vec<Row>, DbErr> {
    let statement = "SELECT created_at AS at, kind AS what, reason AS note, amount_nanos AS amount, expires_at, id AS place
                     FROM credit_grant WHERE account_id = $1
                     UNION ALL
                     SELECT m.at, m.kind, coalesce(i.number, m.reason),
                            (sum(m.amount_nanos) * CASE m.kind WHEN 'return' THEN 1 ELSE -1 END)::bigint, NULL, (array_agg(m.id ORDER BY m.id))[1]
                     FROM credit_movement m LEFT JOIN invoice i ON i.id = m.invoice_id
                     WHERE m.account_id = $1 GROUP BY m.at, m.kind, i.number, m.reason
                     ORDER BY at, place";
    let statement = Statement::from_sql_and_values(db.get_database_backend(), statement, [account.0.into()]);
    Row::find_by_statement(statement).all(db).await
}
