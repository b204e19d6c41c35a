//! Lensmeter: the backend of a company that sells a vision API, in one program and one Postgres.
//!
//! The rooms, lowest first; an import only goes down (`tests/it/layers.rs` checks it). `docs/architecture.md` is the map.

// platform
pub mod platform;
// domains
pub mod vision;
pub mod webhooks;
pub mod auth;
pub mod metering;
pub mod billing;
pub mod accounts;
pub mod inference;
// what every surface is handed
pub mod app;
pub mod web;
// surfaces: they never import one another
pub mod admin;
pub mod api;
pub mod inbound;
pub mod portal;
pub mod sandbox;
pub mod worker;
// putting it together
pub mod lifecycle;
pub mod server;
pub mod cli;
