//! The kinds of picture that the generator knows. Each draws a whole sheet and notes what is on it.

mod document;
pub mod form;
mod label;
mod receipt;
mod scatter;
mod screen;

pub use {
    document::document,
    form::form,
    label::label,
    receipt::receipt,
    scatter::{scatter, stickers},
    screen::screen,
};
