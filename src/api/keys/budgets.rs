//! Budgets of a key: what it may spend per day, week and month.

use entity::account;
use entity::balance::Scope as Per;
use entity::ids::{KeyId, PeriodId};
use entity::money::Nanos;
use entity::spend_limit;
use poem_openapi::Object;
use poem_openapi::types::MaybeUndefined;
use sea_orm::{ColumnTrait as _, DatabaseTransaction, DbErr, QueryFilter as _};
use uuid::Uuid;

use super::schema::{change, nullable};
use crate::api::money;
use crate::app::App;
use crate::auth::key::{Caller, ChangeKeyError};
use crate::metering::limits::{self, LimitState, Spender};
use crate::web::json::fields::Fields;
use crate::web::json::problem::{Code, Problem};

/// What a key may spend, as decimal texts in the currency of the account, by calendar day, week from Monday on, and month
/// (UTC). `null` takes one away.
#[derive(Debug, Default, Object)]
pub struct Budgets {
    /// Per day.
    pub day: MaybeUndefined<String>,
    /// Per week.
    pub week: MaybeUndefined<String>,
    /// Per month.
    pub month: MaybeUndefined<String>,
}

/// A budget and what is left of it.
#[derive(Debug, Clone, Object)]
pub struct BudgetLeft {
    /// What may be spent, as a decimal text.
    pub amount: String,
    /// What was spent, as a decimal text.
    pub spent: String,
    /// What is left, as a decimal text.
    pub remaining: String,
}

/// Budgets of a key in their present windows (UTC).
#[derive(Debug, Default, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct BudgetsLeft {
    /// Currency of the amounts here.
    pub currency: String,
    /// Today.
    pub day: Option<BudgetLeft>,
    /// This week, from Monday on.
    pub week: Option<BudgetLeft>,
    /// This month.
    pub month: Option<BudgetLeft>,
}

/// What is to be set (`Some`) or taken away (`None`).
pub type Asked = Vec<(Per, Option<Nanos>)>;

impl Budgets {
    pub fn read(fields: &mut Fields) -> Result<Option<Self>, Problem> {
        if fields.null("budgets") {
            let gone = || MaybeUndefined::Null;
            return Ok(Some(Self { day: gone(), week: gone(), month: gone() }));
        }
        let Some(mut inner) = fields.object("budgets")? else { return Ok(None) };
        let mut one = |name: &str| nullable(&mut inner, name, Fields::text);
        let budgets = Self { day: one("day")?, week: one("week")?, month: one("month")? };
        inner.finish()?;
        Ok(Some(budgets))
    }

    /// The amounts.
    pub fn asked(self) -> Result<Asked, Problem> {
        let mut asked = Vec::new();
        for (per, field) in [(Per::Month, self.month), (Per::Week, self.week), (Per::Day, self.day)] {
            let Some(text) = change(field) else { continue };
            let amount = text.map(|text| Nanos::parse(&text).ok_or_else(|| wrong(per))).transpose()?;
            asked.push((per, amount));
        }
        Ok(asked)
    }
}

fn wrong(per: Per) -> Problem {
    let detail = "expected an amount as a decimal text such as \"5.00\"";
    Problem::field(Code::InvalidField, &format!("budgets.{}", per.as_str()), detail)
}

/// Sets the budgets of a key.
pub async fn set_in(txn: &DatabaseTransaction, account: &account::Model, key: KeyId, asked: &Asked) -> Result<(), DbErr> {
    for (per, amount) in asked {
        limits::set_budget_in(txn, account.id, key, *per, *amount).await?;
    }
    Ok(())
}

/// Refuses budgets above the caller's own. `Some` key is one that is there already: what is not asked for stays as it is.
pub async fn check_within(txn: &DatabaseTransaction, caller: &Caller, key: Option<KeyId>, asked: &Asked) -> Result<(), Problem> {
    let set = spend_limit::Entity::of(caller.account.id)
        .filter(spend_limit::Column::ScopeId.is_in([caller.key.id.0].into_iter().chain(key.map(|key| key.0))))
        .all(txn)
        .await?;
    let of = |key: KeyId, per: Per| set.iter().find(|row| row.scope_id == key.0 && row.scope == per).map(|row| row.amount);
    for per in [Per::Month, Per::Week, Per::Day] {
        let Some(own) = of(caller.key.id, per) else { continue };
        let change = asked.iter().find(|(asked, _)| *asked == per).map(|(_, amount)| *amount);
        let after = match change {
            Some(amount) => amount,
            // A new key starts without one; of a key that is there nothing is handed on.
            None if key.is_none() => None,
            None => continue,
        };
        if after.is_none_or(|after| after > own) {
            return Err(super::refused(ChangeKeyError::Beyond("budgets")));
        }
    }
    Ok(())
}

/// All budgets of a key, those too that it does not have: what would make a key without any into one like it.
pub async fn whole(txn: &DatabaseTransaction, account: &account::Model, key: KeyId) -> Result<Asked, DbErr> {
    let set = spend_limit::Entity::of(account.id).filter(spend_limit::Column::ScopeId.eq(key.0)).all(txn).await?;
    let of = |per: Per| set.iter().find(|row| row.scope == per).map(|row| row.amount);
    Ok([Per::Month, Per::Week, Per::Day].into_iter().map(|per| (per, of(per))).collect())
}

/// Where the budgets of a key stand; none without any.
pub async fn left(app: &App, account: &account::Model, key: KeyId) -> Result<Option<BudgetsLeft>, Problem> {
    // The period says where the account's cap stands, which is not asked here.
    let spender = Spender { account: account.id, key, period: PeriodId(Uuid::nil()), at: account.now(app.clock.now()) };
    let states = limits::states(&app.db, &spender).await?;
    let amount = |amount: Nanos| money::nanos(amount, &account.currency);
    let one = |state: &LimitState| BudgetLeft {
        amount: amount(state.amount),
        spent: amount(state.spent),
        // A budget may be set below what was spent already.
        remaining: amount(Nanos((state.amount.0 - state.spent.0).max(0))),
    };
    let of = |per: Per| states.iter().find(|state| state.scope == per).map(one);
    let budgets = BudgetsLeft { currency: account.currency.clone(), day: of(Per::Day), week: of(Per::Week), month: of(Per::Month) };
    Ok((budgets.day.is_some() || budgets.week.is_some() || budgets.month.is_some()).then_some(budgets))
}
