//! Metering under attack: concurrency, crashes, fences, repeated keys.

mod archive;
mod at_once;
pub mod books;
mod caps;
mod durability;
mod full_disk;
mod leases;
mod lookup;
mod overspend;
mod overspend_served;
mod rate;
mod reconcile;
mod served;
mod trouble;
mod writer;
