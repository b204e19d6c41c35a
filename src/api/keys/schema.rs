//! Keys as JSON.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::{account, api_key, former_secret};
use poem_openapi::types::MaybeUndefined;
use poem_openapi::{Enum, Object};

use crate::web::json::fields::{Fields, FromFields};
use crate::web::json::problem::Problem;

use super::budgets::{Budgets, BudgetsLeft};

/// What `object` says of a key.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum KeyObject {
    /// A key.
    Key,
}

/// An API key. The secret itself is only in the answer that made it.
#[derive(Debug, Object)]
#[oai(rename = "ApiKey", skip_serializing_if_is_none)]
pub struct ApiKey {
    /// `key_…`
    pub id: String,
    /// Always `key`.
    pub object: KeyObject,
    /// What people call it.
    pub name: String,
    /// What it may be used for: `infer`, `usage`, `keys`, `billing`.
    pub scopes: Vec<String>,
    /// The only models it may use. Without them: all.
    pub models: Option<Vec<String>>,
    /// The only networks it may be used from, in CIDR notation. Without them: anywhere.
    pub allowed_ips: Option<Vec<String>>,
    /// Calls it may make per minute, beside the limit of the account's plan.
    pub requests_per_minute: Option<i32>,
    /// What it may spend, and what is left of it. Only of a single key, not in lists.
    pub budgets: Option<BudgetsLeft>,
    /// Your own notes.
    pub metadata: BTreeMap<String, String>,
    /// The last characters of the secret, to tell keys apart.
    pub hint: String,
    /// `live` or `test`.
    pub mode: String,
    /// False once it is revoked or expired.
    pub active: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last used.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it stops working.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Old secrets that still work after a rotation. Only of a single key, not in lists.
    pub old_secrets: Option<Vec<OldSecret>>,
    /// The whole key. Shown once, in the answer that makes it.
    pub secret: Option<String>,
}

/// A secret that a rotation replaced.
#[derive(Debug, Object)]
pub struct OldSecret {
    /// Its last characters.
    pub hint: String,
    /// When it stops working.
    pub expires_at: DateTime<Utc>,
}

impl ApiKey {
    pub fn of(row: api_key::Model, account: &account::Model, now: DateTime<Utc>) -> Self {
        Self {
            id: row.id.to_string(),
            object: KeyObject::Key,
            scopes: row.scope_names(),
            models: row.model_names(),
            allowed_ips: row.network_names(),
            requests_per_minute: row.requests_per_minute,
            budgets: None,
            metadata: row.notes(),
            active: row.is_active(now),
            name: row.name,
            hint: row.hint,
            mode: account.mode.as_str().to_owned(),
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            old_secrets: None,
            secret: None,
        }
    }

    /// With old secrets that still work, when there are any.
    pub fn with_old(self, former: Vec<former_secret::Model>) -> Self {
        let old: Vec<_> = former.into_iter().map(|old| OldSecret { hint: old.hint, expires_at: old.expires_at }).collect();
        Self { old_secrets: (!old.is_empty()).then_some(old), ..self }
    }
}

/// A key to make. It gets nothing that the calling key lacks.
#[derive(Debug, Object)]
pub struct CreateKey {
    /// What people call it; at most 100 characters.
    #[oai(validator(min_length = 1, max_length = 100))]
    pub name: String,
    /// What it may be used for: some of `infer`, `usage`, `keys`, `billing`. Without them: `infer` and `usage`.
    pub scopes: Option<Vec<String>>,
    /// The only models it may use. Without them: all.
    pub models: Option<Vec<String>>,
    /// The only addresses and networks (`203.0.113.7`, `2001:db8::/32`) it may be used from. Without them: anywhere.
    pub allowed_ips: Option<Vec<String>>,
    /// When it stops working. Without it: never.
    pub expires_at: Option<DateTime<Utc>>,
    /// Calls it may make per minute, beside the limit of the account's plan.
    pub requests_per_minute: Option<u32>,
    /// What it may spend.
    pub budgets: Option<Budgets>,
    /// Your own notes: at most 20 texts of at most 500 characters.
    pub metadata: Option<BTreeMap<String, String>>,
}

impl FromFields for CreateKey {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self {
            name: fields.needed_text("name")?,
            scopes: optional(fields, "scopes", Fields::texts)?,
            models: optional(fields, "models", Fields::texts)?,
            allowed_ips: optional(fields, "allowed_ips", Fields::texts)?,
            expires_at: optional(fields, "expires_at", Fields::instant)?,
            requests_per_minute: optional(fields, "requests_per_minute", pace)?,
            budgets: Budgets::read(fields)?,
            metadata: optional(fields, "metadata", Fields::named_texts)?,
        })
    }
}

/// What is to change on a key. What is left out stays; `null` takes a limit away. It gets nothing that the calling key lacks.
#[derive(Debug, Object)]
pub struct UpdateKey {
    /// What people call it; at most 100 characters.
    pub name: Option<String>,
    /// What it may be used for: some of `infer`, `usage`, `keys`, `billing`.
    pub scopes: Option<Vec<String>>,
    /// The only models it may use.
    pub models: MaybeUndefined<Vec<String>>,
    /// The only addresses and networks (`203.0.113.7`, `2001:db8::/32`) it may be used from.
    pub allowed_ips: MaybeUndefined<Vec<String>>,
    /// When it stops working.
    pub expires_at: MaybeUndefined<DateTime<Utc>>,
    /// Calls it may make per minute, beside the limit of the account's plan.
    pub requests_per_minute: MaybeUndefined<u32>,
    /// What it may spend. Days, weeks and months that are left out stay as they are.
    pub budgets: Option<Budgets>,
    /// Your own notes: at most 20 texts of at most 500 characters. They replace those that are there.
    pub metadata: Option<BTreeMap<String, String>>,
}

impl FromFields for UpdateKey {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self {
            name: fields.text("name")?,
            scopes: fields.texts("scopes")?,
            models: nullable(fields, "models", Fields::texts)?,
            allowed_ips: nullable(fields, "allowed_ips", Fields::texts)?,
            expires_at: nullable(fields, "expires_at", Fields::instant)?,
            requests_per_minute: nullable(fields, "requests_per_minute", pace)?,
            budgets: Budgets::read(fields)?,
            // No notes and empty ones are the same.
            metadata: if fields.null("metadata") { Some(BTreeMap::new()) } else { fields.named_texts("metadata")? },
        })
    }
}

/// How a key gets a new secret.
#[derive(Debug, Object)]
pub struct RotateKey {
    /// For how many seconds every old secret still works: from 0, not at all, to 2592000, thirty days. Without it: 86400, a
    /// day.
    pub overlap: Option<i64>,
}

impl FromFields for RotateKey {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { overlap: fields.whole("overlap", 0, crate::auth::key::MAX_OVERLAP.num_seconds())? })
    }
}

fn pace(fields: &mut Fields, name: &str) -> Result<Option<u32>, Problem> {
    // Within 32 bits by its bounds.
    Ok(fields.whole(name, 1, 1_000_000)?.map(|pace| pace as u32))
}

/// A field that may be left out, which `null` says too.
fn optional<T>(
    fields: &mut Fields,
    name: &str,
    read: impl FnOnce(&mut Fields, &str) -> Result<Option<T>, Problem>,
) -> Result<Option<T>, Problem> {
    if fields.null(name) { Ok(None) } else { read(fields, name) }
}

/// A field that stays when it is left out, and goes with `null`.
pub fn nullable<T>(
    fields: &mut Fields,
    name: &str,
    read: impl FnOnce(&mut Fields, &str) -> Result<Option<T>, Problem>,
) -> Result<MaybeUndefined<T>, Problem> {
    if fields.null(name) {
        return Ok(MaybeUndefined::Null);
    }
    Ok(read(fields, name)?.map_or(MaybeUndefined::Undefined, MaybeUndefined::Value))
}

/// As domains say it: left out, taken away, or set.
pub fn change<T>(field: MaybeUndefined<T>) -> Option<Option<T>> {
    match field {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}
