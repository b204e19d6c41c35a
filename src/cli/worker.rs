//! `lensmeter worker`: the background work without a listener.

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::lifecycle;
use crate::platform::clock::Clock;
use crate::platform::config::Config;
use crate::platform::telemetry;

pub async fn run() -> anyhow::Result<()> {
    telemetry::init_logs();
    let stop = CancellationToken::new();
    lifecycle::stop_on_signal(stop.clone())?;
    let app = App::build(Config::load(None)?, Clock::System).await?;
    tracing::info!("working on the queue");
    lifecycle::run(app, None, true, stop).await
}
