//! Running and stopping: the first signal lets what runs finish, the second ends it.

use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::server::Bound;
use crate::worker;

/// Serves and works until `stop`; then finishes what is under way and gives leases back.
///
/// # Errors
/// When the listener breaks.
pub async fn run(app: App, bound: Option<Bound>, work: bool, stop: CancellationToken) -> anyhow::Result<()> {
    let keys = tokio::spawn(note_key_use(app.clone(), stop.clone()));
    let counting = tokio::spawn(count_samples(app.metrics.clone()));
    let worker = work.then(|| tokio::spawn(worker::run(app.clone(), stop.clone())));
    match bound {
        Some(bound) => bound.serve(app.clone(), stop.clone()).await?,
        None => stop.cancelled().await,
    }
    if let Some(worker) = worker {
        worker.await?;
    }
    keys.await?;
    counting.abort();
    app.inference.metering.limits.give_back(Duration::ZERO).await;
    Ok(())
}

/// Sorts the samples of histograms into their buckets. Until then each is in memory by itself, and where nobody reads
/// `/metrics`, nothing else would ever do it.
async fn count_samples(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        metrics.run_upkeep();
    }
}

/// Writes down every few seconds, and at the end, which keys were used.
async fn note_key_use(app: App, stop: CancellationToken) {
    loop {
        let stopping = tokio::time::timeout(Duration::from_secs(5), stop.cancelled()).await.is_ok();
        if let Err(error) = app.keys.flush().await {
            tracing::warn!(%error, "when keys were last used could not be written: {error}");
        }
        if stopping {
            return;
        }
    }
}

/// Cancels `stop` on the first SIGINT or SIGTERM; a second one ends the process at once.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn stop_on_signal(stop: CancellationToken) -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::spawn(async move {
        for patience in [true, false] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if patience {
                tracing::info!("stopping: requests and jobs under way finish; a second signal ends them");
                stop.cancel();
            } else {
                std::process::exit(130);
            }
        }
    });
    Ok(())
}
