//! The sandbox is what the other tests lean on: it has to behave as Stripe and as a mail server do.

mod clock;
mod contract;
mod mail;
mod money_back;
mod protocol;
mod registered;
mod restart;
mod sdk;
mod types;
mod wallets;
mod webhooks;

use std::{net::SocketAddr, path::PathBuf};

use lensmeter::sandbox::{self, Sandbox, Settings};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::sandbox::{Checked, WEBHOOK_SECRET};

/// A started sandbox that ends with the test, and a client for it.
struct Stand {
    checked: Checked,
    sandbox: Sandbox,
    http: reqwest::Client,
}

impl Stand {
    async fn start(webhook_url: &str, state_file: Option<PathBuf>) -> Self {
        let checked = Checked::start(webhook_url, state_file).await;
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
        Self { sandbox: checked.sandbox.clone(), checked, http: http.expect("a client") }
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.request_at(&self.checked.api, method, path)
    }

    fn request_at(&self, base: &str, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{base}{path}")).bearer_auth("sk_test_1").header("stripe-version", sandbox::API_VERSION)
    }

    /// Asks past the contract, what Stripe would not take.
    async fn post_wrong(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        told(self.request_at(&self.sandbox.stripe_url, reqwest::Method::POST, path).form(form)).await
    }

    /// Makes the outside act: a bank, a wallet, the clock.
    async fn control(&self, path: &str) -> Value {
        let answer = self.http.post(format!("{}/sandbox/{path}", self.sandbox.stripe_url)).send().await.expect("the sandbox answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.expect("JSON")
    }

    async fn advance(&self, seconds: i64) {
        let order = serde_json::json!({ "advance_seconds": seconds });
        let sent = self.http.post(format!("{}/sandbox/clock", self.sandbox.stripe_url)).json(&order).send().await.expect("an answer");
        assert!(sent.status().is_success());
    }

    /// The types of all events so far, oldest first.
    async fn events(&self) -> Vec<String> {
        let events = self.get("/v1/events?limit=100").await;
        events["data"].as_array().into_iter().flatten().rev().map(|event| text(event, "type")).collect()
    }

    async fn delete(&self, path: &str) -> (u16, Value) {
        told(self.request(reqwest::Method::DELETE, path)).await
    }

    /// A payment of 25 dollars that this card makes at once: its intent.
    async fn paid(&self, customer: &str, card: &str) -> Value {
        let form = [("amount", "2500"), ("currency", "usd"), ("customer", customer), ("payment_method", card), ("confirm", "true")];
        let (status, intent) = self.post("/v1/payment_intents", &form).await;
        assert_eq!((status, intent["status"].as_str()), (200, Some("succeeded")), "{intent}");
        intent
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        told(self.request(reqwest::Method::POST, path).form(form)).await
    }

    async fn get(&self, path: &str) -> Value {
        told(self.request(reqwest::Method::GET, path)).await.1
    }

    async fn customer(&self) -> String {
        let (status, customer) = self.post("/v1/customers", &[("email", "ada@example.com"), ("name", "Ada")]).await;
        assert_eq!(status, 200, "{customer}");
        text(&customer, "id")
    }

    /// A Checkout Session of 25 dollars that saves its card.
    async fn top_up(&self, customer: &str) -> String {
        let (status, session) = self
            .post(
                "/v1/checkout/sessions",
                &[
                    ("mode", "payment"),
                    ("customer", customer),
                    ("success_url", "http://shop.test/ok?session={CHECKOUT_SESSION_ID}"),
                    ("cancel_url", "http://shop.test/no"),
                    ("line_items[0][quantity]", "1"),
                    ("line_items[0][price_data][currency]", "usd"),
                    ("line_items[0][price_data][unit_amount]", "2500"),
                    ("line_items[0][price_data][product_data][name]", "Top-up"),
                    ("payment_intent_data[metadata][topup_id]", "t1"),
                    ("payment_method_options[card][setup_future_usage]", "off_session"),
                ],
            )
            .await;
        assert_eq!(status, 200, "{session}");
        text(&session, "id")
    }

    /// Fills a hosted page's card form; gives the status and where it leads.
    async fn fill(&self, page: &str, number: &str) -> (u16, String) {
        let form = [("card_number", number), ("exp", "12/40"), ("cvc", "123"), ("name", "Ada")];
        let answer = self.http.post(format!("{}{page}", self.sandbox.stripe_url)).form(&form).send().await.expect("the page answers");
        let to = answer.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or_default().to_owned();
        (answer.status().as_u16(), to)
    }

    /// An open invoice of one line.
    async fn invoice(&self, customer: &str, amount: &str) -> String {
        let (status, invoice) = self.post("/v1/invoices", &[("customer", customer), ("currency", "usd"), ("auto_advance", "false")]).await;
        assert_eq!(status, 200, "{invoice}");
        let id = text(&invoice, "id");
        let line = [("lines[0][amount]", amount), ("lines[0][description]", "detect"), ("lines[0][metadata][line_id]", "7")];
        assert_eq!(self.post(&format!("/v1/invoices/{id}/add_lines"), &line).await.0, 200);
        assert_eq!(self.post(&format!("/v1/invoices/{id}/finalize"), &[]).await.0, 200);
        id
    }
}

async fn told(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.expect("the sandbox answers");
    let status = answer.status().as_u16();
    (status, answer.json().await.expect("JSON"))
}

fn text(object: &Value, member: &str) -> String {
    object[member].as_str().unwrap_or_else(|| panic!("{member} in {object}")).to_owned()
}

#[tokio::test]
async fn refuses_to_start_beside_a_live_key() {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let settings = Settings {
        stripe_listen: any,
        mail_listen: any,
        smtp_listen: any,
        webhook_url: String::new(),
        webhook_secret: WEBHOOK_SECRET.to_owned(),
        state_file: None,
        live_key_present: true,
    };
    let refused = sandbox::start(settings, CancellationToken::new()).await.expect_err("a live key");
    assert!(refused.to_string().contains("live"), "{refused}");
}
