//! Who someone is: members with passwords and sessions, programs with API keys.

pub mod key;
pub mod link;
pub mod password;
pub mod session;
pub mod throttle;
pub mod user;
