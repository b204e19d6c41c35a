//! API keys: the one in hand, and managing all of them.

use chrono::{DateTime, Utc};
use entity::api_key;
use entity::ids::KeyId;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};
use sea_orm::{ColumnTrait as _, QueryFilter as _, TransactionTrait as _};

use super::Tag;
use super::auth::Key;
use super::paging::{Cursor, List};
use crate::app::App;
use crate::auth::key::{self, CreateKeyError, Scope};
use crate::web::json::fields::{Fields, FromFields, JsonBody};
use crate::web::json::problem::{Code, Problem};

pub struct KeysApi;

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
    /// The whole key. Shown once, in the answer that makes it.
    pub secret: Option<String>,
}

impl ApiKey {
    fn of(row: api_key::Model, mode: &str, now: DateTime<Utc>) -> Self {
        Self {
            id: row.id.to_string(),
            object: KeyObject::Key,
            scopes: row.scope_names(),
            name: row.name,
            hint: row.hint,
            mode: mode.to_owned(),
            active: row.revoked_at.is_none() && row.expires_at.is_none_or(|end| now < end),
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            secret: None,
        }
    }
}

/// A key to make.
#[derive(Debug, Object)]
pub struct CreateKey {
    /// What people call it; at most 100 characters.
    #[oai(validator(min_length = 1, max_length = 100))]
    pub name: String,
    /// What it may be used for: some of `infer`, `usage`, `keys`, `billing`, and none that the calling key lacks. Without
    /// them: `infer` and `usage`.
    pub scopes: Option<Vec<String>>,
}

impl FromFields for CreateKey {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { name: fields.needed_text("name")?, scopes: fields.texts("scopes")? })
    }
}

/// A key was made.
#[derive(ApiResponse)]
pub enum Made {
    /// The key, with its secret.
    #[oai(status = 201)]
    Made(Json<ApiKey>, #[oai(header = "Location")] String),
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Keys")]
impl KeysApi {
    /// Show the key in hand
    ///
    /// The key that this request was made with. Needs no scope.
    #[oai(path = "/key", method = "get", operation_id = "getCurrentKey")]
    async fn current(&self, key: Key, app: Data<&App>) -> Result<Json<ApiKey>, Problem> {
        let caller = key.any();
        Ok(Json(ApiKey::of(caller.key.clone(), caller.account.mode.as_str(), app.clock.now())))
    }

    /// List keys
    ///
    /// All keys of the account, newest first, revoked ones too. Needs the scope `keys`.
    #[oai(path = "/keys", method = "get", operation_id = "listKeys")]
    async fn list(
        &self,
        key: Key,
        app: Data<&App>,
        /// How many at most.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")), default = "super::paging::default_limit")]
        limit: Query<u64>,
        /// Continue behind this id.
        after: Query<Option<String>>,
        /// The page in front of this id.
        before: Query<Option<String>>,
    ) -> Result<Json<List<ApiKey>>, Problem> {
        let caller = key.with(Scope::Keys)?;
        let cursor: Cursor<KeyId> = Cursor::read(limit.0, after.0, before.0)?;
        let rows = cursor.rows(&app.db, api_key::Entity::of(caller.account.id), api_key::Column::Id).await?;
        let now = app.clock.now();
        Ok(Json(List::page(rows, &cursor, |row| ApiKey::of(row, caller.account.mode.as_str(), now))))
    }

    /// Make a key
    ///
    /// The answer holds the whole key in `secret`: keep it, it is not shown again. Needs the scope `keys`.
    #[oai(path = "/keys", method = "post", operation_id = "createKey")]
    async fn create(&self, key: Key, app: Data<&App>, body: JsonBody<CreateKey>) -> Result<Made, Problem> {
        let caller = key.with(Scope::Keys)?;
        let names = body.0.scopes.unwrap_or_else(|| vec![Scope::Infer.as_str().to_owned(), Scope::Usage.as_str().to_owned()]);
        let scopes = names.iter().map(|name| known(name)).collect::<Result<Vec<_>, _>>()?;
        // A key hands on what it has: otherwise `keys` alone would be every scope.
        if let Some(missing) = scopes.iter().find(|scope| !caller.may(**scope)) {
            let name = missing.as_str();
            return Err(Problem::new(
                Code::Scope,
                format!("The calling key lacks the scope `{name}` and cannot hand it on. Leave it out, or make the key in the portal."),
            ));
        }
        let now = app.clock.now();
        let txn = app.db.begin().await?;
        let (row, secret) = key::create_in(&txn, &caller.account, None, &body.0.name, &scopes, now).await.map_err(refused)?;
        txn.commit().await?;
        let location = format!("/v1/keys/{}", row.id);
        let made = ApiKey { secret: Some(secret), ..ApiKey::of(row, caller.account.mode.as_str(), now) };
        Ok(Made::Made(Json(made), location))
    }

    /// Show a key
    ///
    /// Needs the scope `keys`.
    #[oai(path = "/keys/:id", method = "get", operation_id = "getKey")]
    async fn get(
        &self,
        key: Key,
        app: Data<&App>,
        /** `key_…` */
        id: Path<String>,
    ) -> Result<Json<ApiKey>, Problem> {
        let caller = key.with(Scope::Keys)?;
        let row = find(&app, caller, &id).await?;
        Ok(Json(ApiKey::of(row, caller.account.mode.as_str(), app.clock.now())))
    }

    /// Revoke a key
    ///
    /// It stops working within a second, for good. Revoking a revoked key changes nothing. Needs the scope `keys`.
    #[oai(path = "/keys/:id", method = "delete", operation_id = "revokeKey")]
    async fn revoke(
        &self,
        key: Key,
        app: Data<&App>,
        /** `key_…` */
        id: Path<String>,
    ) -> Result<Json<ApiKey>, Problem> {
        let caller = key.with(Scope::Keys)?;
        let row = find(&app, caller, &id).await?;
        let now = app.clock.now();
        key::revoke(&app.db, &app.keys, caller.account.id, row.id, now).await?;
        let row = find(&app, caller, &id).await?;
        Ok(Json(ApiKey::of(row, caller.account.mode.as_str(), now)))
    }
}

async fn find(app: &App, caller: &key::Caller, id: &str) -> Result<api_key::Model, Problem> {
    let id: KeyId = id.parse().map_err(|_| Problem::not_found("key"))?;
    let row = api_key::Entity::of(caller.account.id).filter(api_key::Column::Id.eq(id)).one(&app.db).await?;
    row.ok_or_else(|| Problem::not_found("key"))
}

fn known(name: &str) -> Result<Scope, Problem> {
    Scope::parse(name).ok_or_else(|| {
        let all = Scope::ALL.map(Scope::as_str).join(", ");
        Problem::field(Code::InvalidField, "scopes", format!("there is no scope {name:?}; known: {all}"))
    })
}

fn refused(error: CreateKeyError) -> Problem {
    match error {
        CreateKeyError::Name => Problem::field(Code::InvalidField, "name", "expected 1 to 100 characters"),
        CreateKeyError::NoScope => Problem::field(Code::InvalidField, "scopes", "expected at least one scope"),
        CreateKeyError::TooMany => Problem::new(Code::TooManyKeys, error.to_string()),
        CreateKeyError::Database(error) => error.into(),
    }
}
