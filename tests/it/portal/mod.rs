//! The portal as a browser without scripts uses it: a real server, cookies, forms and redirects.

mod billing_details;
mod coupon;
mod cards;
mod journey;
mod jobs;
mod keys;
mod plan;
mod playground;
mod protection;
mod tenants;

use entity::mail;
use reqwest::{Client, RequestBuilder, Response};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use crate::support::db::{self, TestDb};
use crate::support::process::{self, Served};

pub const PASSWORD: &str = "four plain short words";

/// A served product without customers.
pub struct Portal {
    pub db: TestDb,
    pub served: Served,
}

/// Somebody's browser: keeps cookies, follows redirects, says that its requests come from our own pages.
pub struct Browser {
    pub client: Client,
    pub url: String,
}

/// What a page is: its status, where the browser ended up, and its text.
pub struct Seen {
    pub status: u16,
    pub path: String,
    pub html: String,
}

impl Portal {
    pub async fn start() -> Self {
        let db = db::fresh().await;
        let served = process::serve(&db).await;
        Self { db, served }
    }

    pub fn browser(&self) -> Browser {
        let client = Client::builder().cookie_store(true).build().expect("a client");
        Browser { client, url: self.served.url.clone() }
    }

    /// The path and query of the link in the newest mail to an address.
    pub async fn mailed_path(&self, email: &str) -> String {
        let newest = mail::Entity::find().filter(mail::Column::Recipient.eq(email)).order_by_desc(mail::Column::Id);
        let letter = newest.one(&*self.db).await.expect("the outbox").expect("a mail");
        let link = letter.text_body.split_whitespace().find(|word| word.starts_with(&self.served.url)).expect("a link");
        link[self.served.url.len()..].to_owned()
    }

    /// A browser whose owner signed up and confirmed the address.
    pub async fn member(&self, email: &str) -> Browser {
        let browser = self.browser();
        let sent = browser.post("/signup", &[("email", email), ("company", "Ada & Sons"), ("password", PASSWORD)]).await;
        assert_eq!((sent.status, sent.path.as_str()), (200, "/signup/sent"));
        let path = self.mailed_path(email).await;
        let token = path.split_once("token=").expect("a token").1;
        let inside = browser.post("/verify", &[("token", token)]).await;
        assert_eq!((inside.status, inside.path.as_str()), (200, "/app"));
        browser
    }
}

impl Browser {
    pub async fn get(&self, path: &str) -> Seen {
        seen(self.client.get(format!("{}{path}", self.url))).await
    }

    /// Sends a form from one of our own pages.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Seen {
        seen(self.form(path, fields).header("Sec-Fetch-Site", "same-origin")).await
    }

    /// Sends a form as it stands on `page`, token included.
    pub async fn post_from(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> Seen {
        let token = self.get(page).await.form_token();
        let fields = [fields, &[("form_token", token.as_str())]].concat();
        self.post(path, &fields).await
    }

    /// A form that says nothing of where it comes from.
    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url)).form(fields)
    }
}

impl Seen {
    pub fn form_token(&self) -> String {
        between(&self.html, "name=\"form_token\" value=\"", "\"").expect("a form token").to_owned()
    }
}

/// Sends a request and reads the page.
pub async fn seen(request: RequestBuilder) -> Seen {
    let answer: Response = request.send().await.expect("an answer");
    let (status, path) = (answer.status().as_u16(), answer.url().path().to_owned());
    Seen { status, path, html: answer.text().await.expect("a text") }
}

/// What stands between two texts.
pub fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}
