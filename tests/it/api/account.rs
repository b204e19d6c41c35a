//! Who the account is on invoices, what it is warned of, and what a suspended one is told.

use entity::account::{self, Standing};
use reqwest::Method;
use sea_orm::{ActiveValue::Set, EntityTrait as _};
use serde_json::{Value, json};

use super::{Api, json as good, problem};

async fn patch(api: &Api, path: &str, body: &Value) -> Value {
    good(api.request(Method::PATCH, path).json(body)).await
}

#[tokio::test]
async fn billing_details_are_told_field_by_field() {
    let api = Api::start().await;
    let details = &api.get("/v1/account").await["billing_details"];
    assert_eq!((&details["locale"], details.get("country")), (&json!("en"), None));
    let told = json!({ "address_line1": "Hof 3", "city": "Wien", "country": "at", "tax_id": "atu 12345678", "locale": "zh", "time_zone": "Europe/Vienna", "e_invoice": true });
    let changed = patch(&api, "/v1/account", &told).await;
    let details = &changed["billing_details"];
    assert_eq!((&details["country"], &details["tax_id"], &details["e_invoice"]), (&json!("AT"), &json!("ATU12345678"), &json!(true)));
    let changed = patch(&api, "/v1/account", &json!({ "tax_id": "" })).await;
    assert_eq!((changed["billing_details"].get("tax_id"), &changed["billing_details"]["city"]), (None, &json!("Wien")), "the rest stays");
    for (body, code, field) in [
        (json!({ "country": "Austria" }), "invalid_field", "country"),
        (json!({ "tax_id": "DE123456789" }), "invalid_field", "tax_id"),
        (json!({ "time_zone": "Mars/Olympus" }), "invalid_field", "time_zone"),
        (json!({ "locale": "tlh" }), "invalid_field", "locale"),
        (json!({ "country": "" }), "invalid_field", "e_invoice"),
        (json!({ "name": " " }), "invalid_field", "name"),
        (json!({ "e_invoice": "yes" }), "invalid_field", "e_invoice"),
        (json!({ "standing": "active" }), "unknown_field", "standing"),
    ] {
        let refused = problem(api.request(Method::PATCH, "/v1/account").json(&body).send().await.expect("an answer"), 422, code).await;
        assert_eq!(refused["errors"][0]["field"], field, "{refused}");
    }
    assert_eq!(api.get("/v1/account").await["billing_details"]["city"], "Wien", "nothing of it was half applied");
}

#[tokio::test]
async fn a_cap_stops_and_a_budget_does_not() {
    let api = Api::start().await;
    let asked = json!({ "budget": "0.000000001", "alert_percents": [100, 50, 50], "alert_credit_below": "0.50" });
    let limits = patch(&api, "/v1/limits", &asked).await;
    assert_eq!((&limits["budget"], &limits["alert_percents"], limits.get("cap")), (&json!("0.000000001"), &json!([50, 100]), None));
    good(api.detect()).await;
    let limits = patch(&api, "/v1/limits", &json!({ "cap": "0.002", "budget": null })).await;
    assert_eq!((&limits["cap"], limits.get("budget"), &limits["alert_credit_below"]), (&json!("0.002"), None, &json!("0.50")));
    problem(api.detect().send().await.expect("an answer"), 402, "spend_cap_reached").await;
    patch(&api, "/v1/limits", &json!({ "cap": null })).await;
    good(api.detect()).await;
    for (body, field) in [
        (json!({ "cap": "-1" }), "cap"),
        (json!({ "cap": 5 }), "cap"),
        (json!({ "budget": "0" }), "budget"),
        (json!({ "alert_percents": [0] }), "alert_percents"),
        (json!({ "alert_percents": "50" }), "alert_percents"),
        (json!({ "alert_credit_below": "1e3" }), "alert_credit_below"),
    ] {
        let answer = api.request(Method::PATCH, "/v1/limits").json(&body).send().await.expect("an answer");
        assert_eq!(problem(answer, 422, "invalid_field").await["errors"][0]["field"], field);
    }
}

#[tokio::test]
async fn a_suspended_account_is_told_to_pay_and_is_not_charged() {
    let api = Api::start().await;
    good(api.detect()).await;
    let before = api.books().await;
    let set = async |standing: Standing| {
        let change = account::ActiveModel { id: Set(api.account.id), standing: Set(standing), ..Default::default() };
        account::Entity::update(change).exec(&*api.db).await.expect("changed");
        // The other process hears of it.
        for _ in 0..200 {
            if api.get("/v1/account").await["standing"] == standing.as_str() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the other process never heard");
    };
    set(Standing::Suspended).await;
    let refused = problem(api.detect().send().await.expect("an answer"), 402, "account_suspended").await;
    assert!(refused["detail"].as_str().expect("a text").contains("Invoices in the portal"), "{refused}");
    assert_eq!(api.books().await, before, "reading is not refused, and nothing was charged");
    set(Standing::Active).await;
    good(api.detect()).await;
}
