//! The books.

use entity::money::{Nanos, exponent};
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::Tag;
use super::gate::Operator;
use crate::app::App;
use crate::billing::ledger;
use crate::web::json::problem::Problem;

pub struct LedgerApi;

/// Every ledger account with its balance.
#[derive(Debug, Object)]
pub struct TrialBalance {
    /// True when debits and credits are equal, as they must be at every instant.
    pub balanced: bool,
    /// Ours first, then those of customers.
    pub data: Vec<LedgerAccount>,
}

/// One ledger account.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct LedgerAccount {
    /// The customer it belongs to; ours have none.
    pub account: Option<String>,
    /// `cash`, `promotion`, `credit`, `receivable`, `revenue` or `rounding`.
    pub code: String,
    /// Its currency.
    pub currency: String,
    /// Debits minus credits, exact, as a decimal text.
    pub balance: String,
}

#[OpenApi(prefix_path = "/admin/v1", tag = "Tag::Ledger")]
impl LedgerApi {
    /// Show the trial balance
    ///
    /// Every ledger account; in each currency they add up to zero.
    #[oai(path = "/ledger/trial-balance", method = "get", operation_id = "getTrialBalance")]
    async fn trial_balance(&self, _operator: Operator, app: Data<&App>) -> Result<Json<TrialBalance>, Problem> {
        let rows = ledger::trial_balance(&app.db).await?;
        let mut sums = std::collections::BTreeMap::new();
        for row in &rows {
            *sums.entry(row.currency.clone()).or_insert(0i128) += i128::from(row.nanos.0);
        }
        let shown = |row: ledger::Balance| LedgerAccount {
            account: row.account_id.map(|id| id.to_string()),
            code: row.code.as_str().to_owned(),
            balance: Nanos(row.nanos.0).decimal(exponent(&row.currency)),
            currency: row.currency,
        };
        Ok(Json(TrialBalance { balanced: sums.values().all(|sum| *sum == 0), data: rows.into_iter().map(shown).collect() }))
    }
}
