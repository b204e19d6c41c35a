//! `lensmeter doctor`: one line per thing that serving needs, and what to do where something is wrong.

use anyhow::bail;
use secrecy::ExposeSecret as _;

use crate::billing::{ledger, plan, reconcile};
use crate::platform::config::Config;
use crate::platform::db;
use crate::vision::Vision;

/// Options of `lensmeter doctor`.
#[derive(clap::Args)]
pub struct Args {
    /// Compare the books of every account instead: events, rollups, counters, balances, leases, ledger, invoices
    #[arg(long)]
    books: bool,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let config = Config::load(None)?;
    if args.books {
        return books(&config).await;
    }
    println!("ok    configuration");
    let mut wrong = 0;
    let mut check = |what: &str, outcome: Result<String, String>| match outcome {
        Ok(detail) => println!("ok    {what}: {detail}"),
        Err(advice) => {
            wrong += 1;
            println!("WRONG {what}: {advice}");
        }
    };
    match db::connect(config.database.url.expose_secret(), 1).await {
        Err(error) => check("database", Err(format!("{error}: check DATABASE_URL"))),
        Ok(database) => {
            let pending = db::pending_migrations(&database).await;
            check(
                "migrations",
                match pending {
                    Ok(0) => Ok("all applied".into()),
                    Ok(pending) => Err(format!("{pending} are missing: run `lensmeter migrate`")),
                    Err(error) => Err(error.to_string()),
                },
            );
            check(
                "plans",
                match plan::newest(&database, plan::DEFAULT_PLAN).await {
                    Ok(Some(version)) => Ok(format!("{} version {}", version.name, version.version)),
                    Ok(None) => Err("there is no default plan: run `lensmeter plans apply`".into()),
                    Err(error) => Err(error.to_string()),
                },
            );
            check(
                "ledger",
                match ledger::trial_balance(&database).await {
                    Ok(_) => Ok("balances".into()),
                    Err(error) => Err(error.to_string()),
                },
            );
        }
    }
    let settings = config.vision.clone();
    check(
        "models",
        match tokio::task::spawn_blocking(move || Vision::open(&settings.models, &settings.device, settings.threads)).await? {
            Ok(vision) => {
                Ok(vision.models().iter().map(|model| format!("{} {}", model.name, model.version)).collect::<Vec<_>>().join(", "))
            }
            Err(error) => Err(error.to_string()),
        },
    );
    check("stripe", Ok(format!("{} key for {}", if config.stripe.is_live() { "live" } else { "test" }, config.stripe.api_base)));
    if wrong > 0 {
        bail!("{wrong} of these need attention");
    }
    Ok(())
}

/// One line per account whose books differ: the first number that does.
async fn books(config: &Config) -> anyhow::Result<()> {
    let database = db::connect(config.database.url.expose_secret(), 1).await?;
    let differences = reconcile::differences(&database, None).await?;
    for difference in &differences {
        println!("WRONG {difference}");
    }
    if !differences.is_empty() {
        bail!("the books of {} accounts differ", differences.len());
    }
    println!("ok    {} agree, for every account", reconcile::tables().collect::<Vec<_>>().join(", "));
    Ok(())
}
