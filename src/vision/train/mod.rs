//! Draws training pictures, trains the detector on them and measures it.
//!
//! Read in this order: `words`, `fonts`, `text`, `codes`, `foreign`, `material`, `checkboxes`, `backdrop`, `decoys` draw;
//! `sheet`, `layouts`, `scene`, `photo` compose; `augment`, `targets`, `feed` make batches; `loss`, `optimizer`, `run` train;
//! `score`, `eval`, `pages` measure; `calibrate` settles confidences; `mix` takes the mean of two runs; `curve` shows.

pub mod augment;
pub mod backdrop;
pub mod calibrate;
pub mod canvas;
mod checkboxes;
mod codes;
pub mod curve;
mod decoys;
pub mod dice;
pub mod eval;
pub mod feed;
pub mod fonts;
mod foreign;
pub mod geometry;
mod layouts;
pub mod loss;
pub mod material;
pub mod mix;
pub mod optimizer;
pub mod pages;
pub mod photo;
pub mod run;
pub mod scene;
pub mod score;
pub mod sheet;
pub mod targets;
mod text;
pub mod warp;
mod words;
