//! A model that is busy, or slow: refused in time, and nothing charged.

use std::time::Duration;

use lensmeter::vision::{ModelInfo, Task, backend::Backend};
use reqwest::Method;
use tokio::task::JoinSet;

use super::{Api, problem};
use crate::support::model::{Gate, Slow, info};
use crate::support::picture;

fn slow(gate: &Gate) -> (ModelInfo, Box<dyn Backend>) {
    (info("slow", "1", Task::Classify, &["cat", "dog"]), Box::new(Slow(gate.clone())))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_said_at_once_with_a_time_to_come_back() {
    let gate = Gate::default();
    let api = Api::with_models(vec![slow(&gate)]).await;
    let mut calls = JoinSet::new();
    for width in 1..=8 {
        // Each its own picture: equal ones would be computed together.
        let request = api.request(Method::POST, "/v1/classify").header("Content-Type", "image/png").body(picture::png(width, 8));
        calls.spawn(async move { request.send().await.expect("an answer") });
    }
    // One is computed and one waits; nothing else can come to an end but a refusal.
    let refused = calls.join_next().await.expect("eight calls").expect("no panic");
    let wait = refused.headers()["retry-after"].to_str().expect("ASCII").parse::<u64>().expect("whole seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    problem(refused, 503, "overloaded").await;
    gate.open();
    let mut served = 0;
    while let Some(answer) = calls.join_next().await {
        let answer = answer.expect("no panic");
        match answer.status().as_u16() {
            200 => served += 1,
            _ => drop(problem(answer, 503, "overloaded").await),
        }
    }
    assert!(served >= 1, "those that were accepted are answered");
    assert_eq!(api.books().await.1, served, "only those are charged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_too_long_is_given_up() {
    let gate = Gate::default();
    let api = Api::with(vec![slow(&gate)], |app| app.inference.deadline = Duration::from_millis(300)).await;
    let before = api.books().await;
    problem(api.image("/v1/classify").send().await.expect("an answer"), 504, "deadline").await;
    assert_eq!(api.books().await, before);
    gate.open();
}
