//! Metering under attack: concurrency, crashes, fences, repeated keys.

pub mod books;
mod caps;
mod durability;
mod leases;
mod overspend;
mod rate;
mod reconcile;
mod trouble;
mod writer;
