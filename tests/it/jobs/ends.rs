//! Each way a job ends, and what it leaves behind.

use entity::job::Status;
use entity::webhook_delivery;
use lensmeter::auth::key;
use lensmeter::auth::key::Keys;
use lensmeter::inference::job as jobs;
use lensmeter::inference::store::What;
use lensmeter::platform::queue::Failure;
use lensmeter::webhooks::endpoint;
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, EntityTrait as _};

use super::{Bench, attempt, image, spend_all};
use crate::metering::books::assert_books;
use crate::support::make;

/// The events that the customer's webhooks were told.
async fn told(bench: &Bench) -> Vec<String> {
    webhook_delivery::Entity::find().all(&*bench.db).await.unwrap().into_iter().map(|row| row.event).collect()
}

#[tokio::test]
async fn a_job_that_succeeds_has_its_result_and_one_charge() {
    let bench = Bench::new().await;
    endpoint::add_in(&*bench.db, bench.account.id, "https://example.com/hook", false, make::start()).await.unwrap();
    let replica = bench.replica().await;
    let job = bench.submit(&replica, image(0)).await;
    assert_eq!((job.status, bench.events().await.len()), (Status::Queued, 0));
    assert!(bench.has(What::Input, &job).await);

    attempt(&replica, &job, 1).await.unwrap();
    attempt(&replica, &job, 2).await.unwrap();
    let ended = bench.job(job.id).await;
    assert_eq!((ended.status, bench.charged(&job).await), (Status::Succeeded, 1));
    let result = jobs::result(&replica, &ended).await.unwrap().expect("a result");
    let result: serde_json::Value = serde_json::from_slice(&result).unwrap();
    assert_eq!((&result["object"], &result["image"]["width"]), (&"detection".into(), &64.into()));
    assert_eq!(result["usage"]["event_id"], bench.events().await[0].id.to_string());
    assert!(bench.events().await[0].amount_nanos <= job.price_nanos);
    assert!(!bench.has(What::Input, &job).await, "the input is not kept");
    assert_eq!(told(&bench).await, ["job.succeeded"]);
    assert_books(&bench.db).await;
}

#[tokio::test]
async fn a_bad_image_fails_at_once_and_free() {
    let bench = Bench::new().await;
    endpoint::add_in(&*bench.db, bench.account.id, "https://example.com/hook", false, make::start()).await.unwrap();
    let replica = bench.replica().await;
    let whole = image(0);
    for (bytes, code) in [(b"hello".to_vec(), "unsupported_media_type"), (whole[..whole.len() / 2].to_vec(), "undecodable_image")] {
        let job = bench.submit(&replica, bytes).await;
        attempt(&replica, &job, 1).await.unwrap();
        let ended = bench.job(job.id).await;
        assert_eq!((ended.status, ended.error_code.as_deref()), (Status::Failed, Some(code)));
        assert!(ended.error_detail.is_some_and(|detail| detail.len() > 20));
        assert!(!bench.has(What::Input, &job).await);
    }
    assert!(bench.events().await.is_empty());
    assert_eq!(told(&bench).await, ["job.failed", "job.failed"]);
}

#[tokio::test]
async fn a_job_that_finds_no_credit_a_dearer_price_or_a_revoked_key_fails_free() {
    let bench = Bench::new().await;
    let replica = bench.replica().await;
    let dearer = bench.submit(&replica, image(0)).await;
    let mut cheap: entity::job::ActiveModel = dearer.clone().into();
    cheap.price_nanos = Set(entity::money::Nanos(1));
    cheap.update(&*bench.db).await.unwrap();
    let (broke, revoked) = (bench.submit(&replica, image(1)).await, bench.submit(&replica, image(2)).await);

    attempt(&replica, &dearer, 1).await.unwrap();
    spend_all(&bench.db).await;
    attempt(&bench.replica().await, &broke, 1).await.unwrap();
    let keys = Keys::new((*bench.db).clone());
    key::revoke(&*bench.db, &keys, bench.account.id, bench.caller.key.id, make::start()).await.unwrap();
    attempt(&replica, &revoked, 1).await.unwrap();
    for (job, code) in [(dearer, "price_changed"), (broke, "insufficient_credit"), (revoked, "invalid_key")] {
        let ended = bench.job(job.id).await;
        assert_eq!((ended.status, ended.error_code.as_deref()), (Status::Failed, Some(code)));
    }
    assert!(bench.events().await.is_empty());
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_then_given_up() {
    let bench = Bench::new().await;
    let replica = bench.replica().await;
    let job = bench.submit(&replica, image(0)).await;
    bench.store().delete(What::Input, job.account_id, job.id).await.unwrap();
    for number in 1..3 {
        assert!(matches!(attempt(&replica, &job, number).await, Err(Failure::Retry(_))), "attempt {number}");
        assert_eq!(bench.job(job.id).await.status, Status::Queued);
    }
    attempt(&replica, &job, 3).await.unwrap();
    assert_eq!(bench.job(job.id).await.error_code.as_deref(), Some("internal"));

    // A job that takes every worker with it is not given a ninth.
    let deadly = bench.submit(&replica, image(1)).await;
    attempt(&replica, &deadly, 9).await.unwrap();
    assert_eq!((bench.job(deadly.id).await.status, bench.events().await.len()), (Status::Failed, 0));
}

#[tokio::test]
async fn a_job_is_canceled_while_it_waits_and_while_it_runs() {
    let bench = Bench::new().await;
    endpoint::add_in(&*bench.db, bench.account.id, "https://example.com/hook", false, make::start()).await.unwrap();
    let replica = bench.replica().await;
    let (waits, runs) = (bench.submit(&replica, image(0)).await, bench.submit(&replica, image(1)).await);
    let cancel = async |id| jobs::cancel(&replica, bench.account.id, id).await.unwrap().expect("the job is there").status;
    assert_eq!(cancel(waits.id).await, Status::Canceled);
    attempt(&replica, &waits, 1).await.unwrap();

    bench.gate.set(false);
    let worker = tokio::spawn({
        let (replica, runs) = (replica.clone(), runs.clone());
        async move { attempt(&replica, &runs, 1).await }
    });
    bench.until(runs.id, Status::Processing).await;
    assert_eq!(cancel(runs.id).await, Status::Canceled);
    // At once, while the call has not been dropped yet: its commit finds the key taken.
    bench.gate.set(true);
    worker.await.unwrap().unwrap();
    assert_eq!(bench.job(runs.id).await.status, Status::Canceled);
    assert_eq!(cancel(runs.id).await, Status::Canceled);
    assert!(bench.events().await.is_empty());
    assert_eq!(told(&bench).await, ["job.canceled", "job.canceled"]);
    assert!(!bench.has(What::Input, &waits).await && !bench.has(What::Input, &runs).await);
    assert_books(&bench.db).await;
}

#[tokio::test]
async fn a_result_is_deleted_on_request_and_the_job_stays() {
    let bench = Bench::new().await;
    let replica = bench.replica().await;
    let job = bench.submit(&replica, image(0)).await;
    attempt(&replica, &job, 1).await.unwrap();
    for _ in 0..2 {
        let erased = jobs::cancel(&replica, bench.account.id, job.id).await.unwrap().expect("the job is there");
        assert_eq!((erased.status, erased.erased_at), (Status::Succeeded, Some(make::start())));
        assert!(jobs::result(&replica, &erased).await.unwrap().is_none() && !bench.has(What::Result, &job).await);
    }
    let eve = make::account(&bench.db).await;
    assert!(jobs::cancel(&replica, eve.id, job.id).await.unwrap().is_none());
}
