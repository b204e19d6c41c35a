//! The form of a key: the same for making one and for changing one.

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta};
use entity::balance::Scope as Per;
use entity::money::{Nanos, exponent};
use entity::{Time, account, api_key};
use sea_orm::{DatabaseTransaction, DbErr};
use serde::Deserialize;

use crate::app::App;
use crate::auth::key::{ChangeKeyError, Changes, Scope};
use crate::inference::admit;
use crate::metering::limits::{self, LimitState};
use crate::web::form::FieldErrors;

/// What was typed. A checkbox that is not ticked is not sent; an empty field is no limit.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct KeyForm {
    pub name: String,
    scope_infer: Option<String>,
    scope_usage: Option<String>,
    scope_keys: Option<String>,
    scope_billing: Option<String>,
    pub models: String,
    pub allowed_ips: String,
    /// The last day on which it works, UTC.
    pub expires_at: String,
    pub requests_per_minute: String,
    pub budget_day: String,
    pub budget_week: String,
    pub budget_month: String,
}

/// A box to tick.
pub struct ScopeBox {
    pub field: String,
    pub name: &'static str,
    pub says: &'static str,
    pub ticked: bool,
}

/// What a form asks for: of the key, and of its budgets.
pub struct Asked {
    pub changes: Changes,
    budgets: [(Per, Option<Nanos>); 3],
}

impl KeyForm {
    /// An empty form for a key that sends images.
    pub fn fresh() -> Self {
        Self { scope_infer: Some(String::new()), scope_usage: Some(String::new()), ..Self::default() }
    }

    /// The form as it stands for a key.
    pub fn of(key: &api_key::Model, budgets: &[LimitState], currency: &str) -> Self {
        let has = |scope: Scope| key.scope_names().iter().any(|name| name == scope.as_str()).then(String::new);
        let budget = |per: Per| {
            let state = budgets.iter().find(|state| state.scope == per);
            state.map(|state| state.amount.decimal(exponent(currency))).unwrap_or_default()
        };
        Self {
            name: key.name.clone(),
            scope_infer: has(Scope::Infer),
            scope_usage: has(Scope::Usage),
            scope_keys: has(Scope::Keys),
            scope_billing: has(Scope::Billing),
            models: key.model_names().unwrap_or_default().join(", "),
            allowed_ips: key.network_names().unwrap_or_default().join(", "),
            expires_at: key.expires_at.map(last_day).map(|day| day.to_string()).unwrap_or_default(),
            requests_per_minute: key.requests_per_minute.map(|pace| pace.to_string()).unwrap_or_default(),
            budget_day: budget(Per::Day),
            budget_week: budget(Per::Week),
            budget_month: budget(Per::Month),
        }
    }

    /// The scopes that are ticked.
    pub fn scopes(&self) -> Vec<Scope> {
        Scope::ALL.into_iter().filter(|scope| self.has(*scope)).collect()
    }

    pub fn boxes(&self) -> Vec<ScopeBox> {
        Scope::ALL.into_iter().map(|scope| scope_box(scope, self.has(scope))).collect()
    }

    fn has(&self, scope: Scope) -> bool {
        let field = match scope {
            Scope::Infer => &self.scope_infer,
            Scope::Usage => &self.scope_usage,
            Scope::Keys => &self.scope_keys,
            Scope::Billing => &self.scope_billing,
        };
        field.is_some()
    }

    /// What is asked for; of a key that is there, `was`. The errors are of what cannot be read.
    pub fn read(&self, app: &App, was: Option<&api_key::Model>) -> Result<Asked, FieldErrors> {
        let mut errors = FieldErrors::default();
        let models = list(&self.models);
        if let Err(text) = admit::check_models(&app.inference, models.as_deref().unwrap_or_default()) {
            errors.add("models", sentence(&text));
        }
        let mut amount = |field: &'static str, text: &str| {
            let amount = (!text.trim().is_empty()).then(|| Nanos::parse(text.trim()));
            if amount == Some(None) {
                errors.add(field, "Type an amount such as 5.00, or nothing.");
            }
            amount.flatten()
        };
        let budgets = [
            (Per::Month, amount("budget_month", &self.budget_month)),
            (Per::Week, amount("budget_week", &self.budget_week)),
            (Per::Day, amount("budget_day", &self.budget_day)),
        ];
        let requests_per_minute = optional(&self.requests_per_minute, |text| text.parse().ok());
        if requests_per_minute == Some(None) {
            errors.add("requests_per_minute", "Type a whole number, or nothing.");
        }
        let expires_at = optional(&self.expires_at, |text| text.parse().ok().and_then(end_of));
        if expires_at == Some(None) {
            errors.add("expires_at", "Choose a day, or none.");
        }
        let changes = Changes {
            name: Some(self.name.clone()),
            scopes: Some(self.scopes()),
            models: Some(models),
            allowed_ips: Some(list(&self.allowed_ips)),
            expires_at: expiry(was.and_then(|was| was.expires_at), expires_at.flatten()),
            requests_per_minute: Some(requests_per_minute.flatten()),
            metadata: None,
        };
        if errors.is_empty() { Ok(Asked { changes, budgets }) } else { Err(errors) }
    }
}

impl Asked {
    /// Sets the budgets that differ from those that are there.
    pub async fn set_budgets_in(
        &self,
        txn: &DatabaseTransaction,
        account: &account::Model,
        key: entity::ids::KeyId,
        there: &[LimitState],
    ) -> Result<(), DbErr> {
        for (per, amount) in self.budgets {
            let was = there.iter().find(|state| state.scope == per).map(|state| state.amount);
            if was != amount {
                limits::set_budget_in(txn, account.id, key, per, amount).await?;
            }
        }
        Ok(())
    }
}

/// What is wrong with a form, beside its field. `None`: it is not the form.
pub fn wrong(error: &ChangeKeyError) -> Option<FieldErrors> {
    match error {
        ChangeKeyError::Invalid { field, expected } => Some(FieldErrors::one(field, sentence(expected))),
        _ => None,
    }
}

fn scope_box(scope: Scope, ticked: bool) -> ScopeBox {
    let says = match scope {
        Scope::Infer => "Send images. This is what costs.",
        Scope::Usage => "Read usage and the balance.",
        Scope::Keys => "Make and revoke keys.",
        Scope::Billing => "Read invoices and the plan.",
    };
    ScopeBox { field: format!("scope_{}", scope.as_str()), name: scope.as_str(), says, ticked }
}

/// Texts between commas, spaces and lines; none of an empty field.
fn list(text: &str) -> Option<Vec<String>> {
    let parts: Vec<String> = text.split([',', ';', ' ', '\n', '\r', '\t']).filter(|part| !part.is_empty()).map(str::to_owned).collect();
    (!parts.is_empty()).then_some(parts)
}

/// `None` of an empty field, `Some(None)` of one that cannot be read.
fn optional<T>(text: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    let text = text.trim();
    (!text.is_empty()).then(|| read(text))
}

/// The form knows days only: an end within the day that is typed stays what it is.
fn expiry(was: Option<Time>, asked: Option<Time>) -> Option<Option<Time>> {
    let stays = was.map(last_day) == asked.map(last_day);
    (!stays).then_some(asked)
}

/// A key that expires on a day works until its end.
fn end_of(day: NaiveDate) -> Option<Time> {
    Some(day.checked_add_days(Days::new(1))?.and_time(NaiveTime::MIN).and_utc())
}

/// The last day on which a key with this end works, UTC.
pub fn last_day(end: Time) -> NaiveDate {
    (end - TimeDelta::microseconds(1)).date_naive()
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| format!("{}{}.", first.to_uppercase(), letters.as_str())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_worked_through_to_its_end() {
        let day: NaiveDate = "2027-01-31".parse().unwrap();
        let end = end_of(day).unwrap();
        assert_eq!(end.to_rfc3339(), "2027-02-01T00:00:00+00:00");
        assert_eq!(last_day(end), day);
        assert_eq!(last_day(end + TimeDelta::microseconds(1)), day.succ_opt().unwrap());
    }

    #[test]
    fn lists_are_read_as_people_type_them() {
        assert_eq!(list(" \n "), None);
        assert_eq!(list("10.0.0.0/8, ::1;1.2.3.4\r\n5.6.7.8").unwrap(), ["10.0.0.0/8", "::1", "1.2.3.4", "5.6.7.8"]);
    }
}
