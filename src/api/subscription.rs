//! The subscription: what runs, what comes next, and changing it.

use chrono::{DateTime, Utc};
use entity::plan_version;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};

use super::auth::Key;
use super::invoices::Invoice;
use super::{Tag, money};
use crate::app::App;
use crate::auth::key::Scope;
use crate::billing::subscription::{self, Act, Consequence, State};
use crate::web::json::fields::{Fields, FromFields, JsonBody};
use crate::web::json::problem::{Code, Problem};

pub struct SubscriptionApi;

/// What `object` says.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum SubscriptionObject {
    /// A subscription.
    Subscription,
}

/// What `object` says.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum PreviewObject {
    /// What a change would lead to.
    SubscriptionPreview,
}

/// The subscription of the account: the one that runs, or the last one that did. All times are the account's own.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Subscription {
    /// `sub_…`
    pub id: String,
    /// Always `subscription`.
    pub object: SubscriptionObject,
    /// `active`, `paused` or `canceled`. Calls are served while it is active.
    pub status: String,
    /// The plan.
    pub plan: SubscribedPlan,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Where its days and months begin.
    pub time_zone: String,
    /// No fee is due before.
    pub trial_end: Option<DateTime<Utc>>,
    /// Start of the open billing period, inclusive.
    pub period_start: Option<DateTime<Utc>>,
    /// End of the open billing period, exclusive.
    pub period_end: Option<DateTime<Utc>>,
    /// What happens when the period ends: `change`, `cancel` or `pause`; left out: it goes on.
    pub at_period_end: Option<String>,
    /// What a change leads to.
    pub next_plan: Option<SubscribedPlan>,
}

/// A version of a plan.
#[derive(Debug, Object)]
pub struct SubscribedPlan {
    /// What it is called.
    pub name: String,
    /// Which version of it.
    pub version: i32,
    /// What it costs per month, as a decimal text.
    pub base_fee: String,
    /// Currency of `base_fee`.
    pub currency: String,
}

/// A change of the subscription.
#[derive(Debug, Object)]
pub struct SubscriptionChange {
    /// `change` (to `plan`), `cancel` (at the end of the period), `pause`, `resume`, or `undo` what is to happen at the end of
    /// the period.
    pub action: String,
    /// Of a change: the plan's id.
    pub plan: Option<String>,
    /// Of a change or a pause: `now` (without it) or `period_end`.
    pub when: Option<String>,
}

/// What a change would lead to.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct SubscriptionPreview {
    /// Always `subscription_preview`.
    pub object: PreviewObject,
    /// When it would happen.
    pub effective_at: DateTime<Utc>,
    /// The invoice of the period that it would end at once: what is to pay today. Left out: the period goes on to its end.
    pub today: Option<Invoice>,
    /// The plan that would run then.
    pub plan: Option<SubscribedPlan>,
    /// Start of the period that would begin then.
    pub period_start: Option<DateTime<Utc>>,
    /// Its end, exclusive.
    pub period_end: Option<DateTime<Utc>>,
    /// The share of the monthly fee that is due at its end, as a decimal text.
    pub period_fee: Option<String>,
}

impl FromFields for SubscriptionChange {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { action: fields.needed_text("action")?, plan: fields.text("plan")?, when: fields.text("when")? })
    }
}

impl SubscriptionChange {
    fn act(self) -> Result<Act, Problem> {
        let wrong = |field, expected: &str| Err(Problem::field(Code::InvalidField, field, expected));
        let now = match self.when.as_deref() {
            None | Some("now") => true,
            Some("period_end") => false,
            Some(_) => return wrong("when", "expected now or period_end"),
        };
        match (self.action.as_str(), self.plan) {
            ("change", Some(plan)) => Ok(if now { Act::ChangeNow(plan) } else { Act::ChangeAtPeriodEnd(plan) }),
            ("change", None) => Err(Problem::field(Code::MissingField, "plan", "a change names its plan")),
            (_, Some(_)) => wrong("plan", "only a change names a plan"),
            ("pause", None) => Ok(if now { Act::PauseNow } else { Act::PauseAtPeriodEnd }),
            ("cancel", None) if now && self.when.is_some() => wrong("when", "a subscription is canceled at the end of its period"),
            ("cancel", None) => Ok(Act::CancelAtPeriodEnd),
            ("resume" | "undo", None) if self.when.is_some() => wrong("when", "only a change and a pause have a time"),
            ("resume", None) => Ok(Act::Resume),
            ("undo", None) => Ok(Act::Undo),
            _ => wrong("action", "expected change, cancel, pause, resume or undo"),
        }
    }
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Account")]
impl SubscriptionApi {
    /// Show the subscription
    ///
    /// Needs the scope `billing`.
    #[oai(path = "/subscription", method = "get", operation_id = "getSubscription")]
    async fn get(&self, key: Key, app: Data<&App>) -> Result<Json<Subscription>, Problem> {
        show(&app, &key.with(Scope::Billing)?.account).await
    }

    /// Change the subscription
    ///
    /// A change now ends the billing period: its usage and its share of the fee are invoiced at once, and the new plan owes its
    /// share from then on. Needs the scope `billing`.
    #[oai(path = "/subscription", method = "post", operation_id = "changeSubscription")]
    async fn change(&self, key: Key, app: Data<&App>, body: JsonBody<SubscriptionChange>) -> Result<Json<Subscription>, Problem> {
        let account = &key.with(Scope::Billing)?.account;
        let act = body.0.act()?;
        subscription::act(&app.db, account.id, &act, app.clock.now()).await?;
        show(&app, account).await
    }

    /// Preview a change
    ///
    /// What it would lead to, and what would be to pay today. Nothing changes. Needs the scope `billing`.
    #[oai(path = "/subscription/preview", method = "post", operation_id = "previewSubscription")]
    async fn preview(&self, key: Key, app: Data<&App>, body: JsonBody<SubscriptionChange>) -> Result<Json<SubscriptionPreview>, Problem> {
        let account = &key.with(Scope::Billing)?.account;
        let act = body.0.act()?;
        let found = subscription::consequence(&app.db, account, &app.config.seller, &act, app.clock.now()).await?;
        Ok(Json(SubscriptionPreview::of(found, &account.currency)))
    }
}

async fn show(app: &App, account: &entity::account::Model) -> Result<Json<Subscription>, Problem> {
    let state = subscription::state(&app.db, account).await?.ok_or_else(|| Problem::not_found("subscription"))?;
    Ok(Json(Subscription::of(state)))
}

impl Subscription {
    fn of(state: State) -> Self {
        let (status, at_period_end) = (state.status(), state.at_period_end());
        let State { subscription, plan, period, next, .. } = state;
        Self {
            id: subscription.id.to_string(),
            object: SubscriptionObject::Subscription,
            status: status.to_owned(),
            plan: SubscribedPlan::of(plan),
            started_at: subscription.started_at,
            ended_at: subscription.ended_at,
            time_zone: subscription.time_zone,
            trial_end: subscription.trial_ends_at,
            period_start: period.as_ref().map(|period| period.starts_at),
            period_end: period.map(|period| period.ends_at),
            at_period_end: at_period_end.map(|(act, _)| act.as_str().to_owned()),
            next_plan: next.map(SubscribedPlan::of),
        }
    }
}

impl SubscribedPlan {
    fn of(version: plan_version::Model) -> Self {
        Self {
            base_fee: money::minor(version.base_fee_minor, &version.currency),
            name: version.name,
            version: version.version,
            currency: version.currency,
        }
    }
}

impl SubscriptionPreview {
    fn of(found: Consequence, currency: &str) -> Self {
        let Consequence { effective_at, today, plan, next_period, next_fee } = found;
        Self {
            object: PreviewObject::SubscriptionPreview,
            effective_at,
            today: today.map(|preview| Invoice::upcoming(preview, currency)),
            plan: plan.map(SubscribedPlan::of),
            period_start: next_period.map(|period| period.0),
            period_end: next_period.map(|period| period.1),
            period_fee: next_fee.map(|fee| money::minor(fee, currency)),
        }
    }
}
