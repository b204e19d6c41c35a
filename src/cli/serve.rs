//! `lensmeter serve`.

use anyhow::{Context as _, bail};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::platform::clock::Clock;
use crate::platform::config::Config;
use crate::platform::{db, telemetry};
use crate::{lifecycle, server};

#[derive(clap::Args)]
pub struct Args {
    /// Leave the background work to `lensmeter worker` processes
    #[arg(long)]
    no_worker: bool,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    telemetry::init_logs();
    let config = Config::load(None)?;
    let stop = CancellationToken::new();
    lifecycle::stop_on_signal(stop.clone())?;
    let bound =
        server::bind(config.server.listen).with_context(|| format!("LENSMETER_LISTEN: cannot listen on {}", config.server.listen))?;
    let app = App::build(config, Clock::System).await?;
    let pending = db::pending_migrations(&app.db).await?;
    if pending > 0 {
        bail!("the database lacks {pending} migrations: run `lensmeter migrate`");
    }
    tracing::info!(server.address = %bound.address, "serving on http://{}", bound.address);
    lifecycle::run(app, Some(bound), !args.no_worker, stop).await
}
