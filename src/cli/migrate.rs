//! `lensmeter migrate`: schema first, then the partitions that the coming months need.

use secrecy::ExposeSecret as _;

use crate::metering::upkeep;
use crate::platform::clock::Clock;
use crate::platform::config::Config;
use crate::platform::{db, telemetry};

pub async fn run() -> anyhow::Result<()> {
    telemetry::init_logs();
    let config = Config::load(None)?;
    let database = db::connect(config.database.url.expose_secret(), 2).await?;
    let pending = db::pending_migrations(&database).await?;
    db::migrate(&database).await?;
    upkeep::run(&database, Clock::System.now()).await?;
    println!("applied {pending} migrations; the schema is up to date");
    Ok(())
}
