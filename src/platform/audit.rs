//! The audit log: who did what, and why. Written in the transaction of the act, so that there is no act without its entry.

use entity::ids::{AccountId, AuditId};
use entity::{Time, audit_log};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait as _};
use serde_json::Value;

/// Who acts when the payment provider tells of something.
pub const PROVIDER: &str = "provider";
/// Who acts on behalf of the installation.
pub const OPERATOR: &str = "operator";

/// One act.
#[derive(Debug, Clone)]
pub struct Act<'a> {
    pub account: Option<AccountId>,
    /// [`OPERATOR`], or a member's id.
    pub actor: &'a str,
    /// Such as `credit.adjust`.
    pub action: &'a str,
    /// What was acted on: the outside form of its id.
    pub subject: &'a str,
    pub reason: &'a str,
    /// What else there is to know: amounts, numbers.
    pub detail: Value,
}

/// Writes an act down.
///
/// # Errors
/// When the database refuses.
pub async fn note_in(txn: &impl ConnectionTrait, act: Act<'_>, now: Time) -> Result<(), DbErr> {
    let row = audit_log::ActiveModel {
        id: Set(AuditId::new()),
        account_id: Set(act.account),
        actor: Set(act.actor.into()),
        action: Set(act.action.into()),
        subject: Set(act.subject.into()),
        reason: Set(act.reason.into()),
        detail: Set(act.detail),
        at: Set(now),
    };
    audit_log::Entity::insert(row).exec_without_returning(txn).await.map(|_| ())
}
