//! The kinds of picture that the generator knows. Each draws a whole sheet and notes what is on it.

mod document;
mod label;
mod receipt;
mod scatter;
mod screen;

pub use {document::document, label::label, receipt::receipt, scatter::scatter, screen::screen};
