//! Background work: which queue job runs what, and what comes around by itself.

mod schedule;

use std::future::Future;

use entity::{Time, queue_job};
use sea_orm::{DatabaseConnection, DbErr};
use tokio_util::sync::CancellationToken;

use crate::accounts::sign_up;
use crate::app::{App, Rooms};
use crate::auth::session;
use crate::billing::alert::{self, AlertsDue};
use crate::billing::auto_top_up::{self, BuyCredit};
use crate::billing::close::{self, CloseDue};
use crate::billing::credit::expire::{self, ExpireCredit};
use crate::billing::dunning::{self, DunDue};
use crate::billing::invoice::audit::{self as invoice_audit, AuditInvoices};
use crate::billing::jobs::{self, Means};
use crate::billing::sweep::{self, SweepStripe};
use crate::billing::watch::compare::{self, CompareBooks};
use crate::billing::watch::poll::{self, PollEvents};
use crate::inference::InferenceError;
use crate::inference::job::{self, RunJob};
use crate::metering::archive::{self, ArchiveError, Month};
use crate::metering::upkeep;
use crate::platform::mail::{self, SendMail};
use crate::platform::queue::{self, Job, Lane, Outcome, payload};
use crate::web::json::problem::Problem;
use crate::webhooks::deliver::{self, DeliverWebhook};

use schedule::{ArchiveUsage, SweepAccounts, SweepJobs, Upkeep};

/// Jobs of our own that one process runs at a time: they mostly wait for Stripe, SMTP and the database.
const CONCURRENCY: usize = 4;

/// Invoices that one run of the self-audit computes again; every minute has one, so that a day has room for 144 000.
const AUDITED_AT_ONCE: u64 = 100;

/// Works off the queue and keeps the schedule until `stop`; running jobs finish.
pub async fn run(app: App, stop: CancellationToken) {
    let work =
        |lane, concurrency| queue::run_until(app.db.clone(), app.clock.clone(), lane, concurrency, stop.clone(), runner(app.clone()));
    let own = work(Lane::Own, CONCURRENCY);
    let customers = work(Lane::Customers, app.config.jobs.concurrency);
    tokio::join!(own, customers, schedule::keep(app.clone(), stop.clone()));
}

/// Runs one queue job, whatever its kind.
pub fn runner(app: App) -> impl Fn(queue_job::Model) -> std::pin::Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync + 'static {
    move |job| {
        let app = app.clone();
        Box::pin(async move { dispatch(&app, job).await })
    }
}

/// A job's error is told in the words of the API.
fn explain(error: InferenceError) -> (&'static str, String) {
    let problem = Problem::from(error);
    (problem.code.about().code, problem.detail)
}

async fn dispatch(app: &App, job: queue_job::Model) -> Outcome {
    let Rooms { db, stripe, config, mailer, .. } = &**app;
    let (url, now) = (&config.server.public_url, app.clock.now());
    match job.kind.as_str() {
        SendMail::KIND => mail::send(db, mailer, payload(job)?, now).await,
        DeliverWebhook::KIND => deliver::deliver(db, payload(job)?, config.server.allow_private_urls, now).await,
        CloseDue::KIND => periodic(CloseDue::KIND, close::close_all_due(db, now).await.map(|_| ())),
        BuyCredit::KIND => periodic(BuyCredit::KIND, auto_top_up::run(db, now).await.map(|_| ())),
        ExpireCredit::KIND => periodic(ExpireCredit::KIND, expire::expire_all_due(db, now).await.map(|_| ())),
        AuditInvoices::KIND => periodic(AuditInvoices::KIND, invoice_audit::run(db, &app.archive, AUDITED_AT_ONCE, now).await.map(|_| ())),
        PollEvents::KIND => periodic(PollEvents::KIND, poll::run(db, stripe, config.stripe.is_live(), now).await.map(|_| ())),
        CompareBooks::KIND => periodic(CompareBooks::KIND, compare::run(db, stripe, url, now).await.map(|_| ())),
        DunDue::KIND => periodic(DunDue::KIND, dunning::due(db, now).await),
        AlertsDue::KIND => periodic(AlertsDue::KIND, alert::run(db, url, now).await),
        SweepStripe::KIND => periodic(SweepStripe::KIND, sweep::run(db, now).await),
        Upkeep::KIND => periodic(Upkeep::KIND, upkeep::run(db, now).await),
        ArchiveUsage::KIND => periodic(ArchiveUsage::KIND, archive_usage(app, now).await),
        SweepJobs::KIND => periodic(SweepJobs::KIND, job::sweep(&app.jobs, explain, now).await),
        RunJob::KIND => {
            let attempt = job.attempts;
            job::run(&app.jobs, payload(job)?, attempt, explain).await
        }
        SweepAccounts::KIND => periodic(SweepAccounts::KIND, sweep_accounts(db, now).await),
        _ => {
            let (seller, dunning) = (&config.seller, &config.dunning);
            jobs::run(Means { db, stripe, seller, dunning, public_url: url }, job, now).await
        }
    }
}

async fn sweep_accounts(db: &DatabaseConnection, now: Time) -> Result<(), DbErr> {
    session::sweep(db, now).await?;
    sign_up::sweep_unverified(db, now).await?;
    Ok(())
}

/// One month at a time, if that is wished at all.
async fn archive_usage(app: &App, now: Time) -> Result<(), ArchiveError> {
    let Some(months) = app.config.usage.archive_after_months else { return Ok(()) };
    match archive::oldest(&app.db, &app.archive, Month::of(now).before(months), now, &|_, _| ()).await {
        Ok(_) => Ok(()),
        // None of these is a defect.
        Err(wait @ (ArchiveError::Busy | ArchiveError::InUse { .. } | ArchiveError::NotInvoiced { .. } | ArchiveError::Moved { .. })) => {
            tracing::info!("no month of usage was archived: {wait}");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// What comes around by itself is not retried but comes around: a job that waited for its retry, or was parked, would keep
/// its successors out by its key.
fn periodic<E: std::fmt::Display>(kind: &str, result: Result<(), E>) -> Outcome {
    if let Err(error) = result {
        tracing::error!(queue.kind = kind, %error, "job {kind} failed and will come around again: {error}");
    }
    Ok(())
}
