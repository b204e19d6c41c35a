//! The mail catcher: takes every mail over SMTP, sends none, and shows them in the browser and as JSON.

mod inbox;
mod message;
mod smtp;
mod web;

pub use self::{inbox::Caught, smtp::listen, web::routes};
