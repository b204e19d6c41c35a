//! The vision room through its public API: hostile bytes, queues, versions and routes, and the shipped model on pictures
//! that it never saw.

mod architectures;
mod batcher;
mod cache;
mod decode;
mod elements;
mod forge;
mod freeze;
pub mod hostile;
mod learns;
mod mix;
mod parity;
mod postprocess;
mod registry;
mod reload;
mod sample;
mod serving;
mod stage;
