//! `POST /theme`: light or dark, kept in a cookie so that the next page arrives in it without a flash.

use std::time::Duration;

use poem::web::Data;
use poem::{Response, handler};
use serde::Deserialize;

use super::see;
use crate::app::App;
use crate::web::cookie::{self, Cookie};
use crate::web::form::Form;
use crate::web::page::THEME_COOKIE;

const LIVES: Duration = Duration::from_secs(365 * 24 * 3600);

/// What the switch sends.
#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    theme: String,
    #[serde(default)]
    next: String,
}

/// Keeps the choice and goes back to the page.
#[handler]
pub async fn post(app: Data<&App>, Form(fields): Form<Fields>) -> Response {
    // A path of this site: `//host` and `/\host` are read as another host's.
    let inside = fields.next.starts_with('/') && !fields.next.starts_with("//") && !fields.next.contains(['\\', '\n', '\r']);
    let mut response = see(if inside { &fields.next } else { "/" });
    let value = if fields.theme == "dark" { "dark" } else { "light" };
    cookie::set(&app, &mut response, &Cookie { name: THEME_COOKIE, value, lives: LIVES });
    response
}
