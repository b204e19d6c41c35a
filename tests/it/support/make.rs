//! Things that tests need to exist.

use std::sync::Arc;

use entity::account::{self, Mode};
use entity::credit_grant::Kind;
use entity::ids::{AccountId, MemberId};
use entity::member::{self, Role};
use entity::money::Nanos;
use lensmeter::auth::key::{self, Caller, Scope};
use lensmeter::billing::{credit, plan, subscription};
use lensmeter::metering::archive::Archive;
use object_store::memory::InMemory;
use sea_orm::{ActiveValue::Set, ConnectionTrait as _, DatabaseConnection, EntityTrait as _};

/// The instant at which tests begin, unless they say otherwise.
pub fn start() -> entity::Time {
    "2026-11-20T12:00:00Z".parse().expect("a valid instant")
}

/// Applies the shipped catalogue.
pub async fn catalogue(db: &DatabaseConnection) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let plans = plan::read_folder(&folder).expect("the shipped catalogue is valid");
    plan::apply(db, plans, start()).await.expect("the catalogue applies");
}

/// A subscribed test-mode account whose owner can log in as `owner-<id>@example.com`, with the plan's sign-up credit.
pub async fn account(db: &DatabaseConnection) -> account::Model {
    // Not twice: a test may have gone around the triggers meanwhile, which applying would notice.
    if plan::newest(db, plan::DEFAULT_PLAN).await.expect("the database answers").is_none() {
        catalogue(db).await;
    }
    account_in(db, "usd").await
}

/// The same in another currency, on the plan that there is in it.
pub async fn account_in(db: &DatabaseConnection, currency: &str) -> account::Model {
    account_since(db, currency, start()).await
}

/// The same since another instant.
pub async fn account_since(db: &DatabaseConnection, currency: &str, since: entity::Time) -> account::Model {
    let id = AccountId::new();
    let account = account::Model::new(id, "Ada & Sons".into(), currency, Mode::Test, since);
    account::Entity::insert(account::ActiveModel::from(account.clone())).exec_without_returning(db).await.expect("account");
    member::Entity::insert(member::ActiveModel {
        id: Set(MemberId::new()),
        account_id: Set(id),
        email: Set(format!("owner-{id}@example.com")),
        password_hash: Set("nobody logs in".into()),
        role: Set(Role::Owner),
        email_verified_at: Set(Some(since)),
        created_at: Set(since),
    })
    .exec_without_returning(db)
    .await
    .expect("member");
    subscription::start_in(db, &account, since).await.expect("subscription");
    account
}

/// Lifts the rate limit of every plan, for tests that measure something else. No plan says that, so it goes round the trigger.
pub async fn unhurried(db: &DatabaseConnection) {
    let sql = "ALTER TABLE plan_version DISABLE TRIGGER USER; UPDATE plan_version SET requests_per_minute = 1000000;
               ALTER TABLE plan_version ENABLE TRIGGER USER";
    db.execute_unprepared(sql).await.expect("the database answers");
}

/// An archive that nothing is in.
pub fn archive() -> Archive {
    Archive::over(Arc::new(InMemory::new()))
}

/// Gives an account paid credit.
pub async fn credit(db: &DatabaseConnection, account: &account::Model, amount: Nanos) {
    let reference = format!("test:{}", uuid::Uuid::now_v7());
    assert!(credit::grant_in(db, account, Kind::Paid, &reference, amount, start()).await.expect("grant"));
}

/// A key with all scopes: who calls with it, and its text.
pub async fn key(db: &DatabaseConnection, account: &account::Model) -> (Arc<Caller>, String) {
    let (row, text) = key::create_in(db, account, None, "test", &Scope::ALL, start()).await.expect("key");
    (Arc::new(Caller::new(row, account.clone())), text)
}
