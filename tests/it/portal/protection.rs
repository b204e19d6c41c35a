//! What other sites and stale pages cannot do, and what every page says to browsers.

use super::{Portal, seen};

const PAGES: [&str; 11] = [
    "/app",
    "/app/playground",
    "/app/keys",
    "/app/usage",
    "/app/billing",
    "/app/billing/details",
    "/app/billing/alerts",
    "/app/billing/cards",
    "/app/invoices",
    "/app/settings",
    "/app/usage.csv",
];

#[tokio::test]
async fn a_form_of_another_site_or_of_another_session_is_refused() {
    let portal = Portal::start().await;
    let browser = portal.member("ada@example.com").await;
    let own = browser.url.clone();
    let token = browser.get("/app/keys").await.form_token();
    let fields = [("name", "laptop"), ("scope_infer", "on"), ("form_token", token.as_str())];

    let silent = browser.form("/app/keys", &fields);
    assert_eq!(seen(silent).await.status, 403, "neither Sec-Fetch-Site nor Origin");
    let foreign = browser.form("/app/keys", &fields).header("Origin", "https://evil.example");
    assert_eq!(seen(foreign).await.status, 403);
    for site in ["cross-site", "same-site"] {
        let foreign = browser.form("/app/keys", &fields).header("Sec-Fetch-Site", site).header("Origin", &own);
        assert_eq!(seen(foreign).await.status, 403, "{site}");
    }
    let stranger = portal.member("eve@example.com").await.get("/app/keys").await.form_token();
    for wrong in [None, Some(""), Some("0".repeat(64).as_str()), Some(stranger.as_str())] {
        let fields: Vec<_> =
            [("name", "laptop"), ("scope_infer", "on")].into_iter().chain(wrong.map(|token| ("form_token", token))).collect();
        assert_eq!(browser.post("/app/keys", &fields).await.status, 403, "{wrong:?}");
    }
    assert!(browser.get("/app/keys").await.html.contains("No keys yet"), "nothing of it made a key");
    let old_browser = browser.form("/app/keys", &fields).header("Origin", &own);
    assert_eq!(seen(old_browser).await.status, 200, "our own Origin is enough without Sec-Fetch-Site");
}

#[tokio::test]
async fn every_page_comes_with_its_policy_and_without_inline_code() {
    let portal = Portal::start().await;
    let browser = portal.member("ada@example.com").await;
    for path in PAGES.into_iter().chain(["/", "/signup", "/forgot", "/reset?token=x", "/verify?token=x"]) {
        let answer = browser.client.get(format!("{}{path}", browser.url)).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        let headers = answer.headers().clone();
        let policy = headers["content-security-policy"].to_str().expect("text");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';") && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(headers.contains_key("x-request-id"));
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        let html = answer.text().await.expect("a text");
        assert!(!html.contains(" style=") && !html.contains("<script>") && !html.contains(" onclick="), "{path}");
        for input in html
            .split("<input ")
            .skip(1)
            .map(|rest| rest.split('>').next().unwrap_or_default())
            .filter(|input| !input.contains("type=\"hidden\""))
        {
            let id = super::between(input, "id=\"", "\"").unwrap_or_else(|| panic!("{path}: an input without id: {input}"));
            assert!(html.contains(&format!("for=\"{id}\"")), "{path}: no label for {id}");
        }
    }
}

#[tokio::test]
async fn assets_are_kept_for_good_and_what_is_not_there_is_a_page() {
    let portal = Portal::start().await;
    let browser = portal.browser();
    let home = browser.get("/").await.html;
    let style = format!("{}/a/app.{}", browser.url, super::between(&home, "href=\"/a/app.", "\"").expect("a style sheet"));
    let answer = browser.client.get(&style).send().await.expect("an answer");
    assert_eq!(answer.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(answer.headers()["content-type"], "text/css; charset=utf-8");
    let tag = answer.headers()["etag"].clone();
    let known = browser.client.get(&style).header("If-None-Match", tag).send().await.expect("an answer");
    assert_eq!(known.status(), 304);
    let head = browser.client.head(&style).send().await.expect("an answer");
    assert_eq!((head.status().as_u16(), head.text().await.expect("a text").len()), (200, 0));

    let missing = browser.get("/no/such/page").await;
    assert_eq!(missing.status, 404);
    assert!(missing.html.contains("There is no such page") && missing.html.contains("req_"));
    assert_eq!(browser.get("/a/../Cargo.toml").await.status, 404);
    assert_eq!(browser.post("/app/keys", &[]).await.path, "/login");
}
