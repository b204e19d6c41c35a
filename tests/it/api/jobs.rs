//! Inference without waiting, as a customer's program does it: submit, poll, cancel, and a server that is killed meanwhile.

use std::time::Duration;

use entity::usage_event;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, Response};
use sea_orm::{ConnectionTrait as _, EntityTrait as _};
use serde_json::{Value, json};

use super::{Api, json as good, problem};
use crate::metering::books::assert_books;
use crate::support::{make, picture, process};

impl Api {
    /// The same with background work.
    async fn working() -> Self {
        let mut api = Self::start().await;
        api.served = process::serve_and_work(&api.db).await;
        api
    }

    fn submit(&self, image: Vec<u8>) -> RequestBuilder {
        self.request(Method::POST, "/v1/jobs").header("Content-Type", "image/png").body(image)
    }

    /// The job once it has ended.
    async fn ended(&self, id: &str) -> Value {
        for _ in 0..600 {
            let job = self.get(&format!("/v1/jobs/{id}")).await;
            if !["queued", "processing"].contains(&job["status"].as_str().expect("a status")) {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("job {id} did not end within 30 s");
    }
}

async fn send(request: RequestBuilder) -> Response {
    request.send().await.expect("an answer")
}

fn id(job: &Value) -> String {
    job["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_job_is_submitted_polled_and_read() {
    let api = Api::working().await;
    let form = Form::new().part("image", Part::bytes(picture::png(96, 64)).file_name("x.png")).text("max_results", "7");
    let taken = send(api.request(Method::POST, "/v1/jobs").multipart(form)).await;
    assert_eq!(taken.status(), 202);
    let location = taken.headers()["location"].to_str().expect("a path").to_owned();
    let job: Value = taken.json().await.expect("JSON");
    assert_eq!(location, format!("/v1/jobs/{}", id(&job)));
    assert_eq!((&job["object"], &job["status"], &job["task"]), (&json!("job"), &json!("queued"), &json!("detect")));
    assert_eq!(job["price"], json!({ "amount": "0.0015", "currency": "usd" }));
    assert!(job.get("result").is_none() && job.get("error").is_none() && job.get("model").is_none());

    let ended = api.ended(&id(&job)).await;
    assert_eq!(ended["status"], "succeeded");
    let result = &ended["result"];
    assert_eq!((&result["object"], &result["image"]), (&json!("detection"), &json!({ "width": 96, "height": 64 })));
    assert_eq!(result["usage"]["amount"], "0.0015");
    assert!(ended["expires_at"].as_str() > ended["finished_at"].as_str());
    assert_eq!(api.books().await.1, 1);

    // The same as the route itself would have answered.
    let direct = good(api.detect()).await;
    let fields = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(result), fields(&direct));

    let list = api.get("/v1/jobs?status=succeeded").await;
    assert_eq!((id(&list["data"][0]), list["data"][0].get("result")), (id(&job), None));
    assert_eq!(api.get("/v1/jobs?status=queued").await["data"], json!([]));
    problem(send(api.request(Method::GET, "/v1/jobs?status=late")).await, 422, "invalid_field").await;

    let erased = good(api.request(Method::DELETE, &location)).await;
    assert_eq!((&erased["status"], erased.get("result")), (&json!("succeeded"), None));
    assert!(erased["result_deleted_at"].is_string());
}

#[tokio::test]
async fn a_call_that_prefers_its_answer_later_is_a_job() {
    let api = Api::working().await;
    let later = || api.detect().header("Prefer", "respond-async, wait=5").header("Idempotency-Key", "one");
    let taken = send(later()).await;
    assert_eq!((taken.status().as_u16(), &taken.headers()["preference-applied"]), (202, &"respond-async".parse().unwrap()));
    assert!(taken.headers().get("idempotency-replayed").is_none());
    let job: Value = taken.json().await.expect("JSON");
    assert_eq!((&job["task"], &api.ended(&id(&job)).await["status"]), (&json!("detect"), &json!("succeeded")));

    let again = send(later()).await;
    assert_eq!((again.status().as_u16(), &again.headers()["idempotency-replayed"]), (202, &"true".parse().unwrap()));
    let again: Value = again.json().await.expect("JSON");
    assert_eq!((id(&again), api.books().await.1), (id(&job), 1));
    // The key is taken for every route.
    problem(send(api.detect().header("Idempotency-Key", "one")).await, 422, "idempotency_mismatch").await;
    // The route has said the task.
    let form = Form::new().part("image", Part::bytes(picture::png(8, 8))).text("task", "embed");
    let other = api.request(Method::POST, "/v1/detect").header("Prefer", "respond-async").multipart(form);
    problem(send(other).await, 422, "unknown_field").await;
    // Whoever prefers nothing of the kind gets the answer.
    assert_eq!(good(api.detect().header("Prefer", "return=minimal")).await["object"], "detection");
}

#[tokio::test]
async fn what_is_wrong_is_told_at_once_or_by_the_job_and_costs_nothing() {
    let api = Api::working().await;
    let before = api.books().await;
    let form = |name: &'static str, text: &'static str| Form::new().part("image", Part::bytes(picture::png(8, 8))).text(name, text);
    let post = |form| api.request(Method::POST, "/v1/jobs").multipart(form);
    problem(send(post(form("task", "guess"))).await, 422, "invalid_field").await;
    problem(send(post(form("colour", "red"))).await, 422, "unknown_field").await;
    problem(send(post(form("model", "nobody"))).await, 404, "unknown_model").await;
    problem(send(api.submit(Vec::new())).await, 422, "undecodable_image").await;
    problem(send(api.submit(vec![0; 21 << 20])).await, 413, "image_too_large").await;
    assert_eq!(api.get("/v1/jobs").await["data"], json!([]));

    let job = good(api.submit(b"hello, I am a text".to_vec())).await;
    let ended = api.ended(&id(&job)).await;
    assert_eq!((&ended["status"], &ended["error"]["code"]), (&json!("failed"), &json!("unsupported_media_type")));
    assert_eq!(ended["error"]["status"], 415);
    assert!(ended["error"]["type"].as_str().expect("a URL").ends_with("/docs/errors/unsupported_media_type"));
    assert!(ended.get("result").is_none());
    assert_eq!(api.books().await, before, "something was charged");
}

#[tokio::test]
async fn another_accounts_job_is_not_there() {
    let api = Api::start().await;
    let job = good(api.submit(picture::png(8, 8))).await;
    let eve = make::account(&api.db).await;
    let (_, key) = make::key(&api.db, &eve).await;
    let path = format!("/v1/jobs/{}", id(&job));
    for method in [Method::GET, Method::DELETE] {
        problem(send(api.anonymous(method, &path).bearer_auth(&key)).await, 404, "not_found").await;
    }
    assert_eq!(good(api.anonymous(Method::GET, "/v1/jobs").bearer_auth(&key)).await["data"], json!([]));
    for wrong in ["/v1/jobs/job_1", "/v1/jobs/key_00000000000000000000000000", "/v1/jobs/job_00000000000000000000000000"] {
        problem(send(api.request(Method::GET, wrong)).await, 404, "not_found").await;
    }
    // Nobody works here: it still waits, and can be called off.
    assert_eq!(api.get(&path).await["status"], "queued");
    for _ in 0..2 {
        assert_eq!(good(api.request(Method::DELETE, &path)).await["status"], "canceled");
    }
    let narrow = api.request(Method::POST, "/v1/keys").json(&json!({ "name": "usage only", "scopes": ["usage"] }));
    let narrow = good(narrow).await["secret"].as_str().expect("the whole key").to_owned();
    problem(send(api.anonymous(Method::GET, "/v1/jobs").bearer_auth(&narrow)).await, 403, "scope").await;
}

#[tokio::test]
async fn jobs_survive_a_killed_server_and_are_charged_once() {
    const JOBS: usize = 40;
    let mut api = Api::start().await;
    // Taken while nobody works.
    let mut jobs = Vec::new();
    for number in 0..JOBS as u32 {
        jobs.push(id(&good(api.submit(picture::png(64 + number, 64))).await));
    }
    let mut ended_before = 0;
    for _ in 0..3 {
        api.served.kill();
        api.served = process::serve_and_work(&api.db).await;
        tokio::time::sleep(Duration::from_millis(rand::random_range(20..300))).await;
        api.served.kill();
        // The claims of the dead run out, without this test waiting for it.
        api.db.execute_unprepared("UPDATE queue_job SET locked_until = NULL").await.expect("an update");
        ended_before = usage_event::Entity::find().all(&*api.db).await.expect("events").len();
        println!("{ended_before} of {JOBS} charged before a kill");
    }
    api.served = process::serve_and_work(&api.db).await;
    for job in &jobs {
        assert_eq!(api.ended(job).await["status"], "succeeded");
    }
    let events = usage_event::Entity::find().all(&*api.db).await.expect("events");
    assert_eq!(events.len(), JOBS, "one charge a job: none missing, none twice ({ended_before} before the last kill)");
    assert_books(&api.db).await;
}
