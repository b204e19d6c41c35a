//! What nobody waits for any more goes, and nothing else.

use bytes::Bytes;
use chrono::TimeDelta;
use entity::ids::JobId;
use entity::job::{self, Status};
use lensmeter::inference::job as jobs;
use lensmeter::inference::store::What;
use sea_orm::{EntityTrait as _, PaginatorTrait as _};

use super::{Bench, attempt, explain, image};

#[tokio::test]
async fn an_ended_job_is_there_for_its_retention_and_gone_after_it() {
    let bench = Bench::new().await;
    let replica = bench.replica().await;
    let (done, waits) = (bench.submit(&replica, image(0)).await, bench.submit(&replica, image(1)).await);
    attempt(&replica, &done, 1).await.unwrap();
    jobs::cancel(&replica, bench.account.id, waits.id).await.unwrap();
    bench.clock.advance(replica.retention - TimeDelta::seconds(1));
    jobs::sweep(&replica, explain, bench.clock.now()).await.unwrap();
    assert!(bench.has(What::Result, &done).await);
    assert_eq!(job::Entity::find().count(&*bench.db).await.unwrap(), 2);
    bench.clock.advance(TimeDelta::seconds(1));
    jobs::sweep(&replica, explain, bench.clock.now()).await.unwrap();
    assert!(!bench.has(What::Result, &done).await);
    assert_eq!(job::Entity::find().count(&*bench.db).await.unwrap(), 0);
    assert_eq!(bench.events().await.len(), 1, "what was used stays on the bill");
}

#[tokio::test]
async fn a_job_that_waited_for_a_day_is_given_up() {
    let bench = Bench::new().await;
    let replica = bench.replica().await;
    let old = bench.submit(&replica, image(0)).await;
    bench.clock.advance(TimeDelta::hours(23));
    let young = bench.submit(&replica, image(1)).await;
    bench.clock.advance(TimeDelta::hours(1));
    jobs::sweep(&replica, explain, bench.clock.now()).await.unwrap();
    let given_up = bench.job(old.id).await;
    assert_eq!((given_up.status, given_up.error_code.as_deref()), (Status::Failed, Some("deadline")));
    assert_eq!(bench.job(young.id).await.status, Status::Queued);
    // Its work is still in the queue, and finds that there is nothing to do.
    attempt(&replica, &old, 1).await.unwrap();
    assert!(bench.events().await.is_empty());
}

#[tokio::test]
async fn an_input_without_a_job_goes_and_one_with_a_job_stays() {
    let bench = Bench::new().await;
    let replica = bench.replica().await;
    let waits = bench.submit(&replica, image(0)).await;
    let (store, lone) = (bench.store(), JobId::new());
    store.put(What::Input, bench.account.id, lone, Bytes::from_static(b"left by a crash")).await.unwrap();
    // The store's clock is the machine's.
    let written = lensmeter::platform::clock::Clock::System.now();
    let at = |hours| written + TimeDelta::hours(hours);
    // And so is the sweep's here: the job has to be of today, or it is given up, and its input goes.
    let row = job::ActiveModel { created_at: sea_orm::ActiveValue::Set(at(0)), ..waits.clone().into() };
    sea_orm::ActiveModelTrait::update(row, &*bench.db).await.unwrap();
    assert!(store.inputs_before(at(-1)).await.unwrap().is_empty());
    assert_eq!(store.inputs_before(at(1)).await.unwrap().len(), 2);
    let patient = |now| jobs::sweep(&replica, explain, now);
    patient(at(0)).await.unwrap();
    assert!(store.get(What::Input, bench.account.id, lone).await.unwrap().is_some(), "it may be on its way to a job");
    patient(at(2)).await.unwrap();
    assert!(store.get(What::Input, bench.account.id, lone).await.unwrap().is_none());
    assert!(bench.has(What::Input, &waits).await);
}
