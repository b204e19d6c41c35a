//! What every surface is handed: cheap handles, built once from the configuration.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use sea_orm::DatabaseConnection;
use secrecy::ExposeSecret as _;

use crate::auth::key::Keys;
use crate::auth::throttle::Throttle;
use crate::billing::allowance::Allowances;
use crate::billing::provider::Provider as Stripe;
use crate::inference::job::Jobs;
use crate::inference::store::Store;
use crate::inference::{Inference, run};
use crate::metering::Metering;
use crate::metering::archive::Archive;
use crate::platform::clock::Clock;
use crate::platform::config::{self, Config};
use crate::platform::mail::Mailer;
use crate::platform::{db, objects, telemetry};
use crate::vision::{self, Vision};

/// The program, as its surfaces see it: one pointer, which every request gets a copy of.
#[derive(Clone)]
pub struct App(Arc<Rooms>);

/// What the surfaces find behind it.
#[derive(Clone)]
pub struct Rooms {
    pub config: Arc<Config>,
    pub clock: Clock,
    pub db: DatabaseConnection,
    pub keys: Keys,
    pub throttle: Arc<Throttle>,
    pub inference: Inference,
    pub jobs: Jobs,
    /// Where months of usage are that left the database.
    pub archive: Archive,
    pub stripe: Stripe,
    pub mailer: Mailer,
    pub metrics: PrometheusHandle,
}

impl Deref for App {
    type Target = Rooms;

    fn deref(&self) -> &Rooms {
        &self.0
    }
}

/// Before it is shared; afterwards a change is the changer's own.
impl DerefMut for App {
    fn deref_mut(&mut self) -> &mut Rooms {
        Arc::make_mut(&mut self.0)
    }
}

impl App {
    /// Connects, opens the models and starts metering. The schema must be up to date.
    ///
    /// # Errors
    /// When the database does not answer, a model cannot be opened, or an address in the configuration is wrong.
    pub async fn build(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let config = Arc::new(config);
        let metrics = telemetry::install_metrics();
        let connected = db::connect(config.database.url.expose_secret(), config.database.max_connections).await;
        // As text: the error and its source say the same.
        let db = connected.map_err(|error| anyhow::anyhow!("DATABASE_URL: {error}"))?;
        let vision = {
            let settings = settings(&config.vision);
            // Reading and warming models is seconds of CPU.
            tokio::task::spawn_blocking(move || Vision::start(&settings)).await??
        };
        let keys = Keys::new(db.clone());
        keys.listen_in_background();
        let stripe = Stripe::new(&config.stripe.api_base, config.stripe.secret_key.expose_secret());
        let mailer = Mailer::new(config.mail.smtp_url.expose_secret(), &config.mail.from).map_err(anyhow::Error::msg)?;
        let metering = Metering::start(&db);
        let inference = Inference {
            db: db.clone(),
            clock: clock.clone(),
            vision,
            metering,
            allowances: Allowances::default(),
            deadline: run::DEADLINE,
            allow_private_images: config.vision.allow_private_images,
        };
        let objects = objects::open(&config.storage)?;
        let jobs = Jobs {
            inference: inference.clone(),
            store: Store::over(objects.clone()),
            limits: config.jobs.clone(),
            retention: config.storage.retention(),
        };
        let archive = Archive::over(objects);
        Ok(Self(Arc::new(Rooms { keys, throttle: Arc::default(), config, clock, db, inference, jobs, archive, stripe, mailer, metrics })))
    }
}

/// As the models' room is told: it knows no configuration.
fn settings(config: &config::Vision) -> vision::Settings {
    let bytes = |megabytes: u32| u64::from(megabytes) << 20;
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    vision::Settings {
        models: config.models.clone(),
        device: config.device.clone(),
        threads: config.threads,
        workers: config.workers,
        memory: (config.memory_mb > 0).then(|| bytes(config.memory_mb)),
        cache: bytes(config.cache_mb),
        cache_life: seconds(config.cache_seconds),
        poll: seconds(config.poll_seconds),
    }
}
