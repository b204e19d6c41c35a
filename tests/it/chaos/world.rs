//! A company with one customer, and Stripe, in simulated time.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use entity::ids::AccountId;
use entity::{account, queue_job};
use lensmeter::app::App;
use lensmeter::billing::auto_top_up::BuyCredit;
use lensmeter::billing::close::CloseDue;
use lensmeter::billing::dunning::DunDue;
use lensmeter::billing::stripe::Stripe;
use lensmeter::billing::sweep::SweepStripe;
use lensmeter::billing::watch::compare::CompareBooks;
use lensmeter::billing::watch::poll::PollEvents;
use lensmeter::platform::clock::Clock;
use lensmeter::platform::config::Config;
use lensmeter::platform::mail::Mailer;
use lensmeter::platform::queue::{self, Job, Outcome};
use lensmeter::webhooks::deliver::DeliverWebhook;
use lensmeter::webhooks::endpoint;
use lensmeter::worker;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sea_orm::{ActiveValue::Set, EntityTrait as _};
use tokio::sync::{Mutex, OnceCell};

use super::courier::Courier;
use super::till::Till;
use crate::support::db::{self, Mould, TestDb};
use crate::support::make;
use crate::support::sandbox::Checked;
use crate::support::stripe_proxy::StripeProxy;

/// What signs webhooks.
pub const SECRET: &str = "whsec_nobody";
/// Longer than our sweep lets a webhook take.
const ROUND: TimeDelta = TimeDelta::minutes(4);
/// Until what no webhook told is found, and what follows from that has happened.
const ROUNDS: usize = 4;

/// Runs jobs as the worker does, but for the customer's server, which nobody is: what it is told is only counted.
fn runner(app: App) -> impl Fn(queue_job::Model) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
    let run = worker::runner(app);
    move |job| if job.kind == DeliverWebhook::KIND { Box::pin(async { Ok(()) }) } else { run(job) }
}

pub struct World {
    pub db: TestDb,
    pub app: App,
    pub account: AccountId,
    pub till: Till,
    pub proxy: StripeProxy,
    pub smtp: String,
    pub courier: Arc<Mutex<Courier>>,
    /// Two workers take jobs at the same time.
    doubled: bool,
    _checked: Checked,
}

/// The program with everything but what differs from world to world: models take long to open.
async fn program() -> App {
    static PROGRAM: OnceCell<App> = OnceCell::const_new();
    let build = async || {
        let db = db::fresh().await;
        let config = Config::from_sources("", |name| {
            let value = match name {
                "DATABASE_URL" => db.url.as_str(),
                "LENSMETER_PUBLIC_URL" => "https://lensmeter.test",
                "LENSMETER_SECRET" => "a secret of at least thirty-two characters",
                "LENSMETER_ADMIN_TOKEN" => "an operator's token, which is long enough",
                "STRIPE_SECRET_KEY" => "sk_test_1",
                "STRIPE_WEBHOOK_SECRET" => SECRET,
                "STRIPE_API_BASE" => "http://127.0.0.1:9",
                "SMTP_URL" => "smtp://127.0.0.1:9",
                _ => return None,
            };
            Some(value.to_owned())
        });
        App::build(config.expect("a whole configuration"), Clock::System).await.expect("the program is built")
    };
    PROGRAM.get_or_init(build).await.clone()
}

impl World {
    /// A new customer, and a Stripe where nothing has happened.
    pub async fn new(seed: Option<u64>) -> Self {
        let (db, now) = (db::fresh().await, Clock::System.now());
        let account = make::account_since(&db, "usd", now).await;
        let world = Self::over(db, account.id, None, seed).await;
        // Never behind real time, which processes of their own keep.
        world.move_account_to(now + TimeDelta::days(3)).await;
        world
    }

    /// The world of a database and of what Stripe's journal remembers.
    pub async fn over(db: TestDb, account: AccountId, state_file: Option<PathBuf>, seed: Option<u64>) -> Self {
        let mut app = program().await;
        // Nothing is sent by the sandbox itself: the courier carries it.
        let checked = Checked::start("", state_file).await;
        let sandbox = checked.sandbox.clone();
        let till = Till::at(&sandbox.stripe_url);
        let proxy = StripeProxy::start(&checked.api).await;
        app.db = (*db).clone();
        app.clock = Clock::manual(Clock::System.now());
        app.stripe = Stripe::new(&proxy.url, "sk_test_1");
        app.mailer = Mailer::new(&sandbox.smtp_url, "Lensmeter <billing@lensmeter.test>").expect("an address");
        let courier = Arc::new(Mutex::new(Courier::new(till.clone(), &app, seed)));
        let doubled = seed.is_some_and(|seed| seed % 2 == 1);
        let world = Self { db, app, account, till, proxy, smtp: sandbox.smtp_url, courier, doubled, _checked: checked };
        if let Some(seed) = seed {
            world.overtake(seed);
        }
        world
    }

    /// Lets events arrive, and be acted upon, before the answer of the call that caused them.
    fn overtake(&self, seed: u64) {
        let chance = Arc::new(std::sync::Mutex::new(StdRng::seed_from_u64(!seed)));
        let (courier, app, inside) = (self.courier.clone(), self.app.clone(), Arc::new(AtomicBool::new(false)));
        self.proxy.between(Arc::new(move |_| {
            let (courier, app, inside, chance) = (courier.clone(), app.clone(), inside.clone(), chance.clone());
            Box::pin(async move {
                let now = chance.lock().expect("no panic before").random_bool(0.3);
                // Not within what it does itself.
                if !now || inside.swap(true, Ordering::SeqCst) {
                    return;
                }
                courier.lock().await.carry().await;
                queue::work_off(&app.db, &app.clock, runner(app.clone())).await.expect("the queue");
                inside.store(false, Ordering::SeqCst);
            })
        }));
    }

    pub async fn customer(&self) -> account::Model {
        account::Entity::find_by_id(self.account).one(&*self.db).await.expect("the database").expect("the account")
    }

    /// The customer's server is told from now on.
    pub async fn tell_the_customer(&self) {
        endpoint::add_in(&*self.db, self.account, "https://example.com/hook", false, self.app.clock.now()).await.expect("an endpoint");
    }

    /// Sets the customer's own clock.
    pub async fn move_account_to(&self, then: entity::Time) {
        let ahead = (then - self.app.clock.now()).num_seconds();
        let change = account::ActiveModel { id: Set(self.account), clock_offset_seconds: Set(ahead), ..Default::default() };
        account::Entity::update(change).exec(&*self.db).await.expect("the account");
    }

    /// Lets time pass until all that follows has happened, whatever is still on its way.
    pub async fn settle(&self) {
        for _ in 0..ROUNDS {
            self.come_around().await;
            self.work().await;
            self.pass(ROUND).await;
        }
    }

    /// Lets time pass, for us and for Stripe.
    pub async fn pass(&self, time: TimeDelta) {
        self.app.clock.advance(time);
        self.till.set_clock(self.app.clock.now()).await;
    }

    /// What the schedule does.
    pub async fn come_around(&self) {
        self.enqueue(&CloseDue {}).await;
        self.enqueue(&BuyCredit {}).await;
        self.enqueue(&DunDue {}).await;
        self.enqueue(&SweepStripe {}).await;
        self.enqueue(&PollEvents {}).await;
    }

    async fn enqueue(&self, job: &impl Job) {
        queue::enqueue_in(&*self.db, job, Some("periodic".into()), self.app.clock.now()).await.expect("the queue");
    }

    /// Works off the queue, and what the webhooks add to it.
    pub async fn work(&self) {
        loop {
            let came = self.courier.lock().await.carry().await;
            let off = || queue::work_off(&self.db, &self.app.clock, runner(self.app.clone()));
            let ran = match self.doubled {
                true => {
                    let (one, two) = tokio::join!(off(), off());
                    one.expect("the queue") + two.expect("the queue")
                }
                false => off().await.expect("the queue"),
            };
            if came + ran == 0 {
                return;
            }
        }
    }

    /// Stops moving ahead of real time, which a process of its own keeps; the customer's time goes on.
    pub async fn back_to_real_time(&self) {
        let then = self.customer().await.now(self.app.clock.now());
        self.app.clock.advance(Clock::System.now() - self.app.clock.now());
        self.till.set_clock(self.app.clock.now()).await;
        self.move_account_to(then).await;
    }

    /// Leaves the database as it is.
    pub async fn close(self) -> Mould {
        let Self { db, app, courier, .. } = self;
        drop((app, courier));
        db.into_mould().await
    }

    /// The end: what is late arrives, and nothing is left to do.
    pub async fn end(&self) {
        self.courier.lock().await.carry_all().await;
        self.settle().await;
        self.enqueue(&CompareBooks {}).await;
        self.work().await;
    }
}
