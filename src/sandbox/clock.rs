//! The one clock of the sandbox. It stands for services outside of us, which keep real time whatever our simulated clock says.

use chrono::{DateTime, Utc};

/// Now, really.
#[expect(clippy::disallowed_methods, reason = "Stripe and mail servers keep real time; our own clock is an argument elsewhere")]
pub fn real_now() -> DateTime<Utc> {
    Utc::now()
}
