//! Whether everything that we keep of an account's usage says the same.

use chrono::{DateTime, Utc};
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};

use super::Tag;
use super::auth::Key;
use crate::app::App;
use crate::auth::key::Scope;
use crate::billing::reconcile;
use crate::web::json::problem::Problem;

pub struct UsageReconcileApi;

/// What `object` says of a reconciliation.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum ReconciliationObject {
    /// A reconciliation.
    Reconciliation,
}

/// Whether the books of the account agree.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Reconciliation {
    /// Always `reconciliation`.
    pub object: ReconciliationObject,
    /// When it was looked at: every call that was answered before is in.
    pub as_of: DateTime<Utc>,
    /// True when all of them say the same.
    pub balanced: bool,
    /// What was compared, each with those before it.
    pub compared: Vec<String>,
    /// The first number that differs.
    pub difference: Option<Difference>,
}

/// A number that is not what the others say. Please tell us: it is a defect of ours.
#[derive(Debug, Object)]
pub struct Difference {
    /// Which of `compared` it is in.
    pub table: String,
    /// Which number.
    pub what: String,
    /// What the others say: nanos of the currency, or units.
    pub expected: i64,
    /// What it is.
    pub found: i64,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Usage")]
impl UsageReconcileApi {
    /// Reconcile usage
    ///
    /// Adds the account's events up anew and compares them with every sum that we keep: rollups, counters, balances, leases,
    /// credit, the ledger and invoices. Reads every event: meant for now and then. Needs the scope `usage`.
    #[oai(path = "/usage/reconcile", method = "get", operation_id = "reconcileUsage")]
    async fn reconcile(&self, key: Key, app: Data<&App>) -> Result<Json<Reconciliation>, Problem> {
        let account = &key.with(Scope::Usage)?.account;
        let as_of = app.clock.now();
        let difference = reconcile::differences(&app.db, Some(account.id)).await?.into_iter().next();
        if let Some(difference) = &difference {
            tracing::error!(billing.account = %account.id, "the books differ: {difference}");
        }
        Ok(Json(Reconciliation {
            object: ReconciliationObject::Reconciliation,
            as_of,
            balanced: difference.is_none(),
            compared: reconcile::tables().map(str::to_owned).collect(),
            difference: difference.map(|difference| Difference {
                table: difference.table.to_owned(),
                what: difference.what,
                expected: difference.expected,
                found: difference.found,
            }),
        }))
    }
}
