//! Cookies: reading the `Cookie` header and writing `Set-Cookie`. Our values are URL-safe, so nothing is ever escaped.

use std::time::Duration;

use poem::http::{HeaderValue, header};
use poem::{Request, Response};

use crate::app::App;

/// A cookie to be set. All of ours are for the whole site, `HttpOnly`, `SameSite=Lax`, and `Secure` on https.
pub struct Cookie<'a> {
    pub name: &'a str,
    pub value: &'a str,
    pub lives: Duration,
}

/// True when the portal is reached over https, so that cookies may demand it.
pub fn is_https(app: &App) -> bool {
    app.config.server.public_url.starts_with("https://")
}

/// The value of a cookie the browser sent.
pub fn get<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let headers = request.headers().get_all(header::COOKIE);
    headers.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';')).find_map(|pair| {
        let (known, value) = pair.trim().split_once('=')?;
        (known == name).then_some(value)
    })
}

/// Adds the cookie to an answer.
pub fn set(app: &App, response: &mut Response, cookie: &Cookie<'_>) {
    let Cookie { name, value, lives } = cookie;
    let secure = if is_https(app) { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{secure}", lives.as_secs());
    // A value that is no header would be ours to fix; the answer without its cookie is still an answer.
    match HeaderValue::from_str(&text) {
        Ok(value) => drop(response.headers_mut().append(header::SET_COOKIE, value)),
        Err(error) => tracing::error!(cookie = name, %error, "a cookie could not be written"),
    }
}

/// Makes the browser forget a cookie.
pub fn remove(app: &App, response: &mut Response, name: &str) {
    set(app, response, &Cookie { name, value: "", lives: Duration::ZERO });
}
