//! Asynchronous inference under attack: crashes at any point, two workers on one job, cancelling at the worst moment.

mod crash;
mod ends;
mod store;
mod submit;
mod sweep;

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use entity::ids::{JobId, RequestId};
use entity::job::{self, Status};
use entity::money::Nanos;
use entity::{account, usage_event};
use lensmeter::auth::key::Caller;
use lensmeter::billing::allowance::Allowances;
use lensmeter::inference::job::{self as jobs, Jobs, RunJob, Submitted};
use lensmeter::inference::run::{self, ImageSource, InferRequest};
use lensmeter::inference::store::{Store, What};
use lensmeter::inference::{Encoding, Inference, InferenceError};
use lensmeter::metering::Metering;
use lensmeter::platform::clock::Clock;
use lensmeter::platform::config;
use lensmeter::platform::queue::Outcome;
use lensmeter::vision::backend::{Backend, Frame, Maps, Output};
use lensmeter::vision::{DetectOptions, Options, Vision, registry};
use lensmeter::web::json::problem::Problem;
use object_store::memory::InMemory;
use object_store::throttle::ThrottledStore;
use sea_orm::{DatabaseConnection, EntityTrait as _, QueryOrder as _};

use crate::support::db::{self, TestDb};
use crate::support::{make, picture};

/// A door that the device stands behind until it is opened.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    moved: Condvar,
}

impl Gate {
    fn set(&self, open: bool) {
        *self.open.lock().unwrap() = open;
        self.moved.notify_all();
    }
}

/// A device that finds nothing and waits while its gate is closed.
struct Gated {
    gate: Arc<Gate>,
    classes: usize,
}

impl Backend for Gated {
    fn run(&mut self, batch: &[Frame]) -> Result<Vec<Output>, String> {
        drop(self.gate.moved.wait_while(self.gate.open.lock().unwrap(), |open| !*open).unwrap());
        let nothing = |frame: &Frame| {
            let (columns, rows) = (frame.width / 8, frame.height / 8);
            let cells = columns * rows;
            Output::Maps(Maps {
                columns,
                rows,
                scores: vec![0.; self.classes * cells],
                sides: vec![0.; 4 * cells],
                mask: vec![0.; 4 * cells],
            })
        };
        Ok(batch.iter().map(nothing).collect())
    }
}

/// One account, one store, and as many replicas as a test wants.
struct Bench {
    db: TestDb,
    account: account::Model,
    caller: Arc<Caller>,
    clock: Clock,
    objects: Arc<ThrottledStore<InMemory>>,
    gate: Arc<Gate>,
}

impl Bench {
    async fn new() -> Self {
        let db = db::fresh().await;
        let account = make::account(&db).await;
        // Many replicas each hold a slice of it.
        make::credit(&db, &account, Nanos(1_000_000_000_000)).await;
        let (caller, _) = make::key(&db, &account).await;
        let gate = Arc::new(Gate::default());
        gate.set(true);
        let objects = Arc::new(ThrottledStore::new(InMemory::new(), object_store::throttle::ThrottleConfig::default()));
        Self { db, account, caller, clock: Clock::manual(make::start()), objects, gate }
    }

    /// A process of its own: it shares nothing in memory with another one, and no connection.
    async fn replica(&self) -> Jobs {
        let db = lensmeter::platform::db::connect(&self.db.url, 4).await.expect("the database answers");
        let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/elements/1/model.toml");
        let info = registry::read(&manifest).expect("the built-in model");
        let device = Gated { gate: self.gate.clone(), classes: info.classes.len() };
        let vision = Vision::with_backends(vec![(info, Box::new(device) as Box<dyn Backend>)]).expect("a thread");
        let inference = Inference {
            metering: Metering::start(&db),
            db,
            clock: self.clock.clone(),
            vision,
            allowances: Allowances::default(),
            deadline: run::DEADLINE,
            allow_private_images: false,
        };
        Jobs { inference, store: self.store(), limits: config::Jobs::default(), retention: config::Storage::default().retention() }
    }

    fn store(&self) -> Store {
        Store::over(self.objects.clone())
    }

    /// Every write to the store takes this long from now on.
    fn stall_writes(&self, time: Duration) {
        self.objects.config_mut(|config| config.wait_put_per_call = time);
    }

    async fn submit(&self, jobs: &Jobs, image: Vec<u8>) -> job::Model {
        let taken: Submitted = jobs::submit(jobs, &self.caller, call(image)).await.expect("the job is taken");
        assert!(!taken.replayed);
        taken.job
    }

    async fn job(&self, id: JobId) -> job::Model {
        job::Entity::find_by_id(id).one(&*self.db).await.unwrap().expect("the job is there")
    }

    async fn until(&self, id: JobId, status: Status) {
        while self.job(id).await.status != status {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The usage events of a job.
    async fn charged(&self, job: &job::Model) -> usize {
        self.events().await.iter().filter(|event| event.request_id == job.request_id).count()
    }

    async fn events(&self) -> Vec<usage_event::Model> {
        usage_event::Entity::find().order_by_asc(usage_event::Column::Id).all(&*self.db).await.unwrap()
    }

    async fn has(&self, what: What, job: &job::Model) -> bool {
        self.store().get(what, job.account_id, job.id).await.unwrap().is_some()
    }
}

/// What a process has goes with it.
async fn die(replica: Jobs) {
    replica.inference.db.close().await.expect("a pool closes");
}

/// A detection in a picture.
fn call(image: Vec<u8>) -> InferRequest {
    InferRequest {
        image: ImageSource::Bytes(Bytes::from(image)),
        model: None,
        options: Options::Detect(DetectOptions::default()),
        encoding: Encoding::default(),
        fresh: false,
        idempotency: None,
        request_id: RequestId::new(),
        route: jobs::ROUTE,
        promised: None,
    }
}

/// A picture unlike that of any other number: equal ones of an account are computed once.
fn image(number: u32) -> Vec<u8> {
    picture::png(64 + number, 64)
}

fn explain(error: InferenceError) -> (&'static str, String) {
    let problem = Problem::from(error);
    (problem.code.about().code, problem.detail)
}

async fn attempt(jobs: &Jobs, job: &job::Model, number: i32) -> Outcome {
    jobs::run(jobs, RunJob { job: job.id }, number, explain).await
}

/// Gives the account a balance of nothing.
async fn spend_all(db: &DatabaseConnection) {
    use sea_orm::ConnectionTrait as _;
    db.execute_unprepared("UPDATE balance SET debits = credits, held = 0").await.unwrap();
}
