//! One call, left to right: admit, run, meter, answer. The same for a route, a page and a job.

pub mod admit;
mod answer;
mod error;
mod fetch;
pub mod job;
pub mod run;
pub mod store;

use std::time::Duration;

use sea_orm::DatabaseConnection;

use crate::billing::allowance::Allowances;
use crate::metering::Metering;
use crate::platform::clock::Clock;
use crate::vision::Vision;

pub use answer::{Answer, Encoding, Found, ServerTiming};
pub use error::InferenceError;

/// What a call goes through. Cheap to clone.
#[derive(Clone)]
pub struct Inference {
    pub db: DatabaseConnection,
    pub clock: Clock,
    pub vision: Vision,
    pub metering: Metering,
    pub allowances: Allowances,
    /// How long a call may take from its admission to the end of inference.
    pub deadline: Duration,
    /// Images may be fetched from this machine's own network. For development only.
    pub allow_private_images: bool,
}
