//! The sandbox's Stripe, and a customer with cards before its pages.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use reqwest::RequestBuilder;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::billing::provider::Provider;
use crate::sandbox::{self, Settings};

const KEY: &str = "sk_test_year";
/// Always works.
const GOOD_CARD: &str = "4242424242424242";

pub(super) struct Till {
    pub stripe: Provider,
    url: String,
    http: reqwest::Client,
    _open: DropGuard,
}

impl Till {
    pub async fn open() -> anyhow::Result<Self> {
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let stop = CancellationToken::new();
        let settings = Settings {
            stripe_listen: any,
            mail_listen: any,
            smtp_listen: any,
            webhook_url: String::new(),
            webhook_secret: "whsec_year".into(),
            state_file: None,
            live_key_present: false,
        };
        let sandbox = sandbox::start(settings, stop.clone()).await?;
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
        Ok(Self { stripe: Provider::new(&sandbox.stripe_url, KEY), url: sandbox.stripe_url, http, _open: stop.drop_guard() })
    }

    /// Pays on a hosted page. False when the page has nothing to pay any more.
    pub async fn pay(&self, page: &str) -> anyhow::Result<bool> {
        let form = [("card_number", GOOD_CARD), ("exp", "12/40"), ("cvc", "123"), ("name", "Ada")];
        Ok(self.http.post(page).form(&form).send().await?.status() == 303)
    }

    /// Lets every charge of a customer fail from now on, or none.
    pub async fn fail(&self, customer: &str, fails: bool) -> anyhow::Result<()> {
        let card = if fails { "pm_card_chargeCustomerFail" } else { "pm_card_visa" };
        let attached =
            self.answer(self.http.post(format!("{}/v1/payment_methods/{card}/attach", self.url)).form(&[("customer", customer)])).await?;
        let method = attached["id"].as_str().context("the card has no id")?.to_owned();
        let setting = [("invoice_settings[default_payment_method]", method)];
        self.answer(self.http.post(format!("{}/v1/customers/{customer}", self.url)).form(&setting)).await?;
        Ok(())
    }

    async fn answer(&self, request: RequestBuilder) -> anyhow::Result<serde_json::Value> {
        let answer = request.bearer_auth(KEY).header("stripe-version", sandbox::API_VERSION).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "the sandbox answered {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}
