//! The sandbox is what the other tests lean on: it has to behave as Stripe and as a mail server do.

mod mail;
mod protocol;
mod restart;
mod types;
mod webhooks;

use std::{net::SocketAddr, path::PathBuf};

use lensmeter::sandbox::{self, Sandbox, Settings};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

const SECRET: &str = "whsec_test";

/// A started sandbox that ends with the test, and a client for it.
struct Stand {
    sandbox: Sandbox,
    http: reqwest::Client,
    stop: Option<DropGuard>,
}

impl Stand {
    async fn start(webhook_url: &str, state_file: Option<PathBuf>) -> Self {
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let stop = CancellationToken::new();
        let settings = Settings {
            stripe_listen: any,
            mail_listen: any,
            smtp_listen: any,
            webhook_url: webhook_url.to_owned(),
            webhook_secret: SECRET.to_owned(),
            state_file,
            live_key_present: false,
        };
        let sandbox = sandbox::start(settings, stop.clone()).await.expect("the sandbox starts");
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
        Self { sandbox, http: http.expect("a client"), stop: Some(stop.drop_guard()) }
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.sandbox.stripe_url);
        self.http.request(method, url).bearer_auth("sk_test_1").header("stripe-version", sandbox::API_VERSION)
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
        webhook_secret: SECRET.to_owned(),
        state_file: None,
        live_key_present: true,
    };
    let refused = sandbox::start(settings, CancellationToken::new()).await.expect_err("a live key");
    assert!(refused.to_string().contains("live"), "{refused}");
}
