//! Events as the writer leaves them, made by the database itself: ids in the order of time, in their partitions, with their
//! rollups, counter and debits.

use std::time::Instant;

use anyhow::Context as _;
use chrono::TimeDelta;
use entity::ids::MemberId;
use entity::member::{self, Role};
use entity::{Time, account, api_key};
use sea_orm::{ActiveValue::Set, ConnectionTrait as _, DatabaseConnection, EntityTrait as _, Statement, Value};
use uuid::Uuid;

use crate::auth::key::{self, Scope};
use crate::auth::session;
use crate::billing::allowance::{Admission, Allowances};
use crate::metering::upkeep;
use crate::platform::clock::Clock;

/// Over how much time the events are spread, until now: within the month that a page shows.
const SPAN: TimeDelta = TimeDelta::days(29);
/// Events of one transaction.
const CHUNK: i64 = 250_000;
/// What a call costs, as in the plan of the bench.
const PRICE: i64 = 1_500_000;
const KEYS: usize = 4;

/// Whose events they are.
pub struct Subject {
    account: account::Model,
    keys: Vec<Uuid>,
    admission: std::sync::Arc<Admission>,
    begin: Time,
    /// Between two events, in microseconds.
    step: i64,
    /// A session of the account's owner.
    pub cookie: String,
}

impl Subject {
    /// Gives the one account of the house keys, an owner who is signed in, and a period that began long enough ago for
    /// `most` events.
    pub async fn prepare(db: &DatabaseConnection, most: i64) -> anyhow::Result<Self> {
        let now = Clock::System.now();
        let account = account::Entity::find().one(db).await?.context("the house has an account")?;
        for number in 1..KEYS {
            key::create_in(db, &account, None, &format!("till {number}"), &Scope::ALL, now).await?;
        }
        let keys = api_key::Entity::of(account.id).all(db).await?.into_iter().map(|key| key.id.0).collect();
        let begin = now - SPAN;
        execute(db, "UPDATE period SET starts_at = $1, cycle_starts_at = $1", vec![begin.into()]).await?;
        for month in [begin, now] {
            upkeep::run(db, month).await?;
        }
        let admission = Allowances::default().price_of(db, &account, "detect", "elements", now).await?;
        let cookie = session::open_in(db, &owner(db, &account, now).await?, "bench", "127.0.0.1", now).await?;
        let step = SPAN.num_microseconds().context("a month fits")? / most.max(1);
        Ok(Self { account, keys, admission, begin, step, cookie })
    }

    /// Adds the events from `there` to `until`, and leaves the tables as autovacuum would.
    pub async fn fill(&self, db: &DatabaseConnection, there: i64, until: i64) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut next = there;
        while next < until {
            let end = (next + CHUNK).min(until);
            let values = vec![
                self.account.id.0.into(),
                self.keys.clone().into(),
                self.admission.period_id.0.into(),
                self.admission.price(0).price_id.0.into(),
                PRICE.into(),
                next.into(),
                end.into(),
                self.begin.into(),
                self.step.into(),
            ];
            execute(db, include_str!("fill.sql"), values).await?;
            next = end;
            eprintln!("{next} events after {:.0} s", started.elapsed().as_secs_f64());
        }
        for statement in ["VACUUM ANALYZE usage_event", "VACUUM ANALYZE usage_rollup", "CHECKPOINT"] {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

async fn owner(db: &DatabaseConnection, account: &account::Model, now: Time) -> anyhow::Result<member::Model> {
    let owner = member::ActiveModel {
        id: Set(MemberId::new()),
        account_id: Set(account.id),
        email: Set("owner@example.com".into()),
        password_hash: Set("nobody logs in".into()),
        role: Set(Role::Owner),
        email_verified_at: Set(Some(now)),
        created_at: Set(now),
    };
    member::Entity::insert(owner).exec_with_returning(db).await.map_err(Into::into)
}

async fn execute(db: &DatabaseConnection, sql: &str, values: Vec<Value>) -> anyhow::Result<()> {
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await?;
    Ok(())
}
