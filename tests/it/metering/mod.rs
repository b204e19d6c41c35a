//! Metering under attack: concurrency, crashes, fences, repeated keys.

mod books;
mod durability;
mod leases;
