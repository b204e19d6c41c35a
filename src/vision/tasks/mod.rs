//! What customers ask for: one file for each task, from a picture to the answer in the picture's own pixels.

pub mod detect;
