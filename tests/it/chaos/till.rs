//! Stripe's other side: its pages, its dashboard, its clock, and the banks behind it.

use lensmeter::sandbox;
use reqwest::Method;
use serde_json::{Value, json};

/// Stripe as others see it: customers on its pages, operators in its dashboard.
#[derive(Clone)]
pub struct Till {
    pub url: String,
    http: reqwest::Client,
}

impl Till {
    /// That of the sandbox at `url`.
    pub fn at(url: &str) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().expect("a client");
        Self { url: url.to_owned(), http }
    }

    pub async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, &[]).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        self.call(Method::POST, path, form).await
    }

    async fn call(&self, method: Method, path: &str, form: &[(&str, &str)]) -> Value {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.url)).bearer_auth("sk_test_1");
        if method == Method::POST {
            request = request.form(form);
        }
        let answer = request.header("stripe-version", sandbox::API_VERSION).send().await.expect("the sandbox answers");
        let (status, body) = (answer.status(), answer.text().await.expect("a text"));
        assert!(status.is_success(), "{path}: {status} {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Fills the card form of a hosted page.
    pub async fn pay(&self, page: &str, number: &str) {
        let form = [("card_number", number), ("exp", "12/40"), ("cvc", "123"), ("name", "Ada")];
        // Where the sandbox was when it made the page, another may be by now.
        let path = reqwest::Url::parse(page).expect("an address").path().to_owned();
        let answer = self.http.post(format!("{}{path}", self.url)).form(&form).send().await.expect("the page answers");
        assert_eq!(answer.status(), 303, "{page}");
    }

    /// Has the sandbox do what a bank does.
    pub async fn decide(&self, path: &str) {
        let answer = self.http.post(format!("{}{path}", self.url)).send().await.expect("the sandbox answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap_or_default());
    }

    /// Moves Stripe's clock to an instant.
    pub async fn set_clock(&self, now: entity::Time) {
        let answer = self.http.post(format!("{}/sandbox/clock", self.url)).json(&json!({ "now": now.timestamp() })).send().await;
        assert!(answer.expect("the sandbox answers").status().is_success());
    }
}
