//! Which limits a call is under.

use std::collections::HashMap;

use chrono::{Datelike as _, Months, NaiveTime, TimeDelta};
use entity::Time;
use entity::balance::Scope;
use entity::ids::{AccountId, KeyId, PeriodId};
use entity::money::Nanos;
use entity::spend_limit;
use uuid::Uuid;

use super::LimitError;

/// Who spends, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spender {
    pub account: AccountId,
    pub key: KeyId,
    /// The billing period that the usage goes to.
    pub period: PeriodId,
    /// In the account's own time.
    pub at: Time,
}

/// One limit in one window: names a row of `balance`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Limit {
    pub account: AccountId,
    pub scope: Scope,
    pub id: Uuid,
    pub window: Time,
}

impl Limit {
    pub fn of(scope: Scope, spender: &Spender) -> Self {
        let id = match scope {
            Scope::Credit => spender.account.0,
            Scope::Period => spender.period.0,
            Scope::Month | Scope::Week | Scope::Day => spender.key.0,
        };
        Self { account: spender.account, scope, id, window: window(scope, spender.at).0 }
    }

    /// Under which id the customer's setting of it is kept: a cap is the account's, whatever the period.
    pub fn set_for(&self) -> Uuid {
        if self.scope == Scope::Period { self.account.0 } else { self.id }
    }

    /// How it refuses.
    pub fn refusal(&self, remaining: Nanos) -> LimitError {
        match self.scope {
            Scope::Credit => LimitError::Insufficient { remaining },
            scope => LimitError::CapReached { scope, remaining },
        }
    }
}

/// The calendar window of a scope that has an instant, start included, end excluded; UTC. Credit and caps have one for all.
pub(super) fn window(scope: Scope, at: Time) -> (Time, Time) {
    let day = at.date_naive();
    let midnight = |date: chrono::NaiveDate| date.and_time(NaiveTime::MIN).and_utc();
    match scope {
        Scope::Credit | Scope::Period => (Time::UNIX_EPOCH, Time::UNIX_EPOCH + TimeDelta::days(1)),
        Scope::Month => {
            let first = midnight(day.with_day(1).unwrap_or(day));
            (first, first + Months::new(1))
        }
        Scope::Week => {
            let monday = midnight(day) - TimeDelta::days(day.weekday().num_days_from_monday().into());
            (monday, monday + TimeDelta::days(7))
        }
        Scope::Day => (midnight(day), midnight(day) + TimeDelta::days(1)),
    }
}

/// Which limits an account has besides its credit.
#[derive(Debug, Default)]
pub(super) struct Terms {
    cap: bool,
    /// The budgets of each key, the widest first.
    budgets: HashMap<KeyId, Vec<Scope>>,
}

impl Terms {
    /// `None` when nothing is set, as for most.
    pub fn read(rows: &[spend_limit::Model]) -> Option<Self> {
        let mut terms = Self::default();
        for row in rows {
            match row.scope {
                Scope::Period => terms.cap = true,
                scope => terms.budgets.entry(KeyId(row.scope_id)).or_default().push(scope),
            }
        }
        terms.budgets.values_mut().for_each(|scopes| scopes.sort_unstable());
        (!rows.is_empty()).then_some(terms)
    }

    /// The limits of a call besides credit, in the order in which they are taken.
    pub fn limits(&self, spender: &Spender) -> impl Iterator<Item = Limit> {
        let budgets = self.budgets.get(&spender.key).map_or(&[][..], Vec::as_slice);
        self.cap.then_some(Scope::Period).into_iter().chain(budgets.iter().copied()).map(|scope| Limit::of(scope, spender))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_begin_where_the_calendar_says() {
        let at = |text: &str| text.parse::<Time>().unwrap();
        // A Thursday.
        let now = at("2026-12-31T23:59:59.999Z");
        assert_eq!(window(Scope::Day, now), (at("2026-12-31T00:00:00Z"), at("2027-01-01T00:00:00Z")));
        assert_eq!(window(Scope::Week, now), (at("2026-12-28T00:00:00Z"), at("2027-01-04T00:00:00Z")));
        assert_eq!(window(Scope::Month, now), (at("2026-12-01T00:00:00Z"), at("2027-01-01T00:00:00Z")));
        let sunday = at("2027-02-28T00:00:00Z");
        assert_eq!(window(Scope::Week, sunday).0, at("2027-02-22T00:00:00Z"));
        assert_eq!(window(Scope::Month, sunday), (at("2027-02-01T00:00:00Z"), at("2027-03-01T00:00:00Z")));
    }
}
