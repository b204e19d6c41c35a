//! Cards, as a browser without scripts saves, chooses and removes them, with the provider's pages between.

use super::{Portal, between, seen};
use crate::support::sandbox::Checked;
use crate::support::{db, process};

const PAGE: &str = "/app/billing/cards";

/// Fills the form of a page of the provider; follows where it leads.
async fn save(portal: &Portal, checked: &Checked, email: &str, number: &str) -> (super::Browser, String) {
    let browser = portal.member(email).await;
    assert!(browser.get(PAGE).await.html.contains("No card yet"));
    let away = browser.post_from(PAGE, PAGE, &[]).await;
    assert!(away.status == 200 && away.path.starts_with("/pay/"), "{} {}", away.status, away.path);
    let form = [("card_number", number), ("exp", "12/40"), ("cvc", "123"), ("name", "Ada")];
    let back = seen(browser.client.post(format!("{}{}", checked.sandbox.stripe_url, away.path)).form(&form)).await;
    assert_eq!((back.status, back.path.as_str()), (200, PAGE));
    assert!(back.html.contains("The card is saved") && back.html.contains(&number[12..]), "{}", back.html);
    let id = between(&back.html, "/app/billing/cards/pm_", "/").expect("a card").to_owned();
    (browser, format!("{PAGE}/pm_{id}"))
}

#[tokio::test]
async fn cards_are_saved_chosen_and_removed_by_their_own_account() {
    let checked = Checked::start("", None).await;
    let db = db::fresh().await;
    let served = process::serve_with(&db, &[("STRIPE_API_BASE", &checked.api)]).await;
    let portal = Portal { db, served };
    let (ada, card) = save(&portal, &checked, "ada@example.com", "4242424242424242").await;
    let (eve, _) = save(&portal, &checked, "eve@example.com", "5555555555554444").await;
    for act in ["default", "remove"] {
        assert_eq!(eve.post_from(PAGE, &format!("{card}/{act}"), &[]).await.status, 404, "it is another account's");
        assert_eq!(ada.post(&format!("{card}/{act}"), &[]).await.status, 403, "without the token of the form");
    }
    let chosen = ada.post_from(PAGE, &format!("{card}/default"), &[]).await;
    assert!(chosen.html.contains("Invoices are charged to this card") && chosen.html.contains(">invoices</span>"), "{}", chosen.html);
    let removed = ada.post_from(PAGE, &format!("{card}/remove"), &[]).await;
    assert!(removed.html.contains("The card is removed") && removed.html.contains("No card yet"), "{}", removed.html);
    let visit = eve.post_from(PAGE, "/app/billing/portal", &[]).await;
    assert!(visit.status == 200 && visit.path.starts_with("/portal/"), "{} {}", visit.status, visit.path);
}

#[tokio::test]
async fn the_page_says_so_when_the_provider_is_away() {
    let portal = Portal::start().await;
    let browser = portal.member("ada@example.com").await;
    let refused = browser.post_from(PAGE, PAGE, &[]).await;
    assert_eq!((refused.status, refused.path.as_str()), (200, PAGE));
    assert!(refused.html.contains("does not answer right now"), "{}", refused.html);
}
