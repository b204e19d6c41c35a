//! Alipay and WeChat Pay: where they are offered, and the three ways in which they end.

use super::{Stand, text};

impl Stand {
    async fn session(&self, customer: &str, currency: &str, more: &[(&str, &str)]) -> serde_json::Value {
        let mut form = vec![
            ("mode", "payment"),
            ("customer", customer),
            ("success_url", "http://shop.test/ok"),
            ("line_items[0][quantity]", "1"),
            ("line_items[0][price_data][currency]", currency),
            ("line_items[0][price_data][unit_amount]", "2500"),
            ("line_items[0][price_data][product_data][name]", "Top-up"),
            ("payment_method_options[card][setup_future_usage]", "off_session"),
        ];
        form.extend_from_slice(more);
        let (status, session) = self.post("/v1/checkout/sessions", &form).await;
        assert_eq!(status, 200, "{session}");
        session
    }

    /// Chooses a wallet on the page and answers on the wallet's own: where the payer ends.
    async fn by_wallet(&self, session: &str, wallet: &str, outcome: &str) -> String {
        let page = format!("{}/pay/{session}/{wallet}", self.sandbox.stripe_url);
        let chosen = self.http.post(page).send().await.expect("a page");
        let to = chosen.headers()["location"].to_str().expect("text").to_owned();
        assert!(to.starts_with("/3ds/pi_"), "{to}");
        let shown = self.http.get(format!("{}{to}", self.sandbox.stripe_url)).send().await.expect("a page").text().await.expect("text");
        assert!(shown.contains("Approve") && shown.contains("Decline"), "{shown}");
        let sent = self.http.post(format!("{}{to}", self.sandbox.stripe_url)).form(&[("outcome", outcome)]).send().await.expect("sent");
        sent.headers()["location"].to_str().expect("text").to_owned()
    }
}

const CLIENT: (&str, &str) = ("payment_method_options[wechat_pay][client]", "web");

#[tokio::test]
async fn they_are_offered_where_stripe_offers_them() {
    let stand = Stand::start("", None).await;
    let customer = stand.customer().await;
    let offered = async |currency: &str, more: &[(&str, &str)]| {
        let session = stand.session(&customer, currency, more).await;
        session["payment_method_types"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|kind| kind.as_str().expect("a word").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(offered("cny", &[CLIENT]).await, ["card", "alipay", "wechat_pay"]);
    assert_eq!(offered("cny", &[]).await, ["card", "alipay"], "WeChat Pay needs its client");
    assert_eq!(offered("chf", &[CLIENT]).await, ["card", "wechat_pay"]);
    assert_eq!(offered("pln", &[CLIENT]).await, ["card"]);
    assert_eq!(offered("usd", &[CLIENT, ("excluded_payment_method_types[0]", "alipay")]).await, ["card", "wechat_pay"]);
    assert_eq!(
        offered("usd", &[CLIENT, ("payment_intent_data[setup_future_usage]", "off_session")]).await,
        ["card"],
        "they cannot be saved"
    );
}

#[tokio::test]
async fn approved_declined_and_paid_later() {
    let stand = Stand::start("", None).await;
    let customer = stand.customer().await;
    let status = async |id: &str| {
        let session = stand.get(&format!("/v1/checkout/sessions/{id}?expand[]=payment_intent.latest_charge")).await;
        let charge = &session["payment_intent"]["latest_charge"];
        let kind = charge["payment_method_details"]["type"].as_str().unwrap_or_default().to_owned();
        (text(&session, "status"), text(&session, "payment_status"), text(&session["payment_intent"], "status"), kind)
    };
    let told = |parts: [&str; 4]| (parts[0].to_owned(), parts[1].to_owned(), parts[2].to_owned(), parts[3].to_owned());

    let id = text(&stand.session(&customer, "cny", &[CLIENT]).await, "id");
    assert_eq!(stand.by_wallet(&id, "alipay", "fail").await, format!("/pay/{id}"), "back, to try again");
    assert_eq!(status(&id).await, told(["open", "unpaid", "requires_payment_method", ""]));
    assert_eq!(stand.by_wallet(&id, "wechat_pay", "complete").await, "http://shop.test/ok");
    assert_eq!(status(&id).await, told(["complete", "paid", "succeeded", "wechat_pay"]));
    assert!(
        stand.get(&format!("/v1/customers/{customer}/payment_methods")).await["data"].as_array().is_some_and(Vec::is_empty),
        "not saved"
    );

    let mut ends = Vec::new();
    for outcome in ["succeed", "fail"] {
        let id = text(&stand.session(&customer, "cny", &[CLIENT]).await, "id");
        assert_eq!(stand.by_wallet(&id, "alipay", "later").await, "http://shop.test/ok");
        assert_eq!(status(&id).await, told(["complete", "unpaid", "processing", ""]), "complete is not paid");
        let intent = text(&stand.get(&format!("/v1/checkout/sessions/{id}")).await, "payment_intent");
        stand.control(&format!("payment_intents/{intent}/{outcome}")).await;
        ends.push(status(&id).await);
    }
    assert_eq!(ends[0], told(["complete", "paid", "succeeded", "alipay"]));
    assert_eq!(ends[1], told(["complete", "unpaid", "requires_payment_method", ""]));
    let events = stand.events().await;
    for kind in ["checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed", "payment_intent.processing"] {
        assert!(events.iter().any(|event| event == kind), "{kind}");
    }
}
