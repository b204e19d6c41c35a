//! One message for the next page, in a signed cookie that lives for two minutes: what POST → 303 → GET says in the end.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poem::{Request, Response};
use secrecy::ExposeSecret as _;

use super::cookie::{self, Cookie};
use crate::app::App;
use crate::platform::secret;

/// Name of the cookie.
pub const COOKIE: &str = "lensmeter_flash";
const LIVES: Duration = Duration::from_secs(120);

/// A message. The code is what templates know; the detail is what only this moment knows (the secret of a new key).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
    pub code: String,
    pub detail: String,
}

/// Leaves a message for the next page.
pub fn leave(app: &App, response: &mut Response, code: &str, detail: &str) {
    let expires = (app.clock.now().timestamp() as u64) + LIVES.as_secs();
    let payload = URL_SAFE_NO_PAD.encode(format!("{expires}\n{code}\n{detail}"));
    let value = format!("{payload}.{}", signature(app, &payload));
    cookie::set(app, response, &Cookie { name: COOKIE, value: &value, lives: LIVES });
}

/// The message that waits for this request, when it is really ours and young enough.
pub fn find(app: &App, request: &Request) -> Option<Flash> {
    let (payload, given) = cookie::get(request, COOKIE)?.split_once('.')?;
    if !secret::equal(given, signature(app, payload)) {
        return None;
    }
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let mut parts = text.splitn(3, '\n');
    let expires: i64 = parts.next()?.parse().ok()?;
    let (code, detail) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    (app.clock.now().timestamp() < expires).then_some(Flash { code, detail })
}

/// Takes the message away once a page showed it.
pub fn clear(app: &App, response: &mut Response) {
    cookie::remove(app, response, COOKIE);
}

fn signature(app: &App, payload: &str) -> String {
    secret::sign(app.config.server.secret.expose_secret(), format!("flash:{payload}"))
}
