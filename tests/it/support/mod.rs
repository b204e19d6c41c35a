//! What tests stand on.

pub mod crash;
pub mod db;
pub mod make;
pub mod model;
pub mod picture;
pub mod process;
