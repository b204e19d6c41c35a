//! API keys: the one in hand, and managing all of them.

mod budgets;
pub(super) mod schema;

use chrono::TimeDelta;
use entity::api_key;
use entity::ids::KeyId;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, OpenApi};
use sea_orm::TransactionTrait as _;
use serde_json::Value;

use self::schema::{ApiKey, CreateKey, RotateKey, UpdateKey, change};
use super::Tag;
use super::auth::Key;
use super::paging::{Cursor, List};
use crate::app::App;
use crate::auth::key::{self, Caller, ChangeKeyError, Changes, CreateKeyError, Scope};
use crate::inference::admit;
use crate::web::json::fields::JsonBody;
use crate::web::json::problem::{Code, Problem};

/// How long old secrets live on when nobody says: long enough for a roll-out, short enough to be forgotten.
const OVERLAP: TimeDelta = TimeDelta::days(1);

pub struct KeysApi;

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
    /// The key that this request was made with: its scopes, its limits, and what is left of its budgets. Needs no scope.
    #[oai(path = "/key", method = "get", operation_id = "getCurrentKey")]
    async fn current(&self, key: Key, app: Data<&App>) -> Result<Json<ApiKey>, Problem> {
        let caller = key.any();
        shown(&app, caller, caller.key.clone()).await.map(Json)
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
        Ok(Json(List::page(rows, &cursor, |row| ApiKey::of(row, &caller.account, now))))
    }

    /// Make a key
    ///
    /// The answer holds the whole key in `secret`: keep it, it is not shown again. Needs the scope `keys`.
    #[oai(path = "/keys", method = "post", operation_id = "createKey")]
    async fn create(&self, key: Key, app: Data<&App>, body: JsonBody<CreateKey>) -> Result<Made, Problem> {
        let caller = key.with(Scope::Keys)?;
        let CreateKey { name, scopes, models, allowed_ips, expires_at, requests_per_minute, budgets, metadata } = body.0;
        let scopes = scopes.map_or(Ok(vec![Scope::Infer, Scope::Usage]), |names| known(&names))?;
        check_models(&app, models.as_deref())?;
        let budgets = budgets.unwrap_or_default().asked()?;
        // Every field is asked for: one that is left out asks for no limit.
        let changes = Changes {
            name: None,
            scopes: Some(scopes.clone()),
            models: Some(models),
            allowed_ips: Some(allowed_ips),
            expires_at: Some(expires_at),
            requests_per_minute: Some(requests_per_minute),
            metadata,
        };
        key::check_within(caller, &changes).map_err(refused)?;
        let now = app.clock.now();
        let txn = app.db.begin().await?;
        budgets::check_within(&txn, caller, None, &budgets).await?;
        let (row, secret) = key::create_in(&txn, &caller.account, None, &name, &scopes, now).await.map_err(not_made)?;
        let row = key::change_in(&txn, caller.account.id, row.id, changes, now).await.map_err(refused)?;
        budgets::set_in(&txn, &caller.account, row.id, &budgets).await?;
        txn.commit().await?;
        let location = format!("/v1/keys/{}", row.id);
        Ok(Made::Made(Json(ApiKey { secret: Some(secret), ..shown(&app, caller, row).await? }), location))
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
        shown(&app, caller, row).await.map(Json)
    }

    /// Change a key
    ///
    /// What is left out stays as it is; `null` takes a limit away. Counts everywhere within a second. A key that is revoked or
    /// expired stays so. Needs the scope `keys`.
    #[oai(path = "/keys/:id", method = "patch", operation_id = "updateKey")]
    async fn update(
        &self,
        key: Key,
        app: Data<&App>,
        /** `key_…` */
        id: Path<String>,
        body: JsonBody<UpdateKey>,
    ) -> Result<Json<ApiKey>, Problem> {
        let caller = key.with(Scope::Keys)?;
        let row = find(&app, caller, &id).await?;
        let UpdateKey { name, scopes, models, allowed_ips, expires_at, requests_per_minute, budgets, metadata } = body.0;
        let (models, allowed_ips) = (change(models), change(allowed_ips));
        check_models(&app, models.as_ref().and_then(Option::as_deref))?;
        let scopes = scopes.map(|names| known(&names)).transpose()?;
        let (expires_at, requests_per_minute) = (change(expires_at), change(requests_per_minute));
        let changes = Changes { name, scopes, models, allowed_ips, expires_at, requests_per_minute, metadata };
        key::check_within(caller, &changes).map_err(refused)?;
        let budgets = budgets.unwrap_or_default().asked()?;
        let txn = app.db.begin().await?;
        budgets::check_within(&txn, caller, Some(row.id), &budgets).await?;
        let row = key::change_in(&txn, caller.account.id, row.id, changes, app.clock.now()).await.map_err(refused)?;
        budgets::set_in(&txn, &caller.account, row.id, &budgets).await?;
        txn.commit().await?;
        app.keys.forget(&row.public_id).await;
        shown(&app, caller, row).await.map(Json)
    }

    /// Rotate a key
    ///
    /// Gives the key a new secret: the answer holds the whole key in `secret`, it is not shown again. Old secrets work on for
    /// `overlap` seconds. Id, limits and usage stay. Needs the scope `keys`, and everything else that the key may do.
    #[oai(path = "/keys/:id/rotate", method = "post", operation_id = "rotateKey")]
    async fn rotate(
        &self,
        key: Key,
        app: Data<&App>,
        /** `key_…` */
        id: Path<String>,
        body: JsonBody<RotateKey>,
    ) -> Result<Json<ApiKey>, Problem> {
        let caller = key.with(Scope::Keys)?;
        let row = find(&app, caller, &id).await?;
        let txn = app.db.begin().await?;
        // The answer is a key that works: whoever gets it must be allowed all that it allows.
        if row.id != caller.key.id {
            key::check_within(caller, &Changes::whole(&row)).map_err(refused)?;
            budgets::check_within(&txn, caller, None, &budgets::whole(&txn, &caller.account, row.id).await?).await?;
        }
        let overlap = body.0.overlap.map_or(OVERLAP, TimeDelta::seconds);
        let account = (caller.account.id, caller.account.mode);
        let (row, secret) = key::rotate_in(&txn, account, row.id, overlap, app.clock.now()).await.map_err(refused)?;
        txn.commit().await?;
        app.keys.forget(&row.public_id).await;
        Ok(Json(ApiKey { secret: Some(secret), ..shown(&app, caller, row).await? }))
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
        Ok(Json(ApiKey::of(row, &caller.account, now)))
    }
}

/// Says in the OpenAPI document which fields take `null`, which the types know and poem-openapi does not write.
pub fn describe(document: &mut Value) {
    let fields =
        [("UpdateKey", &["models", "allowed_ips", "expires_at", "requests_per_minute"][..]), ("Budgets", &["day", "week", "month"])];
    for (schema, names) in fields {
        for name in names {
            document["components"]["schemas"][schema]["properties"][name]["nullable"] = true.into();
        }
    }
}

async fn find(app: &App, caller: &Caller, id: &str) -> Result<api_key::Model, Problem> {
    let id: KeyId = id.parse().map_err(|_| Problem::not_found("key"))?;
    let row = api_key::Entity::one_of(caller.account.id, id).one(&app.db).await?;
    row.ok_or_else(|| Problem::not_found("key"))
}

/// A single key, with where its budgets stand and its old secrets.
async fn shown(app: &App, caller: &Caller, row: api_key::Model) -> Result<ApiKey, Problem> {
    let now = app.clock.now();
    let budgets = budgets::left(app, &caller.account, row.id).await?;
    let former = key::former(&app.db, &[row.id], now).await?;
    Ok(ApiKey { budgets, ..ApiKey::of(row, &caller.account, now).with_old(former) })
}

fn known(names: &[String]) -> Result<Vec<Scope>, Problem> {
    let scope = |name: &String| {
        Scope::parse(name).ok_or_else(|| {
            let all = Scope::ALL.map(Scope::as_str).join(", ");
            Problem::field(Code::InvalidField, "scopes", format!("there is no scope {name:?}; known: {all}"))
        })
    };
    names.iter().map(scope).collect()
}

fn check_models(app: &App, names: Option<&[String]>) -> Result<(), Problem> {
    let checked = admit::check_models(&app.inference, names.unwrap_or_default());
    checked.map_err(|detail| Problem::field(Code::InvalidField, "models", detail))
}

fn not_made(error: CreateKeyError) -> Problem {
    match error {
        CreateKeyError::Name => Problem::field(Code::InvalidField, "name", "expected 1 to 100 characters"),
        CreateKeyError::NoScope => Problem::field(Code::InvalidField, "scopes", "expected at least one scope"),
        CreateKeyError::TooMany => Problem::new(Code::TooManyKeys, error.to_string()),
        CreateKeyError::Database(error) => error.into(),
    }
}

fn refused(error: ChangeKeyError) -> Problem {
    match error {
        ChangeKeyError::NotFound => Problem::not_found("key"),
        ChangeKeyError::Inactive => Problem::plain(Code::KeyInactive),
        ChangeKeyError::TooManySecrets => Problem::plain(Code::TooManySecrets),
        ChangeKeyError::Invalid { field, expected } => Problem::field(Code::InvalidField, field, expected),
        // A key hands on what it has: otherwise `keys` alone would be every scope.
        ChangeKeyError::Beyond(what) => Problem::new(
            Code::Scope,
            format!(
                "The calling key may itself do less (`{what}`) and cannot hand on what it lacks. Ask for less, or do it in the portal."
            ),
        ),
        ChangeKeyError::Database(error) => error.into(),
    }
}
