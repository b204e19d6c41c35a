//! A worker that is killed after each answer of Stripe that it has not seen yet, and before each commit; then another one
//! finishes. Of four times, in one the next is killed as well, at the same point of its own life, if it gets there; in another
//! one nobody is there for a day, and Stripe has forgotten our keys. With `LENSMETER_KILL_EVERY=1` at every point of the month,
//! otherwise at every so many; `LENSMETER_KILL_STEP=Ask` looks at one step of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use entity::ids::AccountId;
use futures_util::StreamExt as _;
use lensmeter::platform::clock::Clock;
use sea_orm::{ConnectionTrait as _, Statement, TransactionTrait as _};

use super::blow::{Blow, Victim};
use super::month::{MONTH, Step};
use super::state;
use super::world::World;
use crate::support::db::{Mould, TestDb};
use crate::support::process;

/// `worker/schedule.rs` holds it while it leads.
const LEADER_LOCK: i64 = 0x6c65_6e73_7363_6865;
/// Processes mostly wait until they have started.
const AT_ONCE: usize = 3;

/// A step of the month: where it begins, and where it ends when nothing happens.
struct Stage {
    step: Step,
    account: AccountId,
    before: Mould,
    journal: PathBuf,
    expected: String,
}

/// What follows a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Another worker, at once.
    Finish,
    /// One that is killed, too, and then another.
    Again,
    /// Another worker, a day later by everybody's clock but the customer's.
    Late,
}

impl Then {
    fn of(number: usize) -> Self {
        match number % 4 {
            0 => Self::Again,
            2 => Self::Late,
            _ => Self::Finish,
        }
    }
}

/// What became of a step.
struct Ended {
    /// What the first worker was about when it was killed.
    killed: Option<String>,
    /// Whether the second one was killed, too.
    twice: bool,
    /// Answers and commits that the first one got to.
    reached: (usize, usize),
    end: String,
}

/// The month in undisturbed steps.
async fn stages(folder: &Path) -> Vec<Stage> {
    let first = World::new(None).await;
    let account = first.account;
    let mut before = first.close().await;
    let mut journal = folder.join("nothing");
    let mut stages = Vec::new();
    for (number, step) in MONTH.into_iter().enumerate() {
        let after = folder.join(format!("after-{number}"));
        let world = again(&before, account, &journal, after.clone()).await;
        step.act(&world).await;
        world.settle().await;
        let expected = state::end(&world).await;
        world.back_to_real_time().await;
        stages.push(Stage { step, account, before, journal, expected });
        (before, journal) = (world.close().await, after);
    }
    before.remove().await;
    stages
}

/// The world as it was left, with a journal of its own.
async fn again(before: &Mould, account: AccountId, known: &Path, journal: PathBuf) -> World {
    // At first nothing is known.
    drop(std::fs::copy(known, &journal));
    let world = World::over(before.copy().await, account, Some(journal), None).await;
    world.courier.lock().await.skip().await;
    world
}

impl Stage {
    /// Lets the step happen under a worker that is killed, or two of them.
    async fn run(&self, folder: &Path, blow: Blow, then: Then) -> Ended {
        let journal = folder.join(uuid::Uuid::now_v7().simple().to_string());
        let world = again(&self.before, self.account, &self.journal, journal.clone()).await;
        // The schedule is kept by us: what comes around is enqueued once.
        let leading = world.db.begin().await.expect("a transaction");
        leading.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LEADER_LOCK})")).await.expect("nobody else leads");
        self.step.act(&world).await;
        world.come_around().await;
        world.courier.lock().await.carry().await;
        let (killed, reached) = worker(&world, blow).await;
        let twice = then == Then::Again && killed.is_some() && {
            // So long that the claims of the dead are over.
            world.db.execute_unprepared("UPDATE queue_job SET locked_until = NULL").await.expect("the queue");
            worker(&world, blow).await.0.is_some()
        };
        leading.rollback().await.expect("it was ours");
        world.proxy.step_aside();
        world.app.clock.advance(Clock::System.now() - world.app.clock.now() + TimeDelta::seconds(40));
        if then == Then::Late {
            let customers = world.customer().await.now(world.app.clock.now());
            world.pass(TimeDelta::hours(25)).await;
            world.move_account_to(customers).await;
        }
        world.settle().await;
        let end = state::end(&world).await;
        world.close().await.remove().await;
        drop(std::fs::remove_file(journal));
        Ended { killed, twice, reached, end }
    }
}

/// Runs a worker process until the blow, or until nothing is left to do.
async fn worker(world: &World, blow: Blow) -> (Option<String>, (usize, usize)) {
    let victim = Victim::of(blow);
    let settings = victim.watch(world).await;
    victim.arm();
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    victim.take(|| Box::new(process::work(&world.db, &settings)));
    let patience = Instant::now() + Duration::from_secs(120);
    while !victim.is_over() && waits(&world.db).await {
        assert!(Instant::now() < patience, "the worker does not come to an end: {}", state::end(world).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    victim.end();
    (victim.killed(), victim.reached())
}

/// Whether there is work that is due.
async fn waits(db: &TestDb) -> bool {
    let sql = "SELECT count(*) > 0 FROM queue_job WHERE state = 'ready' AND run_at <= clock_timestamp()";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.expect("a query").expect("a row");
    row.try_get_by_index(0).expect("a truth")
}

#[derive(Default)]
struct Table {
    kills: BTreeMap<(Step, &'static str, String), usize>,
    twice: usize,
    different: usize,
}

impl Table {
    fn add(&mut self, step: Step, blow: Blow, ended: Ended, expected: &[&str]) {
        self.twice += usize::from(ended.twice);
        // Jobs run at the same time, so that a run may have a point less than the first one.
        let about = ended.killed.unwrap_or_else(|| "(not reached)".into());
        *self.kills.entry((step, blow.as_str(), about)).or_default() += 1;
        let differences = expected.iter().map(|expected| state::difference(expected, &ended.end));
        let difference = differences.min_by_key(Vec::len).expect("an end that may be");
        if !difference.is_empty() {
            self.different += 1;
            println!("{step:?} {blow:?}:\n{}", difference.join("\n"));
        }
    }

    fn print(&self) {
        println!("step | killed | at | times");
        for ((step, kind, about), times) in &self.kills {
            println!("{step:?} | {kind} | {about} | {times}");
        }
        let kills: usize = self.kills.values().sum();
        println!(
            "{kills} runs killed, {} of them twice, at {} kinds of points: {} different ends",
            self.twice,
            self.kills.len(),
            self.different
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_between_any_two_steps_leaves_the_same_end() {
    let folder = std::env::temp_dir().join(format!("lensmeter-chaos-{}", uuid::Uuid::now_v7().simple()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let every = super::asked("LENSMETER_KILL_EVERY", 40) as usize;
    let stages = stages(&folder).await;
    let mut table = Table::default();
    let only = std::env::var("LENSMETER_KILL_STEP").ok();
    for stage in stages.iter().filter(|stage| only.as_ref().is_none_or(|only| format!("{:?}", stage.step) == *only)) {
        let whole = stage.run(&folder, Blow::NEVER, Then::Finish).await;
        let difference = state::difference(&stage.expected, &whole.end);
        assert!(difference.is_empty(), "{:?} without a blow:\n{}", stage.step, difference.join("\n"));
        // In a day a page for a payment is over; unless it was made only after it.
        let late = stage.run(&folder, Blow::NEVER, Then::Late).await.end;
        let (answers, commits) = whole.reached;
        let points = (1..=answers).map(Blow::Answer).chain((1..=commits).map(Blow::Commit));
        let points = points.skip(stage.step as usize % every).step_by(every).enumerate();
        let runs = points.map(async |(number, blow)| {
            let then = Then::of(number);
            (blow, then, stage.run(&folder, blow, then).await)
        });
        let mut runs = futures_util::stream::iter(runs).buffer_unordered(AT_ONCE);
        while let Some((blow, then, ended)) = runs.next().await {
            let ends = [stage.expected.as_str(), late.as_str()];
            table.add(stage.step, blow, ended, if then == Then::Late { &ends } else { &ends[..1] });
        }
        println!("{:?}: {answers} answers, {commits} commits; {} different ends so far", stage.step, table.different);
    }
    for stage in stages {
        stage.before.remove().await;
    }
    drop(std::fs::remove_dir_all(folder));
    table.print();
    assert_eq!(table.different, 0);
}
