//! The documentation is served, and the operator's routes are closed to everyone else.

use reqwest::Method;

use super::{Api, problem};

#[tokio::test]
async fn the_documentation_is_whole_and_has_no_script_of_its_own() {
    let api = Api::start().await;
    let page = async |path: &str| {
        let answer = api.anonymous(Method::GET, path).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        assert!(answer.headers().contains_key("content-security-policy"), "{path}");
        answer.text().await.expect("a page")
    };
    let docs = page("/docs").await;
    assert!(docs.contains("/v1/detect") && docs.contains("Idempotency-Key") && docs.contains("id=\"listInvoices\""));
    assert!(!docs.contains("<script>") && !docs.contains("style=\""));
    let errors = page("/docs/errors").await;
    for code in ["invalid_key", "insufficient_credit", "undecodable_image"] {
        assert!(errors.contains(code));
        assert!(page(&format!("/docs/errors/{code}")).await.contains("What to do"));
    }
    let document =
        api.anonymous(Method::GET, "/openapi.json").send().await.expect("an answer").json::<serde_json::Value>().await.expect("JSON");
    assert_eq!(document["openapi"], "3.0.3");
    assert_eq!(document["servers"][0]["url"], api.served.url);
}

#[tokio::test]
async fn health_is_told_and_the_operators_routes_are_closed() {
    let api = Api::start().await;
    let get = async |path: &str| api.anonymous(Method::GET, path).send().await.expect("an answer");
    assert_eq!(get("/healthz").await.status(), 200);
    assert_eq!(get("/readyz").await.json::<serde_json::Value>().await.expect("JSON")["status"], "ready");
    assert!(get("/metrics").await.status().is_success());
    // No token is configured here.
    problem(api.request(Method::GET, "/admin/v1/accounts").send().await.expect("an answer"), 401, "invalid_token").await;
}
