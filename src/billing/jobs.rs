//! Which of billing's queue jobs runs what. What comes around by itself is the worker's.

use entity::{Time, queue_job};
use sea_orm::DatabaseConnection;

use super::auto_top_up::offer::{self, OfferTopUp};
use super::buyer::{self, SyncBuyer};
use super::card::{self, CheckCard};
use super::dunning::{self, Dun, TellRestored};
use super::invoice::act::refund::{self, RefundCreditNote};
use super::invoice::act::remote_note::{self, PushCreditNote};
use super::invoice::collect::{self, CollectInvoice, PushInvoice};
use super::invoice::finalize::{self, FinalizeInvoice};
use super::invoice::note::{self, SendCreditNote};
use super::payment::{self, SyncInvoice};
use super::provider::Provider;
use super::sync::{self, SyncStripeEvent};
use super::top_up::{self, SyncTopUp};
use crate::platform::config::{Dunning, Seller};
use crate::platform::queue::{Failure, Job as _, Outcome, payload};

/// What the jobs work with.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    pub db: &'a DatabaseConnection,
    pub stripe: &'a Provider,
    pub seller: &'a Seller,
    pub dunning: &'a Dunning,
    /// What links in letters start with.
    pub public_url: &'a str,
}

/// Runs one of billing's jobs.
///
/// # Errors
/// As the job; parked when it is of a kind that nobody knows.
pub async fn run(means: Means<'_>, job: queue_job::Model, now: Time) -> Outcome {
    let Means { db, stripe, seller, dunning, public_url: url } = means;
    match job.kind.as_str() {
        FinalizeInvoice::KIND => finalize::run(db, seller, url, payload(job)?, now).await,
        RefundCreditNote::KIND => refund::run(db, stripe, payload(job)?, now).await,
        SendCreditNote::KIND => note::send(db, seller, url, payload(job)?, now).await,
        PushCreditNote::KIND => remote_note::push(db, stripe, payload(job)?, now).await,
        PushInvoice::KIND => collect::push(db, stripe, url, payload(job)?, now).await,
        CollectInvoice::KIND => collect::collect(db, stripe, url, payload(job)?, now).await,
        Dun::KIND => dunning::run(db, dunning, url, payload(job)?, now).await,
        TellRestored::KIND => dunning::tell_restored(db, url, payload(job)?, now).await,
        CheckCard::KIND => card::check(db, stripe, url, payload(job)?, now).await,
        SyncStripeEvent::KIND => sync::run(db, stripe, url, payload(job)?, now).await,
        SyncInvoice::KIND => payment::sync(db, stripe, url, payload::<SyncInvoice>(job)?.invoice, now).await,
        SyncBuyer::KIND => buyer::run(db, stripe, payload(job)?).await,
        OfferTopUp::KIND => offer::run(db, stripe, url, payload(job)?, now).await,
        SyncTopUp::KIND => top_up::sync(db, stripe, url, payload::<SyncTopUp>(job)?.top_up, now).await,
        unknown => Err(Failure::Park(format!("no runner for jobs of kind {unknown}"))),
    }
}
