//! Being a customer: which plan an account is on, since when, and what comes next. A subscription never changes its plan; a
//! change ends it and begins another.

mod change;
pub mod cycle;
mod migrate;
mod start;
mod state;

pub(super) use change::to_the_microsecond;
pub use change::{Act, ChangeError, act, act_for};
pub use migrate::migrate;
pub use start::{StartError, start_in};
pub(super) use start::{Terms, begin_in, end_in, open_period_in};
pub use state::{Consequence, State, consequence, state};
