//! Whether all books say the same: events = rollups = counters = balances = credit = ledger = invoices, per account.

use entity::ids::AccountId;
use sea_orm::{
    AccessMode, ConnectionTrait as _, DatabaseConnection, DbErr, FromQueryResult, IsolationLevel, Statement, TransactionTrait as _,
};

/// A number that is not what the other books say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub account: AccountId,
    /// The table whose number it is.
    pub table: &'static str,
    /// Which row, and which of its numbers.
    pub what: String,
    pub expected: i64,
    pub found: i64,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { account, table, what, expected, found } = self;
        write!(f, "{account}: {table}, {what}: expected {expected}, found {found}")
    }
}

/// The tables that are compared, in the order in which their differences are named, each with its query. All take `$1`, an
/// account or NULL for every one, and give rows of `account_id, what, expected, found` where these differ.
const CHECKS: [(&str, &str); 8] = [
    (
        "usage_rollup",
        "SELECT account_id, format('hour %s, key %s, model %s: nanos', hour, key_id, model) AS what,
                coalesce(e.amount, 0) AS expected, coalesce(r.amount_nanos, 0) AS found
         FROM (SELECT account_id, period_id, price_id, key_id, model, hour,
                      sum(events)::bigint AS events, sum(quantity)::bigint AS quantity, sum(amount)::bigint AS amount
               FROM (SELECT account_id, period_id, price_id, key_id, model, date_trunc('hour', at, 'UTC') AS hour,
                            count(*) AS events, sum(quantity) AS quantity, sum(amount_nanos) AS amount
                     FROM usage_event WHERE $1::uuid IS NULL OR account_id = $1 GROUP BY 1, 2, 3, 4, 5, 6
                     UNION ALL
                     -- What the events of archived months come to: `lensmeter archive verify` compares it with their files.
                     SELECT account_id, period_id, price_id, key_id, model, hour, events, quantity, amount_nanos
                     FROM usage_archived WHERE $1::uuid IS NULL OR account_id = $1) everywhere
               GROUP BY 1, 2, 3, 4, 5, 6) e
         FULL JOIN (SELECT * FROM usage_rollup WHERE $1::uuid IS NULL OR account_id = $1) r
              USING (account_id, period_id, price_id, key_id, model, hour)
         WHERE (e.events, e.quantity, e.amount) IS DISTINCT FROM (r.events, r.quantity, r.amount_nanos)",
    ),
    (
        "usage_counter",
        "SELECT p.account_id, format('price %s in period %s: quantity', price_id, p.id) AS what,
                coalesce(r.quantity, 0) AS expected, coalesce(c.quantity, 0) AS found
         FROM (SELECT period_id, price_id, sum(quantity)::bigint AS quantity FROM usage_rollup
               WHERE $1::uuid IS NULL OR account_id = $1 GROUP BY 1, 2) r
         FULL JOIN (SELECT c.* FROM usage_counter c JOIN period p ON p.id = c.period_id WHERE $1::uuid IS NULL OR p.account_id = $1) c
              USING (period_id, price_id)
         JOIN period p ON p.id = period_id
         WHERE coalesce(r.quantity, 0) <> coalesce(c.quantity, 0)",
    ),
    (
        "balance",
        "SELECT b.account_id, format('%s %s from %s: debits', b.scope, b.scope_id, b.window_start) AS what,
                spent.amount AS expected, b.debits AS found
         FROM balance b, LATERAL (
             SELECT coalesce(sum(amount_nanos), 0)::bigint AS amount FROM usage_rollup r WHERE r.account_id = b.account_id
             AND CASE b.scope WHEN 'credit' THEN true WHEN 'period' THEN r.period_id = b.scope_id
                 ELSE r.key_id = b.scope_id AND r.hour >= b.window_start AND r.hour < b.window_start
                      + CASE b.scope WHEN 'day' THEN interval '1 day' WHEN 'week' THEN interval '7 days' ELSE interval '1 month' END END
         ) spent
         WHERE ($1::uuid IS NULL OR b.account_id = $1) AND spent.amount <> b.debits",
    ),
    (
        "lease",
        "SELECT b.account_id, format('%s %s from %s: held', b.scope, b.scope_id, b.window_start) AS what,
                b.held AS expected, least(coalesce(sum(l.amount - l.used), 0), 9223372036854775807)::bigint AS found
         FROM balance b LEFT JOIN lease l ON l.balance_id = b.id
         WHERE $1::uuid IS NULL OR b.account_id = $1 GROUP BY b.id HAVING b.held <> coalesce(sum(l.amount - l.used), 0)",
    ),
    (
        "credit_grant",
        "SELECT b.account_id, 'granted, of the credits of its balance' AS what,
                b.credits AS expected, granted.nanos - gone.nanos + given_back.nanos AS found
         FROM balance b,
              LATERAL (SELECT coalesce(sum(amount_nanos), 0)::bigint AS nanos FROM credit_grant WHERE account_id = b.account_id) granted,
              LATERAL (SELECT coalesce(sum(amount_nanos), 0)::bigint AS nanos FROM credit_movement
                       WHERE account_id = b.account_id AND kind IN ('expiry', 'revocation')) gone,
              -- What volume prices gave back of debited usage.
              LATERAL (SELECT coalesce(-sum(l.exact_nanos), 0)::bigint AS nanos FROM invoice_line l JOIN invoice i ON i.id = l.invoice_id
                       WHERE i.account_id = b.account_id AND i.document_state <> 'void' AND l.kind = 'volume') given_back
         WHERE b.scope = 'credit' AND ($1::uuid IS NULL OR b.account_id = $1)
           AND b.credits <> granted.nanos - gone.nanos + given_back.nanos",
    ),
    (
        "transfer",
        "SELECT a.id AS account_id, 'credit that no invoice has burnt, of its grants' AS what,
                grants.nanos AS expected, booked.nanos AS found
         FROM account a,
              LATERAL (SELECT coalesce(sum(remaining_nanos), 0)::bigint AS nanos FROM credit_grant WHERE account_id = a.id) grants,
              LATERAL (SELECT coalesce(sum(CASE l.id WHEN t.credit_account_id THEN t.amount_nanos ELSE -t.amount_nanos END), 0)::bigint
                              AS nanos
                       FROM ledger_account l JOIN transfer t ON l.id IN (t.credit_account_id, t.debit_account_id)
                       WHERE l.account_id = a.id AND l.code = 'credit') booked
         WHERE ($1::uuid IS NULL OR a.id = $1) AND grants.nanos <> booked.nanos",
    ),
    (
        "invoice_line",
        "SELECT i.account_id, format('invoice %s: nanos of usage', i.number) AS what, used.nanos AS expected, billed.nanos AS found
         FROM invoice i,
              LATERAL (SELECT coalesce(sum(amount_nanos), 0)::bigint AS nanos FROM usage_rollup
                       WHERE account_id = i.account_id AND period_id = i.period_id) used,
              LATERAL (SELECT coalesce(sum(exact_nanos), 0)::bigint AS nanos FROM invoice_line
                       WHERE invoice_id = i.id AND kind = 'usage') billed
         WHERE i.document_state <> 'void' AND ($1::uuid IS NULL OR i.account_id = $1) AND used.nanos <> billed.nanos",
    ),
    (
        "idempotency",
        "SELECT i.account_id, format('key %s: events', i.key) AS what, 1::bigint AS expected, 0::bigint AS found
         FROM idempotency i LEFT JOIN usage_event e ON e.account_id = i.account_id AND e.id = i.event_id
         WHERE ($1::uuid IS NULL OR i.account_id = $1) AND i.event_id IS NOT NULL AND e.id IS NULL",
    ),
];

/// The tables that [`differences`] compares.
pub fn tables() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().map(|(table, _)| *table)
}

/// The first difference of each account that has one; of one account when it is given. All of it is read in one snapshot, so
/// calls that are committed meanwhile do not matter.
///
/// # Errors
/// When the database refuses.
pub async fn differences(db: &DatabaseConnection, account: Option<AccountId>) -> Result<Vec<Difference>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        account_id: AccountId,
        what: String,
        expected: i64,
        found: i64,
    }
    let txn = db.begin_with_config(Some(IsolationLevel::RepeatableRead), Some(AccessMode::ReadOnly)).await?;
    // Before the snapshot is taken: a month that is being archived is then whole in its partition, or whole in the archive.
    txn.execute_unprepared("LOCK TABLE usage_event IN ACCESS SHARE MODE").await?;
    let mut differences = Vec::<Difference>::new();
    for (table, query) in CHECKS {
        let first = format!("SELECT DISTINCT ON (account_id) * FROM ({query}) differing ORDER BY account_id, what");
        let statement = Statement::from_sql_and_values(txn.get_database_backend(), first, [account.map(|id| id.0).into()]);
        for Row { account_id, what, expected, found } in Row::find_by_statement(statement).all(&txn).await? {
            if differences.iter().all(|known| known.account != account_id) {
                differences.push(Difference { account: account_id, table, what, expected, found });
            }
        }
    }
    txn.rollback().await?;
    Ok(differences)
}
