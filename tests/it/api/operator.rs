//! The operator's routes: what they do, and what they refuse from whom.

use entity::account::{self, Mode};
use entity::money::Nanos;
use reqwest::{Method, RequestBuilder};
use sea_orm::{ActiveValue::Set, EntityTrait as _};
use serde_json::{Value, json};

use super::{Api, json as good, problem};
use crate::support::{db, make, process};

const TOKEN: &str = "the operator's own token";

/// An installation with an operator, a customer who once paid, and another one.
struct Desk {
    api: Api,
    /// The other customer's key.
    stranger: String,
}

impl Desk {
    async fn open() -> Self {
        let db = db::fresh().await;
        let account = make::account(&db).await;
        make::credit(&db, &account, Nanos(20_000_000_000)).await;
        let (_, key) = make::key(&db, &account).await;
        let (_, stranger) = make::key(&db, &make::account(&db).await).await;
        let served = process::serve_with(&db, &[("LENSMETER_ADMIN_TOKEN", TOKEN)]).await;
        Self { api: Api { db, served, account, key, client: reqwest::Client::new() }, stranger }
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.api.anonymous(method, &format!("/admin/v1{path}")).bearer_auth(TOKEN)
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        good(self.ask(Method::POST, path).json(&body)).await
    }

    async fn of_account(&self, rest: &str, body: Value) -> Value {
        self.post(&format!("/accounts/{}/{rest}", self.api.account.id), body).await
    }

    /// Posts each body, which must be refused at its field.
    async fn refused(&self, path: &str, bodies: &[(Value, &str, &str)]) {
        for (body, code, field) in bodies {
            let answer = self.ask(Method::POST, path).json(body).send().await.expect("an answer");
            let told = problem(answer, 422, code).await;
            assert_eq!(told["errors"][0]["field"], *field, "{path} {body}: {told}");
        }
    }

    /// The customer's invoices, newest first.
    async fn invoices(&self) -> Vec<Value> {
        self.api.get("/v1/invoices").await["data"].as_array().expect("a list").clone()
    }

    /// Lets a month of the customer pass; the invoice of it.
    async fn month(&self) -> Value {
        self.of_account("clock", json!({ "advance": "P1M" })).await;
        self.invoices().await.remove(0)
    }
}

#[tokio::test]
async fn nobody_but_the_operator_gets_in() {
    let desk = Desk::open().await;
    let (account, invoice) = (desk.api.account.id.to_string(), "inv_00000000000000000000000001");
    for path in [
        format!("/accounts/{account}/credit"),
        format!("/accounts/{account}/coupons"),
        format!("/accounts/{account}/invoice-items"),
        format!("/accounts/{account}/clock"),
        "/coupons".into(),
        format!("/invoices/{invoice}/void"),
        format!("/invoices/{invoice}/write-off"),
        format!("/invoices/{invoice}/credit-notes"),
        format!("/invoices/{invoice}/transfers"),
    ] {
        let path = format!("/admin/v1{path}");
        let request = || desk.api.anonymous(Method::POST, &path).json(&json!({ "reason": "x" }));
        for request in [request(), request().bearer_auth(&desk.api.key), request().bearer_auth(""), request().bearer_auth(&TOKEN[1..])] {
            problem(request.send().await.expect("an answer"), 401, "invalid_token").await;
        }
    }
    for path in ["/admin/v1/audit", "/admin/v1/accounts"] {
        problem(desk.api.request(Method::GET, path).send().await.expect("an answer"), 401, "invalid_token").await;
    }
    let log = good(desk.ask(Method::GET, "/audit")).await;
    assert_eq!(log["data"], json!([]), "nothing was done");
}

#[tokio::test]
async fn credit_is_given_once_and_taken_back_as_far_as_it_is_there() {
    let desk = Desk::open().await;
    let path = format!("/accounts/{}/credit", desk.api.account.id);
    let give = json!({ "amount": "5.000000001", "reason": "an outage", "reference": "t-1", "expires_at": "2126-01-01T00:00:00Z" });
    assert_eq!(desk.post(&path, give.clone()).await["balance"], "26.000000001");
    let again = |amount: &str, reference: &str| json!({ "amount": amount, "reason": "an outage", "reference": reference });
    desk.refused(
        &path,
        &[
            (give, "invalid_field", "reference"),
            (again("-26.01", "t-2"), "invalid_field", "amount"),
            (again("0", "t-2"), "invalid_field", "amount"),
            (again("1e3", "t-2"), "invalid_field", "amount"),
            (again("99999999999999999999", "t-2"), "invalid_field", "amount"),
            (json!({ "amount": "1", "reference": "t-2" }), "missing_field", "reason"),
            (json!({ "amount": "1", "reason": " ", "reference": "t-2" }), "invalid_field", "reason"),
            (json!({ "amount": "1", "reason": "x", "reference": "t-2", "kind": "stolen" }), "invalid_field", "kind"),
            (json!({ "amount": "1", "reason": "x", "reference": "t-2", "priority": 1001 }), "invalid_field", "priority"),
            (
                json!({ "amount": "1", "reason": "x", "reference": "t-2", "expires_at": "2020-01-01T00:00:00Z" }),
                "invalid_field",
                "expires_at",
            ),
            (json!({ "amount": "1", "reason": "x", "reference": "t-2", "surprise": 1 }), "unknown_field", "surprise"),
        ],
    )
    .await;
    for unknown in ["acct_00000000000000000000000001", "acct_x", "inv_00000000000000000000000001"] {
        let answer = desk.ask(Method::POST, &format!("/accounts/{unknown}/credit")).json(&again("1", "t-3")).send().await;
        problem(answer.expect("an answer"), 404, "not_found").await;
    }
    assert_eq!(desk.post(&path, again("-6.000000001", "t-4")).await["balance"], "20.00");
    let statement = desk.api.get("/v1/credit/statement").await;
    let kinds: Vec<&str> = statement["data"].as_array().unwrap().iter().filter_map(|entry| entry["kind"].as_str()).collect();
    assert_eq!((&statement["balance"], kinds), (&json!("20.00"), vec!["gift", "top_up", "gift", "revocation"]));
    let log = good(desk.ask(Method::GET, &format!("/audit?account={}", desk.api.account.id))).await;
    let words = |act: &Value| {
        let [action, actor, amount] =
            [&act["action"], &act["actor"], &act["detail"]["amount"]].map(|word| word.as_str().unwrap().to_owned());
        format!("{action} by {actor}: {amount}")
    };
    let acts: Vec<String> = log["data"].as_array().unwrap().iter().map(words).collect();
    assert_eq!(acts, ["credit.adjust by operator: -6.000000001", "credit.adjust by operator: 5.000000001"]);
}

#[tokio::test]
async fn a_coupon_is_made_once_and_redeemed_by_who_has_the_code() {
    let desk = Desk::open().await;
    let ten = json!({ "code": "TEN", "description": "Ten per cent", "percent": "10", "duration": "forever" });
    assert_eq!(desk.post("/coupons", ten.clone()).await["code"], "TEN");
    let coupon = |change: Value| {
        let mut body = json!({ "code": "NEXT", "description": "Next", "percent": "10", "duration": "once" });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    desk.refused(
        "/coupons",
        &[
            (ten, "invalid_field", "code"),
            (coupon(json!({ "code": "next" })), "invalid_field", "code"),
            (coupon(json!({ "percent": "100.01" })), "invalid_field", "percent"),
            (coupon(json!({ "percent": "0" })), "invalid_field", "percent"),
            (coupon(json!({ "percent": "1.234" })), "invalid_field", "percent"),
            (coupon(json!({ "amount": "5", "currency": "usd" })), "invalid_field", "percent"),
            (coupon(json!({ "duration": "always" })), "invalid_field", "duration"),
            (coupon(json!({ "months": 3 })), "invalid_field", "months"),
            (coupon(json!({ "description": "" })), "invalid_field", "description"),
        ],
    )
    .await;
    let euros = json!({ "code": "EUROS", "description": "Euros", "amount": "5", "currency": "eur", "duration": "repeating", "months": 2 });
    desk.post("/coupons", euros).await;

    let redeem = |code: &str| desk.api.request(Method::POST, "/v1/coupons").json(&json!({ "code": code }));
    let had = good(redeem(" ten ")).await;
    assert_eq!(
        (&had["object"], &had["code"], &had["percent"], had.get("amount")),
        (&json!("coupon"), &json!("TEN"), &json!("10.00"), None)
    );
    for (code, says) in
        [("TEN", "already"), ("EUROS", "eur"), ("NOBODY", "no coupon"), ("", "no coupon"), ("'; DROP TABLE coupon", "no coupon")]
    {
        let told = problem(redeem(code).send().await.expect("an answer"), 422, "invalid_field").await;
        assert!(told["detail"].as_str().unwrap().contains(says), "{code}: {told}");
    }
    assert_eq!(desk.api.get("/v1/coupons").await["data"].as_array().unwrap().len(), 1);
    let theirs = desk.api.anonymous(Method::GET, "/v1/coupons").bearer_auth(&desk.stranger);
    assert_eq!(good(theirs).await["data"], json!([]), "another account has its own");
    let made = good(desk.api.request(Method::POST, "/v1/keys").json(&json!({ "name": "calls", "scopes": ["infer", "usage"] }))).await;
    let weak =
        desk.api.anonymous(Method::POST, "/v1/coupons").bearer_auth(made["secret"].as_str().unwrap()).json(&json!({ "code": "TEN" }));
    problem(weak.send().await.expect("an answer"), 403, "scope").await;
    // Guessing ends.
    let mut last = 0;
    for guess in 0..12 {
        last = redeem(&format!("GUESS{guess}")).send().await.expect("an answer").status().as_u16();
    }
    assert_eq!(last, 429);
    // Ten per cent of five dollars.
    assert_eq!(desk.month().await["total"], "4.50");
}

#[tokio::test]
async fn invoices_are_corrected_within_what_was_paid() {
    let desk = Desk::open().await;
    let item = json!({ "description": "Onboarding", "quantity": 2, "unit_amount": "2.50", "reason": "as agreed" });
    assert_eq!(desk.of_account("invoice-items", item).await["amount"], "5.00");
    let items = format!("/accounts/{}/invoice-items", desk.api.account.id);
    let item = |change: Value| {
        let mut body = json!({ "description": "x", "quantity": 1, "unit_amount": "1", "reason": "x" });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    desk.refused(
        &items,
        &[
            (item(json!({ "description": " " })), "invalid_field", "description"),
            (item(json!({ "quantity": 0 })), "invalid_field", "quantity"),
            (item(json!({ "unit_amount": "0.001" })), "invalid_field", "unit_amount"),
            (item(json!({ "unit_amount": "2000000" })), "invalid_field", "amount"),
            (item(json!({ "reason": "" })), "invalid_field", "reason"),
        ],
    )
    .await;
    let invoice = desk.month().await;
    assert_eq!((&invoice["total"], &invoice["due"]), (&json!("10.00"), &json!("10.00")));
    let id = invoice["id"].as_str().unwrap();
    let at = |rest: &str| format!("/invoices/{id}/{rest}");
    let pay = |amount: &str, reference: &str| json!({ "amount": amount, "reference": reference, "reason": "by bank" });
    let paid = desk.post(&at("transfers"), pay("4", "bank-1")).await;
    assert_eq!((&paid["payment_status"], &paid["due"]), (&json!("partial"), &json!("6.00")));
    desk.refused(
        &at("transfers"),
        &[
            (pay("4", "bank-1"), "invalid_field", "amount"),
            (pay("6.01", "bank-2"), "invalid_field", "amount"),
            (pay("-1", "bank-2"), "invalid_field", "amount"),
        ],
    )
    .await;
    let note = |amount: &str, settlement: &str| json!({ "amount": amount, "settlement": settlement, "reason": "billed twice" });
    desk.refused(
        &at("credit-notes"),
        &[
            (note("4.01", "refund"), "invalid_field", "amount"),
            (note("6.01", "none"), "invalid_field", "amount"),
            (note("0", "refund"), "invalid_field", "amount"),
            (note("1", "gift"), "invalid_field", "settlement"),
            (json!({ "amount": "1", "settlement": "refund" }), "missing_field", "reason"),
        ],
    )
    .await;
    let refunded = desk.post(&at("credit-notes"), note("1.50", "refund")).await;
    assert_eq!((&refunded["object"], &refunded["amount"]), (&json!("credit_note"), &json!("1.50")));
    for what in ["void", "write-off"] {
        let answer = desk.ask(Method::POST, &at(what)).json(&json!({ "reason": " " })).send().await.expect("an answer");
        problem(answer, 422, "invalid_field").await;
    }
    let answer = desk.ask(Method::POST, &at("void")).json(&json!({ "reason": "x" })).send().await.expect("an answer");
    problem(answer, 409, "invoice_state").await;
    assert_eq!(desk.post(&at("write-off"), json!({ "reason": "they are gone" })).await["status"], "uncollectible");
    let answer = desk.ask(Method::POST, &at("write-off")).json(&json!({ "reason": "again" })).send().await.expect("an answer");
    problem(answer, 409, "invoice_state").await;
    for unknown in ["inv_00000000000000000000000001", "inv_x", refunded["id"].as_str().unwrap()] {
        for (what, body) in [("void", json!({ "reason": "x" })), ("credit-notes", note("1", "none")), ("transfers", pay("1", "b"))] {
            let answer = desk.ask(Method::POST, &format!("/invoices/{unknown}/{what}")).json(&body).send().await.expect("an answer");
            problem(answer, 404, "not_found").await;
        }
    }
    its_note_is_the_customers_alone(&desk, id, &refunded).await;
}

/// The document, which the account's own clock has set; another account gets neither list nor paper.
async fn its_note_is_the_customers_alone(desk: &Desk, invoice: &str, note: &Value) {
    desk.of_account("clock", json!({ "advance": "PT1S" })).await;
    let notes = desk.api.get(&format!("/v1/invoices/{invoice}/credit-notes")).await;
    assert_eq!((&notes["data"][0]["number"], &notes["data"][0]["settlement"]), (&note["number"], &json!("refund")));
    let path = format!("/v1/credit-notes/{}/pdf", notes["data"][0]["id"].as_str().unwrap());
    let pdf = desk.api.request(Method::GET, &path).send().await.expect("an answer");
    assert_eq!((pdf.status().as_u16(), pdf.headers()["content-type"].to_str().unwrap()), (200, "application/pdf"));
    assert!(pdf.bytes().await.expect("a body").starts_with(b"%PDF-"));
    for path in
        [path, format!("/v1/invoices/{invoice}/credit-notes"), format!("/v1/invoices/{invoice}"), format!("/v1/invoices/{invoice}/pdf")]
    {
        let theirs = desk.api.anonymous(Method::GET, &path).bearer_auth(&desk.stranger).send().await.expect("an answer");
        problem(theirs, 404, "not_found").await;
        let nobodys = desk.api.anonymous(Method::GET, &path).send().await.expect("an answer");
        problem(nobodys, 401, "invalid_key").await;
    }
}

#[tokio::test]
async fn a_void_replaces_and_the_audit_log_is_read_page_by_page() {
    let desk = Desk::open().await;
    let first = desk.month().await;
    let path = format!("/invoices/{}/void", first["id"].as_str().unwrap());
    let new = desk.post(&path, json!({ "reason": "wrong address" })).await;
    assert_eq!((&new["status"], &new["amount"]), (&json!("open"), &json!("5.00")));
    assert_ne!(new["number"], first["number"]);
    let all = desk.invoices().await;
    assert_eq!((all.len(), &all[1]["status"]), (2, &json!("void")));
    for number in 0..101 {
        let body = json!({ "amount": "0.01", "reason": "many", "reference": number.to_string() });
        desk.of_account("credit", body).await;
    }
    let page = good(desk.ask(Method::GET, "/audit")).await;
    let data = page["data"].as_array().unwrap();
    assert_eq!((data.len(), &page["has_more"]), (100, &json!(true)));
    let rest = good(desk.ask(Method::GET, &format!("/audit?after={}", data[99]["id"].as_str().unwrap()))).await;
    let actions: Vec<_> = rest["data"].as_array().unwrap().iter().map(|act| &act["action"]).collect();
    assert_eq!((actions, &rest["has_more"]), (vec![&json!("credit.adjust"), &json!("invoice.void")], &json!(false)));
    problem(desk.ask(Method::GET, "/audit?after=yesterday").send().await.expect("an answer"), 422, "invalid_field").await;
    problem(desk.ask(Method::GET, "/audit?account=acct_x").send().await.expect("an answer"), 404, "not_found").await;
}

#[tokio::test]
async fn a_clock_moves_forward_of_test_accounts_alone() {
    let desk = Desk::open().await;
    let moved = desk.of_account("clock", json!({ "advance": "P2M" })).await;
    assert_eq!((&moved["object"], &moved["closed_periods"]), (&json!("clock"), &json!(2)));
    assert_eq!(desk.invoices().await.len(), 2, "issued when it answers");
    let path = format!("/accounts/{}/clock", desk.api.account.id);
    for wrong in ["P-1M", "PT0S", "1 month", "P11Y", ""] {
        desk.refused(&path, &[(json!({ "advance": wrong }), "invalid_field", "advance")]).await;
    }
    let change =
        account::ActiveModel { id: Set(desk.api.account.id), mode: Set(Mode::Live), clock_offset_seconds: Set(0), ..Default::default() };
    account::Entity::update(change).exec(&*desk.api.db).await.expect("changed");
    let answer = desk.ask(Method::POST, &path).json(&json!({ "advance": "PT1S" })).send().await.expect("an answer");
    problem(answer, 409, "live_account").await;
    let answer = desk.ask(Method::POST, "/accounts/acct_x/clock").json(&json!({ "advance": "PT1S" })).send().await.expect("an answer");
    problem(answer, 404, "not_found").await;
}

#[tokio::test]
async fn automatic_top_ups_are_set_within_bounds() {
    let desk = Desk::open().await;
    let path = "/v1/auto-top-up";
    let shown = desk.api.get(path).await;
    assert_eq!((&shown["enabled"], &shown["currency"]), (&json!(false), &json!("usd")));
    let patch = |body: Value| desk.api.request(Method::PATCH, path).json(&body);
    let set = good(patch(json!({ "enabled": true, "threshold": "2.5", "amount": "25", "daily_cap": "50" }))).await;
    assert_eq!(
        (&set["enabled"], &set["threshold"], &set["amount"], &set["daily_cap"]),
        (&json!(true), &json!("2.50"), &json!("25.00"), &json!("50.00"))
    );
    for (body, field) in [
        (json!({ "amount": "4.99" }), "amount"),
        (json!({ "amount": "10000.01" }), "amount"),
        (json!({ "amount": "25.001" }), "amount"),
        (json!({ "threshold": "-1" }), "threshold"),
        (json!({ "threshold": "10001" }), "threshold"),
        (json!({ "daily_cap": "24.99" }), "daily_cap"),
        (json!({ "daily_cap": "100000.01" }), "daily_cap"),
        (json!({ "enabled": "yes" }), "enabled"),
    ] {
        let told = problem(patch(body.clone()).send().await.expect("an answer"), 422, "invalid_field").await;
        assert_eq!(told["errors"][0]["field"], field, "{body}: {told}");
    }
    assert_eq!(desk.api.get(path).await, set, "nothing half applied");
    let theirs = good(desk.api.anonymous(Method::GET, path).bearer_auth(&desk.stranger)).await;
    assert_eq!(theirs["enabled"], false);
    for path in [path, "/v1/credit/statement", "/v1/coupons", "/v1/limits", "/v1/balance"] {
        problem(desk.api.anonymous(Method::GET, path).send().await.expect("an answer"), 401, "invalid_key").await;
    }
}
