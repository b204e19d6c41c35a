//! What operators watch: logs and metrics.

mod logs;
mod metrics;
pub mod own;

pub use self::logs::init as init_logs;
pub use self::metrics::install as install_metrics;
