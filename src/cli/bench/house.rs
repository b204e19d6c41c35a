//! A whole Lensmeter to measure: a private PostgreSQL, one account with credit that does not run out, and the program as a
//! process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use entity::account::{self, Mode};
use entity::ids::AccountId;
use entity::money::Nanos;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, EntityTrait as _};

use super::peer;
use crate::auth::key::{self, Scope};
use crate::billing::{credit, plan, subscription};
use crate::cli::demo::cluster::Cluster;
use crate::cli::demo::folder::Folder;
use crate::platform::clock::Clock;
use crate::platform::{db, secret};

/// Sells every task, and limits no rate.
const PLAN: &str = r#"
code = "standard"
name = "Bench"
description = "For measurements."
currency = "usd"
base_fee = "0.00"
signup_credit = "1.00"
requests_per_minute = 2_000_000_000

[[price]]
meter = "images"
task = "detect"
description = "Detection"
tiers = [{ unit = "0.0015" }]

[[price]]
meter = "images"
task = "classify"
description = "Classification"
tiers = [{ unit = "0.0010" }]
"#;

/// The program, serving; everything ends when this is dropped.
pub struct House {
    folder: PathBuf,
    cluster: Cluster,
    server: Child,
    pub url: String,
    /// One of each account.
    pub api_keys: Vec<String>,
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
        drop(self.cluster.stop());
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Starts it on the models of a folder, with some accounts, and further settings as environment variables.
///
/// # Errors
/// When PostgreSQL or the program does not start.
pub async fn start(models: &Path, accounts: usize, settings: &[(&str, String)]) -> anyhow::Result<House> {
    let path = std::env::temp_dir().join(format!("lensmeter-bench-{}", std::process::id()));
    let folder = Folder::open(&path)?;
    let cluster = Cluster::start(&folder, &folder.secrets()?.database_password).await?;
    let api_keys = furnish(&path, &cluster.url, accounts).await?;
    settle(&cluster.url).await?;
    let port = peer::free_port()?;
    let url = format!("http://127.0.0.1:{port}");
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["serve", "--no-worker"]).stdout(Stdio::null()).stderr(fs::File::create(path.join("serve.log"))?);
    let fixed = [
        ("DATABASE_URL", cluster.url.clone()),
        ("LENSMETER_LISTEN", format!("127.0.0.1:{port}")),
        ("LENSMETER_PUBLIC_URL", url.clone()),
        ("LENSMETER_SECRET", secret::token()),
        ("LENSMETER_MODELS", models.display().to_string()),
        ("LENSMETER_DEVICE", "cpu".to_owned()),
        ("STRIPE_SECRET_KEY", "sk_test_bench".to_owned()),
        ("STRIPE_WEBHOOK_SECRET", "whsec_bench".to_owned()),
        ("SMTP_URL", "smtp://127.0.0.1:9".to_owned()),
        ("RUST_LOG", "warn".to_owned()),
    ];
    let server = command.envs(fixed).envs(settings.iter().map(|(name, value)| (*name, value))).spawn()?;
    let mut house = House { folder: path.clone(), cluster, server, url, api_keys };
    let ready = format!("{}/readyz", house.url);
    let started = peer::ready(&ready, || Ok(house.server.try_wait()?.is_some())).await;
    started.with_context(|| fs::read_to_string(path.join("serve.log")).unwrap_or_default())?;
    Ok(house)
}

impl House {
    /// Where it keeps everything, until it is dropped.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where its database is.
    pub fn database_url(&self) -> &str {
        &self.cluster.url
    }

    /// Memory of the program that is in RAM, in MiB.
    pub fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").trim().parse::<f64>().map_or(f64::NAN, |kib| kib / 1024.)
    }
}

/// Schema, plan, account, credit, key.
async fn furnish(path: &Path, url: &str, accounts: usize) -> anyhow::Result<Vec<String>> {
    let now = Clock::System.now();
    let db = db::connect(url, 2).await?;
    db::migrate(&db).await?;
    apply_plan(&db, path, now).await?;
    let mut keys = Vec::with_capacity(accounts);
    for number in 0..accounts {
        keys.push(account_with_key(&db, number, now).await?);
    }
    db.close().await?;
    Ok(keys)
}

/// Files of PostgreSQL's log, of 16 MB each, that are there before a measurement begins.
const SEGMENTS: usize = 64;

/// Brings a new database to where one is that has served for a day: files of its log that were written before are kept and
/// used again. A new database makes each of them while all commits wait, here some 40 ms.
async fn settle(url: &str) -> anyhow::Result<()> {
    let db = db::connect(url, 1).await?;
    for setting in ["min_wal_size = '1GB'", "max_wal_size = '4GB'"] {
        db.execute_unprepared(&format!("ALTER SYSTEM SET {setting}")).await?;
    }
    db.execute_unprepared("SELECT pg_reload_conf()").await?;
    for _ in 0..SEGMENTS {
        db.execute_unprepared("SELECT pg_logical_emit_message(false, 'settle', ''), pg_switch_wal()").await?;
    }
    db.execute_unprepared("CHECKPOINT").await?;
    db.close().await?;
    Ok(())
}

/// Makes the one plan of all accounts, with its file under `path`.
pub async fn apply_plan(db: &DatabaseConnection, path: &Path, now: entity::Time) -> anyhow::Result<()> {
    let plans = path.join("plans");
    fs::create_dir_all(&plans)?;
    fs::write(plans.join("standard.toml"), PLAN)?;
    plan::apply(db, plan::read_folder(&plans)?, now).await?;
    Ok(())
}

/// Signs up as a customer does, but for the password's hash, which would take minutes for a thousand.
async fn account_with_key(db: &DatabaseConnection, number: usize, now: entity::Time) -> anyhow::Result<String> {
    let account = account::Model::new(AccountId::new(), format!("Bench {number}"), "usd", Mode::Test, now);
    account::Entity::insert(account::ActiveModel::from(account.clone())).exec_without_returning(db).await?;
    subscription::start_in(db, &account, now).await?;
    // A million dollars: no run spends that.
    let amount = Nanos(1_000_000 * 1_000_000_000);
    credit::grant_in(db, &account, entity::credit_grant::Kind::Paid, &format!("bench:{number}"), amount, now).await?;
    Ok(key::create_in(db, &account, None, "bench", &Scope::ALL, now).await?.1)
}
