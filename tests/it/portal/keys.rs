//! The page of keys and that of one key, as a browser without scripts uses them.

use lensmeter::auth::key::{self, Scope};

use super::{Portal, between};
use crate::support::make;

#[tokio::test]
async fn a_key_is_limited_changed_and_rotated() {
    let portal = Portal::start().await;
    let browser = portal.member("ada@example.com").await;
    let fields = [
        ("name", "till 4"),
        ("scope_infer", "on"),
        ("models", "elements"),
        ("allowed_ips", "127.0.0.1, 10.0.0.0/8"),
        ("expires_at", "2099-01-31"),
        ("requests_per_minute", "60"),
        ("budget_day", "5"),
    ];
    let made = browser.post_from("/app/keys", "/app/keys", &fields).await;
    let first = between(&made.html, "data-secret>", "<").expect("the key").to_owned();
    assert!(made.html.contains("elements · from 2 networks · 60/min · until 31 Jan 2099"), "{}", made.html);
    let page = format!("/app/keys/{}", between(&made.html, "href=\"/app/keys/", "\"").expect("its page"));

    let shown = browser.get(&page).await.html;
    for value in
        ["value=\"till 4\"", "value=\"2099-01-31\"", "value=\"60\"", "value=\"10.0.0.0/8, 127.0.0.1/32\"", "value=\"5.00\"", "$5.00"]
    {
        assert!(shown.contains(value), "{value} in {shown}");
    }
    for field in
        ["name", "models", "allowed_ips", "expires_at", "requests_per_minute", "budget_day", "budget_week", "budget_month", "overlap"]
    {
        assert!(shown.contains(&format!("<label for=\"{field}\"")) && shown.contains(&format!("id=\"{field}\"")), "{field} has no label");
    }

    for (field, wrong, says) in [
        ("models", "elemants", "There is no model"),
        ("allowed_ips", "10.0.0.0/64", "Expected addresses"),
        ("expires_at", "2020-01-01", "Expected an instant in the future"),
        ("requests_per_minute", "many", "Type a whole number"),
        ("budget_day", "-1", "Type an amount"),
        ("name", " ", "Expected 1 to 100 characters"),
    ] {
        let wrong: Vec<_> = fields.iter().map(|(name, value)| (*name, if *name == field { wrong } else { *value })).collect();
        let refused = browser.post_from(&page, &page, &wrong).await;
        assert_eq!((refused.status, refused.html.contains(says)), (422, true), "{field}: {}", refused.html);
        assert!(refused.html.contains("value=\"elements\"") || field == "models", "what was typed is kept");
    }
    let saved = browser.post_from(&page, &page, &[("name", "till 5"), ("scope_usage", "on"), ("budget_week", "7")]).await;
    assert_eq!((saved.status, saved.path.as_str()), (200, page.as_str()));
    assert!(saved.html.contains("The key is changed") && saved.html.contains("$7.00") && !saved.html.contains("$5.00"));

    let rotated = browser.post_from(&page, &format!("{page}/rotate"), &[("overlap", "3600")]).await;
    let second = between(&rotated.html, "data-secret>", "<").expect("the new key").to_owned();
    for key in [&first, &second] {
        let works = browser.client.get(format!("{}/v1/key", browser.url)).bearer_auth(key).send().await.expect("an answer");
        assert_eq!(works.status(), 200);
    }
    assert!(browser.get(&page).await.html.contains("works until"));
    browser.post_from(&page, &format!("{page}/revoke"), &[]).await;
    let gone = browser.get(&page).await.html;
    assert!(gone.contains("revoked") && !gone.contains("Change it"));
}

#[tokio::test]
async fn another_accounts_key_has_no_page() {
    let portal = Portal::start().await;
    let other = make::account(&portal.db).await;
    let (key, _) = key::create_in(&*portal.db, &other, None, "of the other", &[Scope::Infer], make::start()).await.expect("a key");
    let browser = portal.member("ada@example.com").await;
    let page = format!("/app/keys/{}", key.id);
    assert_eq!(browser.get(&page).await.status, 404);
    assert_eq!(browser.post_from("/app/keys", &page, &[("name", "mine"), ("scope_infer", "on")]).await.status, 404);
    assert_eq!(browser.post_from("/app/keys", &format!("{page}/rotate"), &[("overlap", "0")]).await.status, 404);
    for nonsense in ["/app/keys/x", "/app/keys/key_0"] {
        assert_eq!(browser.get(nonsense).await.status, 404);
    }
}
