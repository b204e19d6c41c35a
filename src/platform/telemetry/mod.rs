//! What operators watch: logs and metrics.

mod logs;
mod metrics;

pub use self::logs::init as init_logs;
pub use self::metrics::install as install_metrics;
