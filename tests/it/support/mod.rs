//! What tests stand on.

pub mod crash;
pub mod db;
pub mod make;
pub mod model;
pub mod picture;
pub mod postgres_proxy;
pub mod process;
pub mod sandbox;
pub mod stripe_proxy;
