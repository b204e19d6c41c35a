//! The line to Stripe: whether its webhooks come, whether it answers, what waits, and where its books differ from ours.

use chrono::{DateTime, Utc};
use entity::account::Collection;
use entity::credit_note::{self, RefundState};
use entity::ids::CreditNoteId;
use entity::money::exponent;
use entity::{dispute, queue_job, stripe_difference, stripe_inbox, stripe_state};
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, PaginatorTrait as _, QueryFilter as _};
use sea_orm::{QueryOrder as _, QuerySelect as _, TransactionTrait as _};

use super::accounts::ListObject;
use super::gate::Operator;
use super::invoices::Reason;
use super::{Tag, credit};
use crate::app::App;
use crate::billing::invoice::act::{Why, refund};
use crate::billing::watch::{self, compare};
use crate::platform::{audit, queue};
use crate::web::json::fields::{Fields, FromFields, JsonBody};
use crate::web::json::problem::{Code, Problem};

/// Of a list that an operator works off.
const SHOWN: u64 = 1000;

pub struct StripeApi;

/// How the line to Stripe is. What is left out is well, or never happened.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct StripeState {
    /// `ok`; `webhooks_refused`; or `unreachable`.
    pub status: String,
    /// The key in use: `live` or `test`.
    pub mode: String,
    /// The last webhook that was accepted, to the minute.
    pub last_webhook_at: Option<DateTime<Utc>>,
    /// Webhooks are refused since then, and none was accepted meanwhile: is the signing secret the right one?
    pub webhooks_refused_since: Option<DateTime<Utc>>,
    /// Why the last of them was refused.
    pub webhooks_refused_because: Option<String>,
    /// When Stripe's list of events was read the last time.
    pub last_poll_at: Option<DateTime<Utc>>,
    /// Stripe does not answer since then.
    pub unreachable_since: Option<DateTime<Utc>>,
    /// What it said, or why it could not be reached.
    pub unreachable_because: Option<String>,
    /// When the books were compared the last time.
    pub last_comparison_at: Option<DateTime<Utc>>,
    /// Where they differ: `GET /admin/v1/stripe/differences`.
    pub differences: u64,
    /// Events that are stored and not worked off.
    pub waiting_events: u64,
    /// Jobs of billing that failed and will be tried again.
    pub retrying_jobs: u64,
    /// Jobs of billing that gave up: `POST /admin/v1/queue/{id}/retry` replays one.
    pub parked_jobs: Vec<ParkedBillingJob>,
    /// Disputes that are not decided.
    pub disputes: Vec<OpenDispute>,
    /// Refunds that came back: `POST /admin/v1/credit-notes/{id}/refund` sends one again.
    pub failed_refunds: Vec<FailedRefund>,
}

/// A job of billing that gave up.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ParkedBillingJob {
    /// `qjob_…`
    pub id: String,
    /// What it does.
    pub kind: String,
    /// Why it failed the last time.
    pub last_error: Option<String>,
}

/// A customer who asked the bank for the money back.
#[derive(Debug, Object)]
pub struct OpenDispute {
    /// Stripe's.
    pub id: String,
    /// `acct_…`
    pub account: String,
    /// `topup_…` or `inv_…`
    pub of: String,
    /// `inquiry` or `open`.
    pub state: String,
    /// In the bank's words.
    pub reason: String,
    /// A decimal text.
    pub amount: String,
    /// Credit that cannot be spent until it is decided, as a decimal text.
    pub frozen: String,
    /// Its currency.
    pub currency: String,
}

/// A refund that came back: the customer is still owed it.
#[derive(Debug, Object)]
pub struct FailedRefund {
    /// `cn_…`
    pub credit_note: String,
    /// The number on paper.
    pub number: String,
    /// `acct_…`
    pub account: String,
    /// A decimal text.
    pub amount: String,
    /// Its currency.
    pub currency: String,
}

/// Differences between Stripe's books and ours, the newest first.
#[derive(Debug, Object)]
pub struct DifferenceList {
    /// Always `list`.
    pub object: ListObject,
    /// All that stand.
    pub data: Vec<StripeDifference>,
    /// Always false: the list is whole.
    pub has_more: bool,
}

/// A difference.
#[derive(Debug, Object)]
pub struct StripeDifference {
    /// `invoice`, `refund`, `dispute`, `checkout_session` or `credit_note`.
    pub object: String,
    /// Stripe's.
    pub id: String,
    /// What of it differs.
    pub what: String,
    /// What we say.
    pub ours: String,
    /// What Stripe says.
    pub theirs: String,
    /// When it was found.
    pub first_at: DateTime<Utc>,
    /// When it was found again.
    pub last_at: DateTime<Utc>,
}

/// How the invoices of an account are collected.
#[derive(Debug, Object)]
pub struct Collected {
    /// `charge`: the saved card is charged. `send`: they are sent, and paid by hand or by transfer within 14 days.
    pub collection: String,
}

impl FromFields for Collected {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { collection: fields.needed_text("collection")? })
    }
}

/// A refund on its way again.
#[derive(Debug, Object)]
pub struct RefundedAgain {
    /// `cn_…`
    pub id: String,
    /// Always `pending`.
    pub refund_state: String,
}

#[OpenApi(prefix_path = "/admin/v1", tag = "Tag::Stripe")]
impl StripeApi {
    /// Show the line to Stripe
    ///
    /// Whether webhooks come, whether Stripe answers, and what waits for an operator.
    #[oai(path = "/stripe/state", method = "get", operation_id = "getStripeState")]
    async fn state(&self, _operator: Operator, app: Data<&App>) -> Result<Json<StripeState>, Problem> {
        let row = watch::state(&app.db).await?;
        let mode = if app.config.stripe.is_live() { "live" } else { "test" };
        let parked = queue::parked(&app.db).await?.into_iter().filter(|job| job.kind.starts_with("billing."));
        let retrying = queue_job::Entity::find()
            .filter(queue_job::Column::Kind.starts_with("billing."))
            .filter(queue_job::Column::State.eq(queue_job::State::Ready))
            .filter(queue_job::Column::LastError.is_not_null());
        let waiting = stripe_inbox::Entity::find().filter(stripe_inbox::Column::DoneAt.is_null());
        Ok(Json(StripeState {
            status: status(&row).to_owned(),
            mode: mode.to_owned(),
            last_webhook_at: row.webhook_at,
            webhooks_refused_since: row.refused_since,
            webhooks_refused_because: row.refused_reason,
            last_poll_at: row.polled_to,
            unreachable_since: row.poll_failed_since,
            unreachable_because: row.poll_error,
            last_comparison_at: row.compared_at,
            differences: compare::open(&app.db).await?.len() as u64,
            waiting_events: waiting.count(&app.db).await?,
            retrying_jobs: retrying.count(&app.db).await?,
            parked_jobs: parked
                .map(|job| ParkedBillingJob { id: job.id.to_string(), kind: job.kind, last_error: job.last_error })
                .collect(),
            disputes: disputes(&app.db).await?,
            failed_refunds: failed_refunds(&app.db).await?,
        }))
    }

    /// List differences
    ///
    /// Where Stripe's books of the last days and ours do not say the same; compared once a day.
    #[oai(path = "/stripe/differences", method = "get", operation_id = "listStripeDifferences")]
    async fn differences(&self, _operator: Operator, app: Data<&App>) -> Result<Json<DifferenceList>, Problem> {
        let shown = |row: stripe_difference::Model| StripeDifference {
            object: row.object,
            id: row.object_id,
            what: row.what,
            ours: row.ours,
            theirs: row.theirs,
            first_at: row.first_at,
            last_at: row.last_at,
        };
        let data = compare::open(&app.db).await?.into_iter().map(shown).collect();
        Ok(Json(DifferenceList { object: ListObject::List, data, has_more: false }))
    }

    /// Send a refund again
    ///
    /// Of a credit note whose refund failed, once the customer has another card or account.
    #[oai(path = "/credit-notes/:id/refund", method = "post", operation_id = "refundAgain")]
    async fn again(
        &self,
        _operator: Operator,
        app: Data<&App>,
        /// `cn_…`
        id: Path<String>,
        body: JsonBody<Reason>,
    ) -> Result<Json<RefundedAgain>, Problem> {
        let unknown = || Problem::new(Code::NotFound, "There is no such credit note.");
        let id: CreditNoteId = id.parse().map_err(|_| unknown())?;
        let why = Why { actor: audit::OPERATOR, reason: &body.0.reason };
        let note = refund::again(&app.db, id, why, app.clock.now()).await?;
        Ok(Json(RefundedAgain { id: note.id.to_string(), refund_state: note.refund_state.as_str().to_owned() }))
    }

    /// Choose how invoices are collected
    ///
    /// From the next one on.
    #[oai(path = "/accounts/:id/collection", method = "post", operation_id = "setCollection")]
    async fn collection(
        &self,
        _operator: Operator,
        app: Data<&App>,
        /// `acct_…`
        id: Path<String>,
        body: JsonBody<Collected>,
    ) -> Result<Json<Collected>, Problem> {
        let account = credit::find(&app, &id).await?;
        let collection = match body.0.collection.as_str() {
            "charge" => Collection::Charge,
            "send" => Collection::Send,
            _ => return Err(Problem::field(Code::InvalidField, "collection", "expected charge or send")),
        };
        let txn = app.db.begin().await?;
        let change = entity::account::ActiveModel { id: Set(account.id), collection: Set(collection), ..Default::default() };
        entity::account::Entity::update(change).exec(&txn).await?;
        let subject = account.id.to_string();
        let act = audit::Act {
            account: Some(account.id),
            actor: audit::OPERATOR,
            action: "account.collection",
            subject: &subject,
            reason: "set",
            detail: serde_json::json!({ "collection": collection.as_str() }),
        };
        audit::note_in(&txn, act, app.clock.now()).await?;
        txn.commit().await?;
        Ok(Json(Collected { collection: collection.as_str().to_owned() }))
    }
}

fn status(row: &stripe_state::Model) -> &'static str {
    match (row.poll_failed_since, row.refused_since) {
        (Some(_), _) => "unreachable",
        (None, Some(_)) => "webhooks_refused",
        (None, None) => "ok",
    }
}

async fn disputes(db: &DatabaseConnection) -> Result<Vec<OpenDispute>, DbErr> {
    let open = dispute::Entity::find()
        .filter(dispute::Column::State.is_in([dispute::State::Inquiry, dispute::State::Open]))
        .order_by_desc(dispute::Column::CreatedAt)
        .limit(SHOWN);
    let shown = |row: dispute::Model| OpenDispute {
        of: row.invoice_id.map(|id| id.to_string()).or(row.top_up_id.map(|id| id.to_string())).unwrap_or_default(),
        account: row.account_id.to_string(),
        state: row.state.as_str().to_owned(),
        amount: row.amount_minor.decimal(exponent(&row.currency)),
        frozen: row.frozen_nanos.decimal(exponent(&row.currency)),
        id: row.id,
        reason: row.reason,
        currency: row.currency,
    };
    Ok(open.all(db).await?.into_iter().map(shown).collect())
}

async fn failed_refunds(db: &DatabaseConnection) -> Result<Vec<FailedRefund>, DbErr> {
    let failed = credit_note::Entity::find()
        .filter(credit_note::Column::RefundState.eq(RefundState::Failed))
        .order_by_desc(credit_note::Column::Id)
        .limit(SHOWN);
    let shown = |row: credit_note::Model| FailedRefund {
        credit_note: row.id.to_string(),
        account: row.account_id.to_string(),
        amount: row.amount_minor.decimal(exponent(&row.currency)),
        number: row.number,
        currency: row.currency,
    };
    Ok(failed.all(db).await?.into_iter().map(shown).collect())
}
