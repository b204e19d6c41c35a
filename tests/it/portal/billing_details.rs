//! The pages of billing details and of alerts, as a browser without scripts uses them.

use super::Portal;

#[tokio::test]
async fn billing_details_are_saved_and_what_is_wrong_is_said_beside_the_field() {
    let portal = Portal::start().await;
    let browser = portal.member("ada@example.com").await;
    let page = "/app/billing/details";
    let fields = [("name", "Ada & Söhne"), ("country", "de"), ("tax_id", "DE 123456789"), ("locale", "zh"), ("time_zone", "Europe/Berlin")];
    let saved = browser.post_from(page, page, &fields).await;
    assert_eq!((saved.status, saved.path.as_str()), (200, page));
    for part in ["Your billing details are saved", "value=\"DE123456789\"", "value=\"DE\"", "value=\"zh\" lang=\"zh\" selected"] {
        assert!(saved.html.contains(part), "{part} in {}", saved.html);
    }
    for (field, wrong, says) in [
        ("name", "", "Expected your company"),
        ("country", "Germany", "two letters"),
        ("tax_id", "FR1", "looks like"),
        ("time_zone", "x", "Expected a name"),
    ] {
        let wrong: Vec<_> = fields.iter().map(|(name, value)| (*name, if *name == field { wrong } else { *value })).collect();
        let refused = browser.post_from(page, page, &wrong).await;
        assert_eq!((refused.status, refused.html.contains(says)), (422, true), "{field}: {}", refused.html);
        assert!(refused.html.contains("value=\"Ada &#38; Söhne\"") || field == "name", "what was typed is kept");
    }
}

#[tokio::test]
async fn alerts_and_the_cap_are_saved_together_or_not_at_all() {
    let portal = Portal::start().await;
    let browser = portal.member("ada@example.com").await;
    let page = "/app/billing/alerts";
    let fields = [("budget", "50"), ("shares", "100, 50 %,80"), ("credit_below", "0.5"), ("cap", "75.25")];
    let saved = browser.post_from(page, page, &fields).await;
    assert_eq!((saved.status, saved.path.as_str()), (200, page));
    for part in ["Your alerts and your cap are saved", "value=\"50.00\"", "value=\"50, 80, 100\"", "value=\"0.50\"", "value=\"75.25\""] {
        assert!(saved.html.contains(part), "{part} in {}", saved.html);
    }
    for (field, wrong) in [("budget", "-1"), ("shares", "half"), ("shares", "0"), ("credit_below", "x"), ("cap", "1e9")] {
        let wrong: Vec<_> = fields.iter().map(|(name, _)| (*name, if *name == field { wrong } else { "7" })).collect();
        let refused = browser.post_from(page, page, &wrong).await;
        assert_eq!((refused.status, refused.html.contains(&format!("{field}-wrong"))), (422, true), "{field}: {}", refused.html);
    }
    assert!(browser.get(page).await.html.contains("value=\"75.25\""), "nothing of it was half applied");
    let cleared = browser.post_from(page, page, &[("budget", ""), ("shares", ""), ("credit_below", ""), ("cap", "")]).await;
    assert!(!cleared.html.contains("75.25"), "{}", cleared.html);
}
