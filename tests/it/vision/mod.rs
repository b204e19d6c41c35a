//! The vision room through its public API: hostile bytes, the queue, and the shipped model on pictures that it never saw.

mod batcher;
mod decode;
mod elements;
mod learns;
mod registry;
mod sample;
