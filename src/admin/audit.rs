//! The audit log.

use chrono::{DateTime, Utc};
use entity::audit_log;
use entity::ids::AuditId;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::Any;
use poem_openapi::{Object, OpenApi};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use super::Tag;
use super::accounts::ListObject;
use super::gate::Operator;
use crate::app::App;
use crate::web::json::problem::{Code, Problem};

pub struct AuditApi;

/// Acts, newest first.
#[derive(Debug, Object)]
pub struct AuditList {
    /// Always `list`.
    pub object: ListObject,
    /// At most 100.
    pub data: Vec<AuditEntry>,
    /// True when there are more than these.
    pub has_more: bool,
}

/// Who did what, and why.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct AuditEntry {
    /// `aud_…`
    pub id: String,
    /// The account it was about.
    pub account: Option<String>,
    /// `operator`, or `operator:` and the name of who acted from the command line.
    pub actor: String,
    /// Such as `credit.adjust`.
    pub action: String,
    /// What was acted on.
    pub subject: String,
    /// In the actor's own words.
    pub reason: String,
    /// What else there is to know.
    pub detail: Any<serde_json::Value>,
    /// When, by the wall clock.
    pub at: DateTime<Utc>,
}

#[OpenApi(prefix_path = "/admin/v1", tag = "Tag::Billing")]
impl AuditApi {
    /// Read the audit log
    ///
    /// Newest first; of one account when it is given.
    #[oai(path = "/audit", method = "get", operation_id = "listAuditLog")]
    async fn list(
        &self,
        _operator: Operator,
        app: Data<&App>,
        /// `acct_…`
        account: Query<Option<String>>,
        /// Continue behind this entry.
        after: Query<Option<String>>,
    ) -> Result<Json<AuditList>, Problem> {
        let mut query = match account.0 {
            Some(id) => audit_log::Entity::of(super::credit::find(&app, &id).await?.id),
            None => audit_log::Entity::find(),
        };
        if let Some(after) = after.0 {
            let after: AuditId = after.parse().map_err(|_| Problem::field(Code::InvalidField, "after", "expected the id of an entry"))?;
            query = query.filter(audit_log::Column::Id.lt(after));
        }
        let mut rows = query.order_by_desc(audit_log::Column::Id).limit(101).all(&app.db).await?;
        let has_more = rows.len() > 100;
        rows.truncate(100);
        let shown = |row: audit_log::Model| AuditEntry {
            id: row.id.to_string(),
            account: row.account_id.map(|id| id.to_string()),
            actor: row.actor,
            action: row.action,
            subject: row.subject,
            reason: row.reason,
            detail: Any(row.detail),
            at: row.at,
        };
        Ok(Json(AuditList { object: ListObject::List, data: rows.into_iter().map(shown).collect(), has_more }))
    }
}
