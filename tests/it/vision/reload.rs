//! The folder of models changes while the program serves.

use std::{
    fs,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lensmeter::vision::{ModelState, OpenError, Settings, Vision};

use super::stage::{Models, Stage, call, class, lane, loader, picture, route, start, until};

fn state(vision: &Vision, id: &str) -> Option<ModelState> {
    vision.states().into_iter().find(|state| state.id == id)
}

fn problem(vision: &Vision, id: &str) -> String {
    state(vision, id).and_then(|state| state.problem).unwrap_or_else(|| panic!("nothing is wrong with {id}: {:?}", vision.states()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_swapped_under_load_and_nobody_notices() {
    let (models, stage) = (Models::new(), Arc::new(Stage::default()));
    models.put("cat/1", "1");
    let settings = Settings { poll: Duration::from_millis(20), ..models.settings() };
    let vision = Vision::start_with(&settings, loader(&stage, 1)).expect("the folder is right");
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..3u128)
        .map(|account| {
            let (vision, stop) = (vision.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut classes = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let answer = call(&vision, &route(&vision, "cat", account), &picture(0), lane(account)).await;
                    classes.push(class(&answer).to_owned());
                }
                classes
            })
        })
        .collect();
    let old = route(&vision, "cat", 9);
    models.put("cat/2", "2");
    until("the new version serves", || route(&vision, "cat", 9).model().version == "2").await;
    // The same version with other weights, and the old version gone.
    models.put("cat/2", "3");
    models.remove("cat/1");
    until("the old version is gone", || state(&vision, "cat/1").is_none()).await;
    assert_eq!(stage.loaded("cat/1"), 1, "a route still holds it");
    assert_eq!(class(&call(&vision, &old, &picture(0), lane(9)).await), "1");
    drop(old);
    until("it is unloaded", || stage.loaded("cat/1") == 0).await;
    until("the changed one is swapped in", || stage.loaded("cat/2") == 1).await;
    let answer = call(&vision, &route(&vision, "cat", 9), &picture(0), lane(9)).await;
    assert_eq!(class(&answer), "3");
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        let classes = caller.await.expect("every call was answered");
        assert!(classes.is_sorted(), "no caller goes back to an older version");
    }
}

#[tokio::test]
async fn no_call_waits_while_another_model_is_loaded() {
    let (models, stage) = (Models::new(), Arc::new(Stage::default()));
    models.put("cat/1", "1");
    let settings = Settings { poll: Duration::from_millis(20), ..models.settings() };
    let vision = Vision::start_with(&settings, loader(&stage, 1)).expect("the folder is right");
    stage.hold("load cat/2");
    stage.hold("load dog/1");
    models.put("cat/2", "2");
    models.put("dog/1", "3");
    tokio::time::sleep(Duration::from_millis(200)).await;
    for mark in 0..20 {
        assert_eq!(class(&call(&vision, &route(&vision, "cat", 1), &picture(mark), lane(1)).await), "1");
    }
    assert_eq!(vision.models().len(), 1, "what is being loaded is not there yet");
    stage.release("load cat/2");
    stage.release("load dog/1");
    until("both serve", || vision.models().len() == 3).await;
}

#[tokio::test]
async fn a_broken_version_leaves_the_old_one_serving_and_says_why() {
    let (models, stage) = (Models::new(), Arc::new(Stage::default()));
    models.put("cat/1", "1");
    let vision = start(&models, &stage);
    models.put("cat/2", "broken");
    models.put("cat/1", "broken too");
    vision.reload().await;
    assert_eq!(class(&call(&vision, &route(&vision, "cat", 1), &picture(0), lane(1)).await), "1");
    assert!(problem(&vision, "cat/2").contains("\"broken\" is no class"));
    assert!(problem(&vision, "cat/1").contains("\"broken too\" is no class"));
    assert!(state(&vision, "cat/1").is_some_and(|state| state.serving));
    assert!(state(&vision, "cat/2").is_some_and(|state| !state.serving));
    models.put("cat/2", "2");
    vision.reload().await;
    assert_eq!(class(&call(&vision, &route(&vision, "cat", 1), &picture(0), lane(1)).await), "2");
    assert!(state(&vision, "cat/2").is_some_and(|state| state.problem.is_none()));
}

#[test]
fn a_broken_version_stops_the_first_start() {
    let (models, stage) = (Models::new(), Arc::new(Stage::default()));
    models.put("cat/1", "1");
    models.put("cat/2", "broken");
    let error = Vision::start_with(&models.settings(), loader(&stage, 1)).expect_err("one is broken");
    assert!(matches!(&error, OpenError::Weights { path, .. } if path.ends_with("cat/2/weights")), "{error}");
}

#[tokio::test]
async fn files_that_are_still_being_copied_are_left_alone() {
    let (models, stage) = (Models::new(), Arc::new(Stage::default()));
    models.put("cat/1", "1");
    let vision = start(&models, &stage);
    models.put("cat/2", "");
    let mut weights = fs::File::options().append(true).open(models.0.join("cat/2/weights")).expect("it is there");
    for _ in 0..5 {
        vision.refresh().await;
        assert!(state(&vision, "cat/2").is_none(), "half a version was tried: {:?}", vision.states());
        weights.write_all(b" ").expect("writable");
    }
    weights.write_all(b"2").expect("writable");
    vision.refresh().await;
    assert!(state(&vision, "cat/2").is_none(), "once is not enough");
    vision.refresh().await;
    assert!(state(&vision, "cat/2").is_some_and(|state| state.serving), "{:?}", vision.states());
}

#[tokio::test]
async fn memory_goes_to_what_calls_lead_to() {
    let (models, stage) = (Models::new(), Arc::new(Stage::default()));
    models.put("cat/1", "1");
    models.put("dog/1", "1");
    let settings = Settings { memory: Some(3 << 20), ..models.settings() };
    let vision = Vision::start_with(&settings, loader(&stage, 1)).expect("the folder is right");
    let serving = || vision.models().iter().map(|model| model.id()).collect::<Vec<_>>();
    models.put("cat/2", "2");
    vision.reload().await;
    assert_eq!(serving(), ["cat/2", "cat/1", "dog/1"], "all three fit");
    models.put("cat/3", "3");
    vision.reload().await;
    assert_eq!(serving(), ["cat/3", "cat/2", "dog/1"], "the oldest that no call leads to made room");
    assert!(problem(&vision, "cat/1").contains("unloaded to make room for cat/3"));
    // With every version needed, the next is refused and nothing is lost.
    models.routing("models.cat.versions = { 3 = 1, 2 = 1 }");
    vision.reload().await;
    models.put("cow/1", "4");
    vision.reload().await;
    assert_eq!(serving(), ["cat/3", "cat/2", "dog/1"]);
    assert_eq!(problem(&vision, "cow/1"), "cow/1 takes 1 MB, and 0 MB of vision.memory_mb are left");
    // Room again: it is tried again.
    models.remove("dog/1");
    vision.reload().await;
    vision.reload().await;
    assert_eq!(serving(), ["cat/3", "cat/2", "cow/1"]);
}

#[tokio::test]
async fn a_folder_that_is_away_takes_no_model_with_it_nor_one_that_a_route_names() {
    let (models, stage) = (Models::new(), Arc::new(Stage::default()));
    models.put("cat/1", "1");
    models.put("cat/2", "2");
    models.routing("models.cat.versions = { 1 = 1 }");
    let vision = start(&models, &stage);
    models.remove("cat/1");
    vision.reload().await;
    assert!(problem(&vision, "cat/1").contains("its folder is gone, and it still serves: models.cat.versions"));
    assert_eq!(class(&call(&vision, &route(&vision, "cat", 1), &picture(0), lane(1)).await), "1");
    let away = models.0.with_extension("away");
    fs::rename(&models.0, &away).expect("writable");
    vision.reload().await;
    assert!(problem(&vision, "folder").contains("models folder"));
    assert_eq!(vision.models().len(), 2);
    fs::rename(&away, &models.0).expect("writable");
    models.routing("");
    vision.reload().await;
    vision.reload().await;
    assert_eq!(vision.models().len(), 1);
    assert_eq!(class(&call(&vision, &route(&vision, "cat", 1), &picture(0), lane(1)).await), "2");
    assert!(vision.states().iter().all(|state| state.problem.is_none()), "{:?}", vision.states());
}
