//! What a customer has: a browser with cookies, a mailbox, and an HTTP client for the API.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::form::Form;

/// Longest wait for something that happens in the background.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pages of one site, with cookies.
pub struct Browser {
    client: reqwest::Client,
    url: String,
}

impl Browser {
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().cookie_store(true).timeout(PATIENCE).build()?;
        Ok(Self { client, url: url.to_owned() })
    }

    /// The page at a path, or at a whole address.
    pub async fn open(&self, address: &str) -> anyhow::Result<String> {
        page(self.client.get(self.whole(address))).await.with_context(|| format!("GET {address}"))
    }

    /// Sends a form of the page at `from` and follows to the page behind it.
    pub async fn submit(&self, from: &str, form: &Form) -> anyhow::Result<String> {
        self.send(from, form).await?.text().await.map_err(Into::into)
    }

    /// The same, when the address matters that it leads to.
    pub async fn send(&self, from: &str, form: &Form) -> anyhow::Result<Response> {
        let base = reqwest::Url::parse(&self.whole(from))?;
        let target = base.join(&form.action)?;
        // As browsers do; it is how a site knows its own forms.
        let request = self.client.post(target).header("Origin", base.origin().ascii_serialization()).form(&form.fields);
        good(request).await.with_context(|| format!("POST {}", form.action))
    }

    fn whole(&self, address: &str) -> String {
        if address.starts_with('/') { format!("{}{address}", self.url) } else { address.to_owned() }
    }
}

async fn page(request: RequestBuilder) -> anyhow::Result<String> {
    good(request).await?.text().await.map_err(Into::into)
}

async fn good(request: RequestBuilder) -> anyhow::Result<Response> {
    let response = request.send().await?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.text().await.unwrap_or_default();
    bail!("{status}: {}", summary(&body))
}

/// The JSON API with a key.
pub struct Api {
    client: reqwest::Client,
    url: String,
    key: String,
}

impl Api {
    pub fn new(url: &str, key: &str) -> anyhow::Result<Self> {
        Ok(Self { client: reqwest::Client::builder().timeout(PATIENCE).build()?, url: url.to_owned(), key: key.to_owned() })
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key)
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        json(self.request(Method::GET, path)).await.with_context(|| format!("GET {path}"))
    }
}

/// The JSON that a request is answered with.
pub async fn json(request: RequestBuilder) -> anyhow::Result<Value> {
    let text = good(request).await?.text().await?;
    serde_json::from_str(&text).with_context(|| format!("no JSON: {}", summary(&text)))
}

/// A caught mail.
#[derive(Debug, Deserialize)]
pub struct Message {
    pub id: String,
    pub to: Value,
    pub subject: String,
    pub text: String,
    pub attachments: Vec<Attachment>,
}

#[derive(Debug, Deserialize)]
pub struct Attachment {
    pub filename: String,
}

/// The mail catcher, through its JSON.
pub struct Mailbox {
    client: reqwest::Client,
    url: String,
}

impl Mailbox {
    pub fn new(url: &str) -> anyhow::Result<Self> {
        Ok(Self { client: reqwest::Client::builder().timeout(PATIENCE).build()?, url: url.to_owned() })
    }

    /// Waits for a mail to `address` of which `wanted` is true.
    pub async fn wait(&self, address: &str, what: &str, wanted: impl Fn(&Message) -> bool) -> anyhow::Result<Message> {
        until(what, async || {
            let text = page(self.client.get(format!("{}/messages", self.url))).await?;
            let messages: Vec<Message> = serde_json::from_str(&text).context("the mail catcher's JSON")?;
            Ok(messages.into_iter().rev().find(|message| message.to.to_string().contains(address) && wanted(message)))
        })
        .await
    }

    pub async fn attachment(&self, message: &Message, number: usize) -> anyhow::Result<Vec<u8>> {
        let path = format!("{}/messages/{}/attachments/{number}", self.url, message.id);
        Ok(good(self.client.get(path)).await?.bytes().await?.to_vec())
    }
}

/// Looks again until there is something, for at most half a minute.
pub async fn until<T>(what: &str, look: impl AsyncFn() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    bail!("waited {} s for {what}, and it did not come; .lensmeter/demo.log may say why", PATIENCE.as_secs())
}

/// The first address in a text that starts with `start`.
pub fn link(text: &str, start: &str) -> Option<String> {
    let at = text.find(start)?;
    let end = text[at..].find(|letter: char| letter.is_whitespace() || matches!(letter, '"' | '<' | '>' | ')')).unwrap_or(text.len() - at);
    Some(text[at..at + end].to_owned())
}

fn summary(body: &str) -> String {
    let problem = serde_json::from_str::<Value>(body).ok().and_then(|problem| problem["detail"].as_str().map(str::to_owned));
    problem.unwrap_or_else(|| body.chars().filter(|letter| *letter != '\n').take(300).collect())
}

/// True while a server that is starting does not answer yet.
pub async fn is_ready(url: &str) -> bool {
    matches!(reqwest::get(format!("{url}/readyz")).await, Ok(response) if response.status() == StatusCode::OK)
}
