//! Logs: text for a terminal, JSON lines otherwise; `RUST_LOG` filters.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Starts logging to standard error. A second call changes nothing.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,sea_orm_migration=warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed =
        if std::io::stderr().is_terminal() { builder.with_target(false).try_init() } else { builder.json().flatten_event(true).try_init() };
    if let Err(error) = installed {
        tracing::debug!(%error, "logging was already started");
    }
}
