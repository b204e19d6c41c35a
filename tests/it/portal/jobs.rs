//! The page of jobs, as a browser without scripts uses it.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::{Browser, Portal, between};
use crate::support::{picture, process};

const PAGE: &str = "/app/jobs";

/// Submits a picture with a key of the member's; gives the job's id.
async fn submit(browser: &Browser) -> String {
    let made = browser.post_from("/app/keys", "/app/keys", &[("name", "jobs"), ("scope_infer", "on")]).await;
    let key = between(&made.html, "data-secret>", "<").expect("the key");
    let request = browser.client.post(format!("{}/v1/jobs", browser.url)).bearer_auth(key).header("Content-Type", "image/png");
    let taken = request.body(picture::png(96, 64)).send().await.expect("an answer");
    assert_eq!(taken.status(), StatusCode::ACCEPTED);
    let job: Value = taken.json().await.expect("JSON");
    job["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_result_is_waited_for_fetched_and_deleted() {
    let mut portal = Portal::start().await;
    portal.served = process::serve_and_work(&portal.db).await;
    let browser = portal.member("ada@example.com").await;
    assert!(browser.get(PAGE).await.html.contains("No jobs yet"));
    let job = submit(&browser).await;
    let mut shown = browser.get(PAGE).await.html;
    for _ in 0..600 {
        if shown.contains("ready after") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        shown = browser.get(PAGE).await.html;
    }
    assert!(shown.contains(&job) && shown.contains(">succeeded<") && shown.contains("$0.0015"), "{shown}");

    let result = browser.client.get(format!("{}{PAGE}/{job}/result", browser.url)).send().await.expect("an answer");
    let named = result.headers()["content-disposition"].to_str().expect("text").to_owned();
    assert_eq!(named, format!("attachment; filename=\"{job}.json\""));
    let answer: Value = result.json().await.expect("JSON");
    assert_eq!((&answer["object"], &answer["usage"]["amount"]), (&"detection".into(), &"0.0015".into()));

    let deleted = browser.post_from(PAGE, &format!("{PAGE}/{job}/cancel"), &[]).await.html;
    assert!(deleted.contains("The result is deleted.") && deleted.contains("result deleted"), "{deleted}");
    assert_eq!(browser.get(&format!("{PAGE}/{job}/result")).await.status, 404);
}

#[tokio::test]
async fn a_waiting_job_is_called_off_by_its_own_account_only() {
    // Nothing works here, so the job waits.
    let portal = Portal::start().await;
    let browser = portal.member("ada@example.com").await;
    let job = submit(&browser).await;
    let shown = browser.get(&format!("{PAGE}?status=queued")).await.html;
    assert!(shown.contains(&job) && shown.contains("waiting for") && shown.contains("Really cancel"), "{shown}");
    assert!(browser.get(&format!("{PAGE}?status=failed")).await.html.contains("No failed jobs"));

    let other = portal.member("bob@example.com").await;
    assert!(!other.get(PAGE).await.html.contains(&job));
    for id in [job.as_str(), "job_x", "inv_0"] {
        assert_eq!(other.post_from(PAGE, &format!("{PAGE}/{id}/cancel"), &[]).await.status, 404, "{id}");
        assert_eq!(other.get(&format!("{PAGE}/{id}/result")).await.status, 404, "{id}");
    }

    let off = browser.post_from(PAGE, &format!("{PAGE}/{job}/cancel"), &[]).await;
    assert!(off.html.contains("The job is canceled. It costs nothing.") && off.html.contains(">canceled<"), "{}", off.html);
    assert!(!off.html.contains("Really cancel"));
    assert!(browser.get(&format!("{PAGE}?before={job}")).await.html.contains("No jobs before that"));
}
