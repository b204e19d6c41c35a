//! A worker that dies at any point leaves a job that ends once and is charged once.

use std::time::Duration;

use entity::job::{self, Status};
use lensmeter::inference::job as jobs;
use lensmeter::inference::job::Jobs;
use rand::RngExt as _;

use super::{Bench, attempt, die, explain, image};
use crate::metering::books::assert_books;

/// Runs a job on a replica until its usage is committed and its result is not stored, and dies there.
async fn die_after_commit(bench: &Bench, replica: &Jobs, job: &job::Model) {
    bench.stall_writes(Duration::from_secs(600));
    let worker = tokio::spawn({
        let (replica, job) = (replica.clone(), job.clone());
        async move { attempt(&replica, &job, 1).await }
    });
    while bench.charged(job).await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    worker.abort();
    assert!(worker.await.is_err_and(|ended| ended.is_cancelled()));
    bench.stall_writes(Duration::ZERO);
    assert_eq!(bench.job(job.id).await.status, Status::Processing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_commit_and_the_result_costs_nothing_more() {
    let bench = Bench::new().await;
    let job = bench.submit(&bench.replica().await, image(0)).await;
    die_after_commit(&bench, &bench.replica().await, &job).await;
    let other = bench.replica().await;
    attempt(&other, &job, 2).await.unwrap();
    let ended = bench.job(job.id).await;
    assert_eq!((ended.status, bench.charged(&job).await), (Status::Succeeded, 1));
    let result: serde_json::Value = serde_json::from_slice(&jobs::result(&other, &ended).await.unwrap().unwrap()).unwrap();
    assert_eq!(result["usage"]["event_id"], bench.events().await[0].id.to_string());
    assert_books(&bench.db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charged_job_is_not_canceled_nor_given_up_but_succeeds() {
    let bench = Bench::new().await;
    let replica = bench.replica().await;
    let (canceled, overdue) = (bench.submit(&replica, image(0)).await, bench.submit(&replica, image(1)).await);
    for job in [&canceled, &overdue] {
        die_after_commit(&bench, &bench.replica().await, job).await;
    }
    let ended = jobs::cancel(&replica, bench.account.id, canceled.id).await.unwrap().expect("the job is there");
    assert_eq!(ended.status, Status::Succeeded);
    // Everything stood still for a week: the answer is still there.
    bench.clock.advance(chrono::TimeDelta::days(7));
    lensmeter::metering::upkeep::run(&bench.db, bench.clock.now()).await.unwrap();
    let weeks = Jobs { retention: chrono::TimeDelta::days(30), ..replica.clone() };
    jobs::sweep(&weeks, explain, bench.clock.now()).await.unwrap();
    let ended = bench.job(overdue.id).await;
    assert_eq!(ended.status, Status::Succeeded);
    assert!(jobs::result(&replica, &ended).await.unwrap().is_some());
    assert_eq!(bench.events().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_worker_dies_anywhere_is_charged_once() {
    const JOBS: u32 = 24;
    let bench = Bench::new().await;
    let replica = bench.replica().await;
    let mut deaths = 0;
    for number in 0..JOBS {
        let job = bench.submit(&replica, image(number)).await;
        // A worker of its own each time: what it knew dies with it.
        for round in 1..=7 {
            let mortal = bench.replica().await;
            let worker = tokio::spawn({
                let (mortal, job) = (mortal.clone(), job.clone());
                async move { attempt(&mortal, &job, round).await }
            });
            // The last one may live.
            if round < 7 {
                tokio::time::sleep(Duration::from_millis(rand::rng().random_range(0..60 * round as u64))).await;
                worker.abort();
            }
            let outcome = worker.await;
            die(mortal).await;
            match outcome {
                Ok(Ok(())) => break,
                // To be tried again, which the next one does.
                Ok(Err(_)) => {}
                Err(_) => deaths += 1,
            }
        }
        assert_eq!((bench.job(job.id).await.status, bench.charged(&job).await), (Status::Succeeded, 1), "job {number}");
    }
    println!("{deaths} workers died over {JOBS} jobs");
    assert!(deaths > 0, "the attack was real");
    assert_eq!(bench.events().await.len(), JOBS as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_on_one_job_charge_it_once() {
    let bench = Bench::new().await;
    let (replica, other) = (bench.replica().await, bench.replica().await);
    for number in 0..10 {
        let job = bench.submit(&replica, image(number)).await;
        let work = |replica: Jobs| {
            let job = job.clone();
            tokio::spawn(async move { attempt(&replica, &job, 1).await })
        };
        // Two replicas, and twice the same one: a claim that ran out although its worker lives.
        let workers = [work(other.clone()), work(replica.clone()), work(replica.clone())];
        for worker in workers {
            // The one that was second may have to come again; that is all.
            drop(worker.await.unwrap());
        }
        attempt(&replica, &job, 2).await.unwrap();
        assert_eq!((bench.job(job.id).await.status, bench.charged(&job).await), (Status::Succeeded, 1), "job {number}");
    }
    assert_books(&bench.db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_it_is_canceled_it_is_canceled_and_free_or_done_and_paid() {
    const JOBS: u32 = 30;
    let bench = Bench::new().await;
    let (here, there) = (bench.replica().await, bench.replica().await);
    let mut canceled = 0;
    for number in 0..JOBS {
        let job = bench.submit(&here, image(number)).await;
        let worker = tokio::spawn({
            let (there, job) = (there.clone(), job.clone());
            async move { attempt(&there, &job, 1).await }
        });
        tokio::time::sleep(Duration::from_micros(rand::rng().random_range(0..30_000))).await;
        let ended = jobs::cancel(&here, bench.account.id, job.id).await.unwrap().expect("the job is there");
        worker.await.unwrap().unwrap();
        let (after, charged) = (bench.job(job.id).await, bench.charged(&job).await);
        assert_eq!(ended.status, after.status, "what was answered is final");
        match after.status {
            Status::Canceled => assert_eq!(charged, 0, "job {number}"),
            Status::Succeeded => assert_eq!(charged, 1, "job {number}"),
            other => panic!("job {number} is {other:?}"),
        }
        canceled += u32::from(after.status == Status::Canceled);
    }
    println!("{canceled} of {JOBS} were canceled in time");
    assert_books(&bench.db).await;
}
