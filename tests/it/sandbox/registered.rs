//! What is registered once: tax ids, cards, the portal's configuration.

use super::{Stand, text};

#[tokio::test]
async fn tax_ids_are_verified_by_stripes_magic_values() {
    let stand = Stand::start("", None).await;
    let (_, customer) = stand
        .post(
            "/v1/customers",
            &[("email", "ada@example.com"), ("tax_id_data[0][type]", "eu_vat"), ("tax_id_data[0][value]", "DE000000000")],
        )
        .await;
    let customer = text(&customer, "id");
    let path = format!("/v1/customers/{customer}/tax_ids");
    for (kind, value, told, read) in [
        ("eu_vat", "DE111111111", "pending", "unverified"),
        ("gb_vat", "222222222", "pending", "pending"),
        ("us_ein", "12-3456789", "unavailable", "unavailable"),
    ] {
        let (_, added) = stand.post(&path, &[("type", kind), ("value", value)]).await;
        assert_eq!(added["verification"]["status"], told, "{value}");
        assert_eq!(stand.get(&format!("{path}/{}", text(&added, "id"))).await["verification"]["status"], read, "{value}");
    }
    assert_eq!(stand.post(&path, &[("type", "eu_vat"), ("value", "1")]).await.1["error"]["code"], "tax_id_invalid");
    let all = stand.get(&path).await;
    assert_eq!(all["data"].as_array().map(Vec::len), Some(4));
    assert_eq!(all["data"][3]["verification"]["status"], "verified");
    let invoice = stand.invoice(&customer, "900").await;
    assert_eq!(stand.get(&format!("/v1/invoices/{invoice}")).await["customer_tax_ids"].as_array().map(Vec::len), Some(4));
    assert_eq!(stand.delete(&format!("{path}/{}", text(&all["data"][0], "id"))).await.1["deleted"], true);
    assert_eq!(stand.get(&format!("/v1/customers/{customer}?expand[]=tax_ids")).await["tax_ids"]["data"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn a_card_is_set_up_renewed_and_let_go() {
    let stand = Stand::start("", None).await;
    let customer = stand.customer().await;
    let form = [
        ("mode", "setup"),
        ("currency", "usd"),
        ("customer", customer.as_str()),
        ("success_url", "http://shop.test/ok"),
        ("setup_intent_data[metadata][request]", "7"),
    ];
    let (_, session) = stand.post("/v1/checkout/sessions", &form).await;
    let page = format!("/pay/{}", text(&session, "id"));
    assert_eq!(stand.fill(&page, "4000000000000002").await.0, 402, "declined at once");
    let (_, challenge) = stand.fill(&page, "4000002500003155").await;
    let answered = stand.http.post(format!("{}{challenge}", stand.sandbox.stripe_url)).form(&[("outcome", "complete")]).send().await;
    assert_eq!(answered.expect("sent").headers()["location"], "http://shop.test/ok");
    let done = stand.get(&format!("/v1/checkout/sessions/{}?expand[]=setup_intent", text(&session, "id"))).await;
    assert_eq!((done["status"].as_str(), done["setup_intent"]["metadata"]["request"].as_str()), (Some("complete"), Some("7")));
    let card = text(&done["setup_intent"], "payment_method");
    let (_, made) = stand.post(&format!("/v1/customers/{customer}"), &[("invoice_settings[default_payment_method]", &card)]).await;
    assert_eq!(made["invoice_settings"]["default_payment_method"], card.as_str());

    assert_eq!(stand.control(&format!("payment_methods/{card}/renew")).await["card"]["exp_year"], 2043);
    let (_, changed) = stand.post(&format!("/v1/payment_methods/{card}"), &[("card[exp_month]", "3"), ("card[exp_year]", "2044")]).await;
    assert_eq!((changed["card"]["exp_month"].as_i64(), changed["card"]["exp_year"].as_i64()), (Some(3), Some(2044)));
    stand.post(&format!("/v1/payment_methods/{card}/detach"), &[]).await;
    assert!(stand.get(&format!("/v1/customers/{customer}")).await["invoice_settings"]["default_payment_method"].is_null());

    let (_, intent) =
        stand.post("/v1/setup_intents", &[("customer", &customer), ("payment_method", "pm_card_visa"), ("confirm", "true")]).await;
    assert_eq!(intent["status"], "succeeded");
    let (_, open) = stand.post("/v1/setup_intents", &[("customer", &customer)]).await;
    assert_eq!(stand.post(&format!("/v1/setup_intents/{}/cancel", text(&open, "id")), &[]).await.1["status"], "canceled");
    let events = stand.events().await;
    for kind in [
        "setup_intent.setup_failed",
        "setup_intent.succeeded",
        "setup_intent.canceled",
        "payment_method.attached",
        "payment_method.updated",
        "payment_method.automatically_updated",
        "payment_method.detached",
        "customer.updated",
    ] {
        assert!(events.iter().any(|event| event == kind), "{kind}");
    }
}

#[tokio::test]
async fn the_portal_has_configurations() {
    let stand = Stand::start("", None).await;
    let form = [
        ("features[payment_method_update][enabled]", "true"),
        ("features[invoice_history][enabled]", "true"),
        ("business_profile[headline]", "Lensmeter"),
    ];
    let (_, made) = stand.post("/v1/billing_portal/configurations", &form).await;
    let id = text(&made, "id");
    assert_eq!(
        (made["features"]["invoice_history"]["enabled"].as_bool(), made["business_profile"]["headline"].as_str()),
        (Some(true), Some("Lensmeter"))
    );
    stand.post(&format!("/v1/billing_portal/configurations/{id}"), &[("active", "false")]).await;
    assert_eq!(stand.get("/v1/billing_portal/configurations?active=false").await["data"][0]["id"], id.as_str());
    assert!(stand.get("/v1/billing_portal/configurations?active=true").await["data"].as_array().is_some_and(Vec::is_empty));
}

#[tokio::test]
async fn tax_without_an_address_is_refused_and_told() {
    let stand = Stand::start("", None).await;
    let customer = stand.customer().await;
    let form = [("customer", customer.as_str()), ("currency", "usd"), ("automatic_tax[enabled]", "true")];
    let id = text(&stand.post("/v1/invoices", &form).await.1, "id");
    stand.post(&format!("/v1/invoices/{id}/add_lines"), &[("lines[0][amount]", "900"), ("lines[0][description]", "detect")]).await;
    let finalize = format!("/v1/invoices/{id}/finalize");
    assert_eq!(stand.post(&finalize, &[]).await.1["error"]["code"], "customer_tax_location_invalid");
    let draft = stand.get(&format!("/v1/invoices/{id}")).await;
    assert_eq!(
        (draft["status"].as_str(), draft["last_finalization_error"]["code"].as_str()),
        (Some("draft"), Some("customer_tax_location_invalid"))
    );
    assert!(stand.events().await.contains(&"invoice.finalization_failed".to_owned()));
    stand.post(&format!("/v1/customers/{customer}"), &[("address[country]", "DE"), ("address[line1]", "1 Example Street")]).await;
    assert_eq!(stand.post(&finalize, &[]).await.1["status"], "open");
}
