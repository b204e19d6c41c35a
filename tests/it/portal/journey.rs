//! From signing up to a key, and out again.

use super::{PASSWORD, Portal, between};

const EMAIL: &str = "ada@example.com";

#[tokio::test]
async fn a_customer_signs_up_confirms_makes_a_key_and_logs_in_again() {
    let portal = Portal::start().await;
    let browser = portal.browser();
    let refused = browser.post("/signup", &[("email", EMAIL), ("company", "Ada & Sons"), ("password", "short")]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.html.contains("password-wrong") && refused.html.contains("value=\"ada@example.com\""), "the form keeps what was typed");
    assert!(!refused.html.contains("short\""), "but never the password");

    browser.post("/signup", &[("email", EMAIL), ("company", "Ada & Sons"), ("password", PASSWORD)]).await;
    let link = portal.mailed_path(EMAIL).await;
    // A scanner of mails follows the link, twice: nothing happens before the button.
    for _ in 0..2 {
        assert!(portal.browser().get(&link).await.html.contains("Confirm and open the portal"));
    }
    let token = link.split_once("token=").expect("a token").1;
    let inside = browser.post("/verify", &[("token", token)]).await;
    assert_eq!(inside.path, "/app");
    assert!(inside.html.contains("Your address is confirmed") && inside.html.contains("Ada &#38; Sons") && inside.html.contains("$1.00"));
    assert!(!browser.get("/app").await.html.contains("Your address is confirmed"), "said once");
    assert_eq!(portal.browser().post("/verify", &[("token", token)]).await.status, 422, "the link works once");

    let shown = browser.post_from("/app/keys", "/app/keys", &[("name", "laptop"), ("scope_infer", "on")]).await;
    let key = between(&shown.html, "data-secret>", "<").expect("the key").to_owned();
    assert_eq!((shown.path.as_str(), key.starts_with("lm_test_")), ("/app/keys", true));
    let again = browser.get("/app/keys").await;
    assert!(!again.html.contains("data-secret") && !again.html.contains(&key), "shown once");
    let works = browser.client.get(format!("{}/v1/key", browser.url)).bearer_auth(&key).send().await.expect("an answer");
    assert_eq!(works.status(), 200);

    let id = between(&again.html, "action=\"/app/keys/", "/revoke").expect("a key id").to_owned();
    let revoked = browser.post_from("/app/keys", &format!("/app/keys/{id}/revoke"), &[]).await;
    assert!(revoked.html.contains("The key is revoked"));

    let out = browser.post_from("/app", "/logout", &[]).await;
    assert_eq!(out.path, "/login");
    let turned_away = browser.get("/app/usage?days=7").await;
    assert_eq!(turned_away.path, "/login");
    assert_eq!(between(&turned_away.html, "name=\"next\" value=\"/app", "\""), Some("/usage?days=7"));
    let back = browser.post("/login", &[("email", EMAIL), ("password", PASSWORD), ("next", "/app/usage?days=7")]).await;
    assert_eq!((back.status, back.path.as_str()), (200, "/app/usage"));
}

#[tokio::test]
async fn a_known_address_is_answered_like_an_unknown_one() {
    let portal = Portal::start().await;
    portal.member(EMAIL).await;
    let browser = portal.browser();
    let ask = async |path: &str, email: &str, more: &[(&str, &str)]| {
        let answer = browser.post(path, &[&[("email", email)], more].concat()).await;
        // The request's id and the address itself differ, nothing else.
        let text = answer.html.replace(email, "");
        (answer.status, answer.path, text)
    };
    let sign_up = [("company", "Ada & Sons"), ("password", PASSWORD)];
    for (path, more) in
        [("/signup", &sign_up[..]), ("/forgot", &[]), ("/verify/resend", &[]), ("/login", &[("password", "not the password")])]
    {
        assert_eq!(ask(path, EMAIL, more).await, ask(path, "nobody@example.com", more).await, "{path}");
    }
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_by_mail() {
    let portal = Portal::start().await;
    let before = portal.member(EMAIL).await;
    let browser = portal.browser();
    browser.post("/forgot", &[("email", EMAIL)]).await;
    let link = portal.mailed_path(EMAIL).await;
    assert!(link.starts_with("/reset?token="));
    let token = link.split_once("token=").expect("a token").1;
    assert_eq!(browser.post("/reset", &[("token", token), ("password", "short")]).await.status, 422, "and the link is not used up");
    let inside = browser.post("/reset", &[("token", token), ("password", "four other short words")]).await;
    assert_eq!(inside.path, "/app");
    assert!(inside.html.contains("Your password is changed"));
    assert_eq!(before.get("/app").await.path, "/login", "other sessions ended");
    assert_eq!(portal.browser().post("/login", &[("email", EMAIL), ("password", PASSWORD)]).await.status, 422);
}
