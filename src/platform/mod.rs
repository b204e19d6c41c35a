//! What every room stands on: configuration, the clock, secrets, the database, the queue, objects, mail, telemetry.
//! Knows no domain and no HTTP surface.

pub mod audit;
pub mod clock;
pub mod config;
pub mod db;
pub mod gcra;
pub mod mail;
pub mod objects;
pub mod outbound;
pub mod queue;
pub mod secret;
pub mod telemetry;
