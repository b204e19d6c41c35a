//! One call, left to right: admit, run, meter, answer. The same for a route, a page and a job.

mod answer;
mod error;
pub mod run;

use sea_orm::DatabaseConnection;

use crate::billing::allowance::Allowances;
use crate::metering::Metering;
use crate::platform::clock::Clock;
use crate::vision::Vision;

pub use answer::{Answer, Found, ServerTiming};
pub use error::InferenceError;

/// What a call goes through. Cheap to clone.
#[derive(Clone)]
pub struct Inference {
    pub db: DatabaseConnection,
    pub clock: Clock,
    pub vision: Vision,
    pub metering: Metering,
    pub allowances: Allowances,
}
