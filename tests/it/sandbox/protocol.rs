//! Keys, idempotency, parameters, cards, hosted pages, faults.

use serde_json::Value;

use super::{Stand, text, told};

#[tokio::test]
async fn takes_test_keys_of_its_version_only() {
    let stand = Stand::start("", None).await;
    let url = format!("{}/v1/account", stand.sandbox.stripe_url);
    let status = async |request: reqwest::RequestBuilder| told(request).await.0;
    assert_eq!(status(stand.http.get(&url)).await, 401);
    assert_eq!(status(stand.http.get(&url).bearer_auth("sk_live_1")).await, 401);
    assert_eq!(status(stand.http.get(&url).bearer_auth("sk_test_1").header("stripe-version", "2023-10-16")).await, 400);
    assert_eq!(status(stand.http.get(&url).basic_auth("sk_test_1", Some(""))).await, 200);
    assert_eq!(status(stand.http.get(format!("{}/v1/nothing", stand.sandbox.stripe_url)).bearer_auth("sk_test_1")).await, 404);
}

#[tokio::test]
async fn repeats_the_first_answer_to_a_key_errors_included() {
    let stand = Stand::start("", None).await;
    let create = |email: &'static str, fault: &'static str| {
        let request = stand.request(reqwest::Method::POST, "/v1/customers").header("idempotency-key", "cus:1");
        request.header("x-sandbox-fault", fault).form(&[("email", email)])
    };
    let (status, _) = told(create("a@example.com", "500_before")).await;
    assert_eq!(status, 500);
    let (_, first) = told(create("a@example.com", "none")).await;
    let (_, second) = told(create("a@example.com", "none")).await;
    assert_eq!(first, second, "nothing was stored for the 500 before, and the same answer came twice");
    let (status, other) = told(create("b@example.com", "none")).await;
    assert_eq!((status, other["error"]["type"].as_str()), (400, Some("idempotency_error")));

    let broken = |fault: &'static str| {
        let request = stand.request(reqwest::Method::POST, "/v1/customers").header("idempotency-key", "cus:2");
        request.header("x-sandbox-fault", fault).form(&[("email", "c@example.com")])
    };
    assert_eq!(told(broken("500_after")).await.0, 500);
    assert_eq!(told(broken("none")).await.0, 500, "the stored answer is the 500");
    let all = stand.get("/v1/customers?email=c@example.com").await;
    assert_eq!(all["data"].as_array().map(Vec::len), Some(1), "and yet it was done, once");
}

#[tokio::test]
async fn a_dropped_answer_was_done_once_and_a_running_key_is_a_conflict() {
    let stand = Stand::start("", None).await;
    let create = |fault: &'static str| {
        let request = stand.request(reqwest::Method::POST, "/v1/customers").header("idempotency-key", "cus:3");
        request.header("x-sandbox-fault", fault).form(&[("email", "d@example.com")])
    };
    create("drop_after").send().await.expect_err("no answer");
    assert_eq!(told(create("none")).await.0, 200);
    assert_eq!(stand.get("/v1/customers").await["data"].as_array().map(Vec::len), Some(1));

    let slow = stand.request(reqwest::Method::POST, "/v1/customers").header("idempotency-key", "cus:4");
    let slow = tokio::spawn(slow.header("x-sandbox-fault", "slow:700").form(&[("email", "e@example.com")]).send());
    tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    let again = stand.request(reqwest::Method::POST, "/v1/customers").header("idempotency-key", "cus:4");
    assert_eq!(told(again.form(&[("email", "e@example.com")])).await.0, 409);
    assert!(slow.await.expect("joined").expect("answered").status().is_success());
}

#[tokio::test]
async fn queued_faults_come_once_and_only_where_they_match() {
    let stand = Stand::start("", None).await;
    let faults = format!("{}/sandbox/faults", stand.sandbox.stripe_url);
    let order = serde_json::json!([{"kind": "429", "matching": "POST /v1/customers"}, {"kind": "html_502", "matching": "/v1/account"}]);
    assert_eq!(stand.http.post(&faults).json(&order).send().await.expect("sent").status().as_u16(), 201);
    assert_eq!(stand.post("/v1/customers", &[]).await.0, 429);
    assert_eq!(stand.post("/v1/customers", &[]).await.0, 200);
    let html = stand.request(reqwest::Method::GET, "/v1/account").send().await.expect("sent");
    assert_eq!(html.status().as_u16(), 502);
    assert!(html.text().await.expect("text").starts_with("<html>"));
    assert_eq!(stand.get("/v1/account").await["object"], "account");
}

#[tokio::test]
async fn refuses_what_it_does_not_know() {
    let stand = Stand::start("", None).await;
    let code = async |path: &str, form: &[(&str, &str)]| {
        let (status, body) = stand.post_wrong(path, form).await;
        (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(code("/v1/customers", &[("emial", "a@b.c")]).await, (400, "parameter_unknown".to_owned()));
    assert_eq!(code("/v1/customers", &[("address[street]", "x")]).await, (400, "parameter_unknown".to_owned()));
    let old = [("mode", "payment"), ("payment_method_types[0]", "card")];
    assert_eq!(code("/v1/checkout/sessions", &old).await, (400, "payment_method_types_no_longer_supported".to_owned()));
    assert_eq!(code("/v1/payment_intents", &[("amount", "x"), ("currency", "usd")]).await, (400, "parameter_invalid_integer".to_owned()));
    assert_eq!(code("/v1/payment_intents", &[("amount", "49"), ("currency", "usd")]).await, (400, "amount_too_small".to_owned()));
    assert_eq!(code("/v1/invoices", &[("customer", "cus_none")]).await, (404, "resource_missing".to_owned()));
}

#[tokio::test]
async fn the_hosted_page_takes_test_cards_and_saves_them() {
    let stand = Stand::start("", None).await;
    let customer = stand.customer().await;
    let session = stand.top_up(&customer).await;
    let page = format!("/pay/{session}");
    assert_eq!(stand.fill(&page, "4242 4242 4242 4241").await.0, 422, "Luhn");
    assert_eq!(stand.fill(&page, "4111 1111 1111 1111").await.0, 422, "no test card");
    assert_eq!(stand.fill(&page, "4000 0000 0000 0002").await.0, 402, "declined");
    assert_eq!(stand.fill(&page, "4000 0000 0000 9995").await.0, 402, "insufficient funds");
    let before = stand.get(&format!("/v1/checkout/sessions/{session}")).await;
    assert_eq!((before["status"].as_str(), before["payment_status"].as_str()), (Some("open"), Some("unpaid")));
    let (status, to) = stand.fill(&page, "4242 4242 4242 4242").await;
    assert_eq!((status, to), (303, format!("http://shop.test/ok?session={session}")));
    let after = stand.get(&format!("/v1/checkout/sessions/{session}?expand[]=payment_intent")).await;
    assert_eq!((after["status"].as_str(), after["payment_status"].as_str()), (Some("complete"), Some("paid")));
    assert_eq!(after["payment_intent"]["metadata"]["topup_id"], "t1");
    let cards = stand.get(&format!("/v1/customers/{customer}/payment_methods")).await;
    assert_eq!(cards["data"][0]["card"]["last4"], "4242");
    assert_eq!(cards["data"].as_array().map(Vec::len), Some(1), "the declined ones were not saved");
    assert_eq!(stand.fill(&page, "4242 4242 4242 4242").await.0, 410, "paid once");
}

#[tokio::test]
async fn three_d_secure_stops_and_resumes() {
    let stand = Stand::start("", None).await;
    let customer = stand.customer().await;
    let session = stand.top_up(&customer).await;
    let answer = async |to: &str, outcome: &str| {
        let sent = stand.http.post(format!("{}{to}", stand.sandbox.stripe_url)).form(&[("outcome", outcome)]).send().await.expect("sent");
        sent.headers()["location"].to_str().expect("text").to_owned()
    };
    let page = format!("/pay/{session}");
    let (_, challenge) = stand.fill(&page, "4000002500003155").await;
    assert!(challenge.starts_with("/3ds/pi_"), "{challenge}");
    assert_eq!(answer(&challenge, "fail").await, page);
    let (_, challenge) = stand.fill(&page, "4000002500003155").await;
    assert!(answer(&challenge, "complete").await.starts_with("http://shop.test/ok"));

    let cards = stand.get(&format!("/v1/payment_methods?customer={customer}&type=card")).await;
    let card = text(&cards["data"][0], "id");
    let charge = [
        ("amount", "900"),
        ("currency", "usd"),
        ("customer", &customer),
        ("payment_method", &card),
        ("off_session", "true"),
        ("confirm", "true"),
    ];
    assert_eq!(stand.post("/v1/payment_intents", &charge).await.1["status"], "succeeded", "set up once, then off-session");
    let always = [
        ("amount", "900"),
        ("currency", "usd"),
        ("customer", customer.as_str()),
        ("payment_method", "pm_card_authenticationRequired"),
        ("off_session", "true"),
        ("confirm", "true"),
    ];
    let (status, refused) = stand.post("/v1/payment_intents", &always).await;
    assert_eq!((status, refused["error"]["code"].as_str()), (402, Some("authentication_required")));
}

#[tokio::test]
async fn an_invoice_goes_its_way() {
    let stand = Stand::start("", None).await;
    let customer = stand.customer().await;
    let id = stand.invoice(&customer, "12345").await;
    let pay = format!("/v1/invoices/{id}/pay");
    assert_eq!(stand.post(&pay, &[]).await.0, 400, "no card yet");
    let (_, failing) = stand.post("/v1/payment_methods/pm_card_chargeCustomerFail/attach", &[("customer", &customer)]).await;
    let (status, declined) = stand.post(&pay, &[("payment_method", &text(&failing, "id"))]).await;
    assert_eq!((status, declined["error"]["decline_code"].as_str()), (402, Some("generic_decline")));
    let open = stand.get(&format!("/v1/invoices/{id}")).await;
    assert_eq!((open["status"].as_str(), open["attempt_count"].as_i64()), (Some("open"), Some(1)));
    assert_eq!(stand.fill(&format!("/invoice/{id}"), "4242424242424242").await.0, 303);
    let paid = stand.get(&format!("/v1/invoices/{id}")).await;
    assert_eq!(
        (paid["status"].as_str(), paid["amount_paid"].as_i64(), paid["amount_remaining"].as_i64()),
        (Some("paid"), Some(12345), Some(0))
    );
    assert_eq!(stand.post(&pay, &[]).await.0, 400, "once");
    let payments = stand.get(&format!("/v1/invoice_payments?invoice={id}")).await;
    assert_eq!(payments["data"][0]["status"], "paid");
    let pdf = stand.http.get(text(&paid, "invoice_pdf")).send().await.expect("sent").bytes().await.expect("bytes");
    assert!(pdf.starts_with(b"%PDF"));

    let small = stand.invoice(&customer, "30").await;
    assert_eq!(stand.get(&format!("/v1/invoices/{small}")).await["status"], "paid", "below the minimum charge");
    assert_eq!(stand.get(&format!("/v1/customers/{customer}")).await["balance"], 30);
    let kinds: Vec<Value> =
        stand.get("/v1/events?limit=100").await["data"].as_array().into_iter().flatten().map(|e| e["type"].clone()).collect();
    for kind in
        ["invoice.created", "invoice.finalized", "invoice.payment_failed", "invoice.paid", "invoice.payment_succeeded", "charge.succeeded"]
    {
        assert!(kinds.iter().any(|k| k == kind), "{kind} in {kinds:?}");
    }
}

#[tokio::test]
async fn lists_have_cursors_and_answers_expand() {
    let stand = Stand::start("", None).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(stand.customer().await);
    }
    made.reverse();
    let ids = async |query: &str| {
        let page = stand.get(&format!("/v1/customers?{query}")).await;
        let ids = page["data"].as_array().expect("a list").iter().map(|customer| text(customer, "id")).collect::<Vec<_>>();
        (ids, page["has_more"].as_bool().expect("a boolean"))
    };
    assert_eq!(ids("limit=2").await, (made[..2].to_vec(), true));
    assert_eq!(ids(&format!("limit=2&starting_after={}", made[1])).await, (made[2..4].to_vec(), true));
    assert_eq!(ids(&format!("limit=2&starting_after={}", made[3])).await, (made[4..].to_vec(), false));
    assert_eq!(ids(&format!("limit=2&ending_before={}", made[3])).await, (made[1..3].to_vec(), true), "the nearest before it");
    assert_eq!(stand.get("/v1/customers?limit=101").await["error"]["param"], "limit");
    assert_eq!(stand.get("/v1/customers?starting_after=cus_none").await["error"]["code"], "resource_missing");

    let invoice = stand.invoice(&made[0], "900").await;
    let read = stand.get(&format!("/v1/invoices/{invoice}?expand[]=customer&expand[]=payments.data.payment.payment_intent")).await;
    assert_eq!(read["customer"]["id"], made[0].as_str());
    assert_eq!(read["payments"]["data"][0]["payment"]["payment_intent"]["amount"], 900);
    let listed = stand.get("/v1/invoices?expand[]=data.customer").await;
    assert_eq!(listed["data"][0]["customer"]["email"], "ada@example.com");
    assert_eq!(stand.get(&format!("/v1/invoices/{invoice}?expand[]=nothing")).await["error"]["param"], "expand");
    assert_eq!(stand.get(&format!("/v1/invoices/{invoice}?expand[]=a.b.c.d.e.f")).await["error"]["param"], "expand");
}

#[tokio::test]
async fn it_tells_what_it_was_asked() {
    let stand = Stand::start("", None).await;
    let create = stand.request(reqwest::Method::POST, "/v1/customers").header("idempotency-key", "cus:1");
    told(create.form(&[("email", "ada@example.com"), ("metadata[account_id]", "7")])).await;
    stand.get("/v1/customers?limit=3").await;
    let url = format!("{}/sandbox/requests", stand.sandbox.stripe_url);
    let asked: Value = stand.http.get(&url).send().await.expect("sent").json().await.expect("JSON");
    let first = &asked["data"][0];
    assert_eq!(
        (first["method"].as_str(), first["path"].as_str(), first["status"].as_u64()),
        (Some("POST"), Some("/v1/customers"), Some(200))
    );
    assert_eq!(first["params"], serde_json::json!([["email", "ada@example.com"], ["metadata[account_id]", "7"]]));
    assert_eq!((first["idempotency_key"].as_str(), &asked["data"][1]["params"][0][1]), (Some("cus:1"), &Value::from("3")));
    stand.http.delete(&url).send().await.expect("sent");
    let asked: Value = stand.http.get(&url).send().await.expect("sent").json().await.expect("JSON");
    assert_eq!(asked["data"], serde_json::json!([]));
}
