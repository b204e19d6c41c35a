//! What is taken, what is refused, and who goes first.

use entity::ids::RequestId;
use entity::job::Status;
use entity::{job, queue_job};
use futures_util::future::join_all;
use lensmeter::inference::InferenceError;
use lensmeter::inference::job::{self as jobs, Jobs, RunJob, SubmitError};
use lensmeter::inference::run::{Idempotency, InferRequest};
use lensmeter::metering::idempotency::LIFETIME;
use lensmeter::platform::config;
use lensmeter::platform::queue::{Job as _, Lane};
use object_store::ObjectStore as _;
use sea_orm::{ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _};

use super::{Bench, call, image, spend_all};
use crate::support::make;

fn with_key(key: &str, print: u8, number: u32) -> InferRequest {
    let idempotency = Some(Idempotency { key: key.into(), fingerprint: [print; 32], keep: LIFETIME });
    InferRequest { idempotency, request_id: RequestId::new(), ..call(image(number)) }
}

async fn inputs(bench: &Bench) -> usize {
    use futures_util::StreamExt as _;
    bench.objects.list(Some(&"inputs".into())).count().await
}

#[tokio::test]
async fn a_submission_is_one_job_however_often_it_is_sent() {
    let bench = Bench::new().await;
    let replicas = [bench.replica().await, bench.replica().await, bench.replica().await];
    let sent = join_all((0..12).map(|n| jobs::submit(&replicas[n % 3], &bench.caller, with_key("one", 1, 0)))).await;
    let mut ids: Vec<_> = sent.iter().filter_map(|sent| sent.as_ref().ok()).map(|taken| taken.job.id).collect();
    let fresh = sent.iter().filter(|sent| sent.as_ref().is_ok_and(|taken| !taken.replayed)).count();
    ids.dedup();
    assert_eq!((ids.len(), fresh), (1, 1));
    let busy = |sent: &Result<_, SubmitError>| matches!(sent, Err(SubmitError::Refused(InferenceError::IdempotencyConflict)));
    assert!(sent.iter().all(|sent| sent.is_ok() || busy(sent)), "taken, or told that the first still runs");
    assert_eq!((job::Entity::find().count(&*bench.db).await.unwrap(), inputs(&bench).await), (1, 1));
    let again = jobs::submit(&replicas[1], &bench.caller, with_key("one", 1, 0)).await.unwrap();
    assert_eq!((again.job.id, again.replayed), (ids[0], true));
    let other = jobs::submit(&replicas[1], &bench.caller, with_key("one", 2, 1)).await;
    assert!(matches!(other, Err(SubmitError::Refused(InferenceError::IdempotencyMismatch))));
}

#[tokio::test]
async fn an_account_has_so_many_jobs_and_not_one_more() {
    let bench = Bench::new().await;
    let few = |jobs: Jobs| Jobs { limits: config::Jobs { per_account: 3, ..config::Jobs::default() }, ..jobs };
    let replicas = [few(bench.replica().await), few(bench.replica().await)];
    let sent = join_all((0..10).map(|n| jobs::submit(&replicas[n as usize % 2], &bench.caller, call(image(n))))).await;
    let refused = sent.iter().filter(|sent| matches!(sent, Err(SubmitError::TooMany { limit: 3 }))).count();
    assert_eq!((sent.iter().filter(|sent| sent.is_ok()).count(), refused), (3, 7));
    assert_eq!(inputs(&bench).await, 3, "nothing is kept of what was refused");
    let first = job::Entity::find().one(&*bench.db).await.unwrap().unwrap();
    jobs::cancel(&replicas[0], bench.account.id, first.id).await.unwrap();
    assert!(jobs::submit(&replicas[0], &bench.caller, call(image(99))).await.is_ok());
}

#[tokio::test]
async fn what_cannot_run_is_refused_when_it_is_submitted() {
    let bench = Bench::new().await;
    let replica = bench.replica().await;
    let unknown = InferRequest { model: Some("nobody".into()), ..call(image(0)) };
    let refused = jobs::submit(&replica, &bench.caller, unknown).await;
    assert!(matches!(refused, Err(SubmitError::Refused(InferenceError::UnknownModel(_)))));
    spend_all(&bench.db).await;
    let refused = jobs::submit(&replica, &bench.caller, call(image(0))).await;
    assert!(matches!(refused, Err(SubmitError::Refused(InferenceError::InsufficientCredit { .. }))));
    assert_eq!((job::Entity::find().count(&*bench.db).await.unwrap(), inputs(&bench).await), (0, 0));
}

#[tokio::test]
async fn one_accounts_crowd_does_not_stand_before_anothers_first() {
    let bench = Bench::new().await;
    let replica = bench.replica().await;
    for number in 0..5 {
        bench.submit(&replica, image(number)).await;
    }
    let eve = make::account(&bench.db).await;
    let (caller, _) = make::key(&bench.db, &eve).await;
    bench.clock.advance(chrono::TimeDelta::milliseconds(500));
    let hers = jobs::submit(&replica, &caller, call(image(9))).await.unwrap().job;
    assert_eq!(hers.status, Status::Queued);
    let line = queue_job::Entity::find().filter(queue_job::Column::Lane.eq(Lane::Customers.as_str())).order_by_asc(queue_job::Column::Rank);
    let line = line.all(&*bench.db).await.unwrap();
    assert!(line.iter().all(|work| work.kind == RunJob::KIND && work.run_at <= bench.clock.now()), "a rank delays nobody");
    let place = line.iter().position(|work| work.key == Some(hers.id.to_string()));
    assert_eq!(place, Some(1), "behind the first of the crowd, before its rest");
}
