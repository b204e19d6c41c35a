//! Draws training pictures, trains the detector on them and measures it.
//!
//! Read in this order: `words`, `fonts`, `text`, `codes`, `backdrop`, `decoys` draw; `sheet`, `layouts`, `scene` compose;
//! `augment`, `targets`, `feed` make batches; `loss`, `optimizer`, `run` train; `score`, `eval` measure; `curve` shows.

pub mod augment;
pub mod backdrop;
pub mod canvas;
mod codes;
pub mod curve;
mod decoys;
pub mod dice;
pub mod eval;
pub mod feed;
pub mod fonts;
pub mod geometry;
mod layouts;
pub mod loss;
pub mod optimizer;
pub mod run;
pub mod scene;
pub mod score;
pub mod sheet;
pub mod targets;
mod text;
pub mod warp;
mod words;
