//! `/app/billing/plan`: choose a plan, see what a change costs, pause, cancel, and take it back.

use askama::Template;
use entity::subscription::AtPeriodEnd;
use entity::{account, plan_version, price};
use poem::web::{Data, Query};
use poem::{IntoResponse as _, Response, handler};
use serde::Deserialize;

use super::error::PortalError;
use super::prices::{self, PriceRow};
use super::{see_with, show};
use crate::app::App;
use crate::billing::plan;
use crate::billing::subscription::{self, Act, ChangeError, Consequence, State};
use crate::web::form::Form;
use crate::web::page::{Page, Shell};
use crate::web::session::SignedInMember;

/// What is asked for: by the address of the question, and by the form that confirms it.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    act: String,
    /// Of a change: the plan's code.
    #[serde(default)]
    plan: String,
}

#[derive(Template)]
#[template(path = "portal/plan.html")]
struct PlanPage {
    shell: Shell,
    plan: String,
    status: &'static str,
    is_active: bool,
    is_paused: bool,
    period: Option<String>,
    trial_until: Option<String>,
    /// What happens when the period ends.
    scheduled: Option<String>,
    question: Option<Question>,
    plans: Vec<Choice>,
    problem: String,
}

/// A change that waits to be confirmed.
struct Question {
    act: String,
    plan: String,
    title: String,
    /// When, and what then.
    says: Vec<String>,
    today: Option<Today>,
    confirm: &'static str,
}

/// The invoice of the period that would end now.
struct Today {
    lines: Vec<(String, String)>,
    credits: Option<String>,
    total: String,
}

struct Choice {
    code: String,
    name: String,
    description: String,
    base_fee: String,
    rows: Vec<PriceRow>,
    is_current: bool,
}

/// Shows the page; with a question when the address asks one.
#[handler]
pub async fn get(app: Data<&App>, me: SignedInMember, Query(asked): Query<Asked>) -> Result<Response, PortalError> {
    Ok(page(&app, me, &asked, String::new()).await?.into_response())
}

/// Does what was asked.
#[handler]
pub async fn post(app: Data<&App>, me: SignedInMember, Form(asked): Form<Asked>) -> Result<Response, PortalError> {
    let act = act_of(&asked).ok_or(PortalError::NotFound)?;
    match subscription::act(&app.db, me.account.id, &act, app.clock.now()).await {
        Ok(()) => Ok(see_with(&app, "/app/billing/plan", "subscription_changed")),
        Err(ChangeError::Database(error)) => Err(error.into()),
        Err(refused) => Ok(page(&app, me, &Asked::default(), sentence(&refused)).await?.refused()),
    }
}

fn act_of(asked: &Asked) -> Option<Act> {
    match asked.act.as_str() {
        "change_now" => Some(Act::ChangeNow(asked.plan.clone())),
        "change_later" => Some(Act::ChangeAtPeriodEnd(asked.plan.clone())),
        "cancel" => Some(Act::CancelAtPeriodEnd),
        "pause" => Some(Act::PauseNow),
        "pause_later" => Some(Act::PauseAtPeriodEnd),
        "resume" => Some(Act::Resume),
        "undo" => Some(Act::Undo),
        _ => None,
    }
}

async fn page(app: &App, me: SignedInMember, asked: &Asked, problem: String) -> Result<Page<PlanPage>, PortalError> {
    let SignedInMember { account, shell, .. } = me;
    let state = subscription::state(&app.db, &account).await?.ok_or_else(|| PortalError::internal("the account never had a plan"))?;
    let (question, problem) = match act_of(asked) {
        None => (None, problem),
        Some(act) => match subscription::consequence(&app.db, &account, &app.config.seller, &act, app.clock.now()).await {
            Ok(found) => (Some(question(asked, &act, &found, &account)), problem),
            Err(ChangeError::Database(error)) => return Err(error.into()),
            Err(refused) => (None, sentence(&refused)),
        },
    };
    let listed = plan::listed(&app.db, &account.currency).await?;
    let trial = state.subscription.trial_ends_at.filter(|until| *until > account.now(app.clock.now()));
    Ok(Page(PlanPage {
        plan: state.plan.name.clone(),
        status: state.status(),
        is_active: state.status() == "active",
        is_paused: state.status() == "paused",
        period: state.period.as_ref().map(|period| show::span(period.starts_at, period.ends_at)),
        trial_until: trial.map(show::moment),
        scheduled: scheduled(&state),
        question,
        plans: listed.into_iter().map(|listed| choice(listed, &state)).collect(),
        problem,
        shell,
    }))
}

fn scheduled(state: &State) -> Option<String> {
    let (act, at) = state.at_period_end()?;
    let at = show::moment(at);
    Some(match (act, &state.next) {
        (AtPeriodEnd::Cancel, _) => format!("Your subscription ends at {at} (UTC). Until then everything works as before."),
        (AtPeriodEnd::Pause, _) => format!("Your subscription is paused from {at} (UTC) on."),
        (AtPeriodEnd::Change, Some(next)) => format!("From {at} (UTC) on you are on the {} plan.", next.name),
        (AtPeriodEnd::Change, None) => format!("Your plan changes at {at} (UTC)."),
    })
}

fn choice((code, version, prices): (String, plan_version::Model, Vec<price::Model>), state: &State) -> Choice {
    let currency = version.currency.clone();
    Choice {
        is_current: state.status() == "active" && version.id == state.plan.id,
        base_fee: show::minor(version.base_fee_minor, &currency),
        rows: prices.iter().flat_map(|price| prices::rows(&price.described(), price.meter, &price.rate(), &currency)).collect(),
        name: version.name,
        description: version.description,
        code,
    }
}

fn question(asked: &Asked, act: &Act, found: &Consequence, account: &account::Model) -> Question {
    let at = show::moment(found.effective_at);
    let plan = found.plan.as_ref().map_or_else(String::new, |plan| plan.name.clone());
    let (title, confirm, mut says) = match act {
        Act::ChangeNow(_) => (format!("Change to the {plan} plan now?"), "Change now", vec![]),
        Act::ChangeAtPeriodEnd(_) => {
            (format!("Change to the {plan} plan later?"), "Change later", vec![format!("The change happens at {at} (UTC).")])
        }
        Act::CancelAtPeriodEnd => {
            let says = format!("Everything works until {at} (UTC). After that, calls are refused; your invoices and your credit stay.");
            ("Cancel the subscription?".to_owned(), "Cancel at the end of the period", vec![says])
        }
        Act::PauseNow | Act::PauseAtPeriodEnd => {
            let says = format!("From {at} (UTC) on calls are refused and no fee is due, until you resume it.");
            ("Pause the subscription?".to_owned(), "Pause", vec![says])
        }
        Act::Resume => (format!("Resume the {plan} plan?"), "Resume", vec![]),
        Act::Undo => (format!("Stay on the {plan} plan?"), "Stay", vec!["What was to happen at the end of the period does not.".into()]),
    };
    if let (Some(fee), Some((from, to))) = (found.next_fee, found.next_period) {
        let fee = show::minor(fee, &account.currency);
        says.push(format!("The fee from {} to {} (UTC) is {fee}; it is invoiced at the end.", show::moment(from), show::moment(to)));
    }
    Question { act: asked.act.clone(), plan: asked.plan.clone(), title, says, today: today(found, account), confirm }
}

fn today(found: &Consequence, account: &account::Model) -> Option<Today> {
    let preview = found.today.as_ref()?;
    let currency = account.currency.as_str();
    Some(Today {
        lines: preview.lines.iter().map(|line| (line.description.clone(), show::minor(line.amount, currency))).collect(),
        credits: (preview.credits_applied.0 != 0).then(|| format!("−{}", show::minor(preview.credits_applied, currency))),
        total: show::minor(preview.total, currency),
    })
}

/// `The account is on this plan already.`
fn sentence(error: &ChangeError) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
