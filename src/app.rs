//! What every surface is handed: cheap handles, built once from the configuration.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use sea_orm::DatabaseConnection;
use secrecy::ExposeSecret as _;

use crate::auth::key::Keys;
use crate::auth::throttle::Throttle;
use crate::billing::allowance::Allowances;
use crate::billing::stripe::Stripe;
use crate::inference::Inference;
use crate::metering::Metering;
use crate::platform::clock::Clock;
use crate::platform::config::Config;
use crate::platform::mail::Mailer;
use crate::platform::{db, telemetry};
use crate::vision::Vision;

/// The program, as its surfaces see it. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub config: Arc<Config>,
    pub clock: Clock,
    pub db: DatabaseConnection,
    pub keys: Keys,
    pub throttle: Arc<Throttle>,
    pub inference: Inference,
    pub stripe: Stripe,
    pub mailer: Mailer,
    pub metrics: PrometheusHandle,
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
            let settings = config.vision.clone();
            // Reading and warming models is seconds of CPU.
            tokio::task::spawn_blocking(move || Vision::open(&settings.models, &settings.device, settings.threads)).await??
        };
        let stripe = Stripe::new(&config.stripe.api_base, config.stripe.secret_key.expose_secret());
        let mailer = Mailer::new(config.mail.smtp_url.expose_secret(), &config.mail.from).map_err(anyhow::Error::msg)?;
        let metering = Metering::start(&db);
        let inference = Inference { db: db.clone(), clock: clock.clone(), vision, metering, allowances: Allowances::default() };
        Ok(Self { keys: Keys::new(db.clone()), throttle: Arc::default(), config, clock, db, inference, stripe, mailer, metrics })
    }
}
