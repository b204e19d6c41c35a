//! The page of the plan, as a browser without scripts uses it.

use super::{Browser, Portal};

const PAGE: &str = "/app/billing/plan";

async fn confirm(browser: &Browser, act: &str, plan: &str) -> super::Seen {
    browser.post_from(&format!("{PAGE}?act={act}&plan={plan}"), PAGE, &[("act", act), ("plan", plan)]).await
}

#[tokio::test]
async fn a_change_is_explained_then_made_paused_resumed_and_ended() {
    let portal = Portal::start().await;
    let browser = portal.member("ada@example.com").await;
    let shown = browser.get(PAGE).await.html;
    for part in ["Standard", "Growth", "$25.00 a month", "20,000", "included", "your plan", "Pause now"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let question = browser.get(&format!("{PAGE}?act=change_now&plan=growth")).await.html;
    assert!(question.contains("Change to the Growth plan now?") && question.contains("What you pay today"), "{question}");
    assert!(browser.get(PAGE).await.html.contains("Your plan</dt><dd class=\"text\">Standard"), "asking changes nothing");
    let done = confirm(&browser, "change_now", "growth").await;
    assert!(
        done.html.contains("Your subscription is changed.") && done.html.contains("Your plan</dt><dd class=\"text\">Growth"),
        "{}",
        done.html
    );

    let later = confirm(&browser, "change_later", "standard").await.html;
    assert!(later.contains("you are on the Standard plan") && later.contains("Take it back"), "{later}");
    let undone = confirm(&browser, "undo", "").await.html;
    assert!(!undone.contains("Take it back"), "{undone}");

    let paused = confirm(&browser, "pause", "").await.html;
    assert!(paused.contains("Your subscription is paused"), "{paused}");
    for page in ["/app", "/app/billing", "/app/playground"] {
        assert_eq!(browser.get(page).await.path, PAGE, "{page} leads to where it can be resumed");
    }
    assert!(confirm(&browser, "resume", "").await.html.contains("Your plan</dt><dd class=\"text\">Growth"));
    assert_eq!(browser.get("/app/billing").await.path, "/app/billing");
    assert!(confirm(&browser, "cancel", "").await.html.contains("Your subscription ends at"));
}

#[tokio::test]
async fn what_cannot_be_done_is_said_and_a_strange_form_refused() {
    let portal = Portal::start().await;
    let browser = portal.member("ada@example.com").await;
    let refused = browser.post_from(PAGE, PAGE, &[("act", "change_now"), ("plan", "<b>")]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.html.contains("There is no plan") && !refused.html.contains("\"<b>\""), "{}", refused.html);
    assert!(browser.get(&format!("{PAGE}?act=resume")).await.html.contains("The subscription is not paused."));
    assert_eq!(browser.post_from(PAGE, PAGE, &[("act", "fly")]).await.status, 404);
    let forged = browser.form(PAGE, &[("act", "pause")]).header("Sec-Fetch-Site", "cross-site");
    assert_eq!(super::seen(forged).await.status, 403);
    assert_eq!(portal.browser().get(PAGE).await.path, "/login");
}
