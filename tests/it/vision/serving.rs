//! Which model answers whom: splits, shadows, fallbacks, and what is wrong with a routing file.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use lensmeter::vision::{DecodeError, InferError, Task, Vision};

use super::stage::{LIMITS, Models, Stage, call, class, lane, loader, picture, route, start, until};

#[tokio::test]
async fn accounts_are_split_by_parts_and_stay_where_they_are() {
    let (models, stage) = (Models::new(), Arc::new(Stage::default()));
    ["cat/1", "cat/2", "cat/10"].iter().for_each(|id| models.put(id, "1"));
    models.routing("models.cat.versions = { 1 = 75, 2 = 25 }");
    let (one, other) = (start(&models, &stage), start(&models, &stage));
    let version = |vision: &Vision, account| route(vision, "cat", account).model().version.clone();
    let mut accounts = BTreeMap::<String, usize>::new();
    for account in 0..4000 {
        let mine = version(&one, account);
        assert_eq!(mine, version(&other, account), "the same on every replica");
        *accounts.entry(mine).or_default() += 1;
    }
    assert_eq!(accounts.keys().collect::<Vec<_>>(), ["1", "2"], "the newest has no part");
    assert!((2850..3150).contains(&accounts["1"]), "{accounts:?}");
    // Who names a version gets it, whatever the parts say; without parts everyone gets the newest.
    assert_eq!(route(&one, "cat/10", 5).model().version, "10");
    models.routing("");
    one.reload().await;
    assert_eq!(version(&one, 5), "10");
}

#[tokio::test]
async fn accounts_move_only_where_the_border_moves() {
    let (models, stage) = (Models::new(), Arc::new(Stage::default()));
    ["cat/1", "cat/2"].iter().for_each(|id| models.put(id, "1"));
    models.routing("models.cat.versions = { 1 = 90, 2 = 10 }");
    let vision = start(&models, &stage);
    let versions = || (0..2000).map(|account| route(&vision, "cat", account).model().version.clone()).collect::<Vec<_>>();
    let before = versions();
    models.routing("models.cat.versions = { 1 = 4, 2 = 1 }");
    vision.reload().await;
    let moved: Vec<_> = before.into_iter().zip(versions()).filter(|(a, b)| a != b).collect();
    assert!(moved.iter().all(|(from, to)| from == "1" && to == "2"), "nobody moves back");
    assert!((130..270).contains(&moved.len()), "a tenth of them: {}", moved.len());
}

#[test]
fn a_wrong_routing_file_stops_the_start_and_says_why() {
    let (models, stage) = (Models::new(), Arc::new(Stage::default()));
    ["cat/1", "cat/2", "dog/1"].iter().for_each(|id| models.put(id, "1"));
    for (routing, expected) in [
        ("task.classify = 'cat'", "unknown field `task`"),
        ("models.cat.shadow = ['dog']", "unknown field `shadow`"),
        ("tasks.classify = 'cow'", "tasks.classify: there is no model \"cow\""),
        ("tasks.detect = 'cat'", "tasks.detect: \"cat\" does classify"),
        ("tasks.paint = 'cat'", "unknown variant `paint`"),
        ("models.cow.fallback = 'cat'", "models.cow: there is no such model"),
        ("models.cat.versions = { 3 = 1 }", "models.cat.versions: there is no version \"3\""),
        ("models.cat.versions = { 1 = 0 }", "models.cat.versions: at least one needs a part above 0"),
        ("models.cat.versions = { 1 = -1 }", "invalid value"),
        ("models.cat.fallback = 'dog/2'", "models.cat.fallback: there is no model \"dog/2\""),
        ("models.cat.shadows = ['cow']", "models.cat.shadows: there is no model \"cow\""),
    ] {
        models.routing(routing);
        let error = Vision::start_with(&models.settings(), loader(&stage, 1)).expect_err(routing).to_string();
        assert!(error.contains("routing.toml") && error.contains(expected), "{routing}: {error}");
    }
}

#[tokio::test]
async fn the_default_of_a_task_is_chosen_by_the_operator() {
    let (models, stage) = (Models::new(), Arc::new(Stage::default()));
    ["cat/1", "dog/1"].iter().for_each(|id| models.put(id, "1"));
    let vision = start(&models, &stage);
    let default = || vision.route(Task::Classify, None, 1).expect("there is one").model().name.clone();
    assert_eq!(default(), "cat");
    models.routing("tasks.classify = 'dog'");
    vision.reload().await;
    assert_eq!(default(), "dog");
    // A routing file that became wrong changes nothing.
    models.routing("tasks.classify = 'cow'");
    vision.reload().await;
    assert_eq!(default(), "dog");
    assert!(vision.states().iter().any(|state| state.id == "routing.toml" && !state.serving && state.problem.is_some()));
}

#[tokio::test]
async fn a_shadow_neither_delays_nor_fails_a_call() {
    let (models, stage) = (Models::new(), Arc::new(Stage::default()));
    models.put("cat/1", "1");
    models.put("cat/2", "2");
    models.routing("models.cat = { versions = { 1 = 1 }, shadows = ['cat/2'] }");
    let vision = Vision::start_with(&models.settings(), loader(&stage, 2)).expect("the folder is right");
    let cat = route(&vision, "cat", 1);
    stage.hold("cat/2");
    assert_eq!(class(&call(&vision, &cat, &picture(0), lane(1)).await), "1");
    until("the shadow runs", || stage.runs("cat/2") == 1).await;
    // It does not end; calls do.
    for mark in 1..50 {
        assert_eq!(class(&call(&vision, &cat, &picture(mark), lane(1)).await), "1");
    }
    assert_eq!(stage.runs("cat/2"), 1, "one shadow at a time");
    stage.fail("cat/2");
    stage.release("cat/2");
    until("shadows go on", || stage.runs("cat/2") > 1).await;
    assert_eq!(class(&call(&vision, &cat, &picture(60), lane(1)).await), "1");
}

#[tokio::test]
async fn a_shadow_waits_until_the_device_is_idle() {
    let (models, stage) = (Models::new(), Arc::new(Stage::default()));
    models.put("cat/1", "1");
    models.put("cat/2", "2");
    models.put("dog/1", "3");
    models.routing("models.cat = { versions = { 1 = 1 }, shadows = ['cat/2'] }");
    let vision = Vision::start_with(&models.settings(), loader(&stage, 2)).expect("the folder is right");
    stage.hold("dog/1");
    let busy = {
        let (vision, dog) = (vision.clone(), route(&vision, "dog", 1));
        tokio::spawn(async move { call(&vision, &dog, &picture(0), lane(1)).await })
    };
    until("the device is busy", || stage.runs("dog/1") == 1).await;
    assert_eq!(class(&call(&vision, &route(&vision, "cat", 1), &picture(1), lane(1)).await), "1");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(stage.runs("cat/2"), 0, "one of two threads computes for a customer");
    stage.release("dog/1");
    assert_eq!(class(&busy.await.expect("no panic")), "3");
    until("the shadow runs", || stage.runs("cat/2") == 1).await;
}

#[tokio::test]
async fn the_fallback_answers_when_the_first_cannot() {
    let (models, stage) = (Models::new(), Arc::new(Stage::default()));
    models.put("cat/1", "1");
    models.put("dog/1", "2");
    models.routing("models.cat.fallback = 'dog'");
    let vision = Vision::start_with(&models.settings(), loader(&stage, 2)).expect("the folder is right");
    let cat = route(&vision, "cat", 1);
    stage.fail("cat/1");
    let answer = call(&vision, &cat, &picture(1), lane(1)).await;
    assert_eq!(class(&answer), "2");
    assert_eq!(answer.expect("it is").model.name, "dog", "the answer says who gave it");
    // Who names a version asked for that one.
    let exact = call(&vision, &route(&vision, "cat/1", 1), &picture(1), lane(1)).await;
    assert!(matches!(exact, Err(InferError::Failed(_))));
    stage.fail("dog/1");
    let neither = call(&vision, &cat, &picture(2), lane(1)).await;
    assert_eq!(neither.expect_err("both fail"), InferError::Failed("told to fail".into()));
}

#[tokio::test]
async fn a_full_queue_refuses_before_it_decodes_and_the_fallback_takes_over() {
    let (models, stage) = (Models::new(), Arc::new(Stage::default()));
    models.put("cat/1", "1");
    models.put("dog/1", "2");
    let vision = Vision::start_with(&models.settings(), loader(&stage, 2)).expect("the folder is right");
    stage.hold("cat/1");
    let (cat, count) = (route(&vision, "cat", 1), 2 + LIMITS.queue as u8);
    let mut calls = Vec::new();
    for mark in 0..count {
        let (own, cat) = (vision.clone(), cat.clone());
        calls.push(tokio::spawn(async move { call(&own, &cat, &picture(mark), lane(1)).await }));
        let taken = usize::from(mark) + 1;
        until("it is in the queue", || stage.frames("cat/1") == taken.min(2) && waiting(&vision, "cat/1") == taken.saturating_sub(2)).await;
    }
    // What is sent is no picture: had it been decoded, that would be the error.
    let refused = vision.decode(&cat, "no picture".into(), lane(7)).await.expect_err("the queue is full");
    assert!(matches!(refused, DecodeError::Overloaded { .. }), "{refused}");
    assert!(matches!(call(&vision, &cat, &picture(99), lane(1)).await, Err(InferError::Overloaded { .. })));
    models.routing("models.cat.fallback = 'dog'");
    vision.reload().await;
    let cat = route(&vision, "cat", 1);
    assert!(matches!(vision.decode(&cat, "no picture".into(), lane(7)).await, Err(DecodeError::UnsupportedMediaType { .. })));
    let other = {
        let vision = vision.clone();
        tokio::spawn(async move { call(&vision, &cat, &picture(99), lane(1)).await })
    };
    until("the fallback is asked", || waiting(&vision, "dog/1") == 1).await;
    stage.release("cat/1");
    assert_eq!(class(&other.await.expect("no panic")), "2");
    for call in calls {
        assert_eq!(class(&call.await.expect("no panic")), "1", "those that were let in are answered");
    }
}

fn waiting(vision: &Vision, id: &str) -> usize {
    vision.states().iter().find(|state| state.id == id).map_or(0, |state| state.waiting)
}
