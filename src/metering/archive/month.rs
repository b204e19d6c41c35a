//! A month of event ids: what one partition has, or one file.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, Months, NaiveDate, NaiveTime, TimeDelta};
use entity::Time;
use entity::ids::EventId;
use object_store::path::Path;

use crate::metering::events::first_id;

/// A month of the wall clock, UTC. Reads and shows itself as `2026-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(NaiveDate);

impl Month {
    /// In which an instant lies.
    pub fn of(at: Time) -> Self {
        Self::from(at.date_naive())
    }

    /// In which an event was made.
    pub(in crate::metering) fn of_id(id: EventId) -> Self {
        // 48 bits of milliseconds end in the year 10889.
        let made = DateTime::from_timestamp_millis((id.0.as_u128() >> 80) as i64).unwrap_or(DateTime::UNIX_EPOCH);
        Self::of(made)
    }

    /// Its first day.
    pub fn date(self) -> NaiveDate {
        self.0
    }

    /// So many months before.
    pub fn before(self, months: u32) -> Self {
        Self(self.0.checked_sub_months(Months::new(months)).unwrap_or(NaiveDate::MIN))
    }

    fn next(self) -> Self {
        Self(self.0.checked_add_months(Months::new(1)).unwrap_or(NaiveDate::MAX))
    }

    fn start(self) -> Time {
        self.0.and_time(NaiveTime::MIN).and_utc()
    }

    /// The ids that its events have.
    pub(in crate::metering) fn ids(self) -> RangeInclusive<EventId> {
        let last = first_id(self.next().start(), TimeDelta::zero()).0.as_u128().saturating_sub(1);
        first_id(self.start(), TimeDelta::zero())..=EventId(uuid::Uuid::from_u128(last))
    }

    /// The name of its partition, as `ensure_usage_partition` gives it.
    pub(super) fn table(self) -> String {
        self.0.format("usage_event_%Y_%m").to_string()
    }

    /// The month of a partition; none of the partition for strays.
    pub(super) fn of_table(name: &str) -> Option<Self> {
        name.strip_prefix("usage_event_")?.replace('_', "-").parse().ok()
    }

    pub(super) fn object(self) -> Path {
        Path::from_iter(["usage_event".to_owned(), format!("{self}.parquet")])
    }
}

impl From<NaiveDate> for Month {
    fn from(day: NaiveDate) -> Self {
        // Every month has a first day.
        Self(day.with_day(1).unwrap_or(day))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.format("%Y-%m").fmt(f)
    }
}

impl FromStr for Month {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let day = NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").ok();
        day.map(Self).filter(|month| month.to_string() == text).ok_or("expected a month such as 2026-01")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_knows_its_table_its_object_and_its_ids() {
        let month: Month = "2025-12".parse().unwrap();
        assert_eq!((month.table().as_str(), month.object().as_ref()), ("usage_event_2025_12", "usage_event/2025-12.parquet"));
        assert_eq!(Month::of_table("usage_event_2025_12"), Some(month));
        assert_eq!((month.next().to_string(), month.before(12).to_string()), ("2026-01".into(), "2024-12".into()));
        assert_eq!(month.ids().end().0.as_u128() + 1, month.next().ids().start().0.as_u128());
        assert_eq!((Month::of_id(*month.ids().start()), Month::of_id(*month.ids().end())), (month, month));
        assert_eq!(Month::of_id(EventId(uuid::Uuid::max())).to_string(), "+10889-08");
        assert_eq!(Month::of("2025-12-31T23:59:59.999Z".parse().unwrap()), month);
        for wrong in ["usage_event_default", "usage_event_2025_13", "usage_event_2025_1", "usage_event"] {
            assert_eq!(Month::of_table(wrong), None, "{wrong}");
        }
        for wrong in ["2025-1", "2025-12-01", "", "December"] {
            assert!(wrong.parse::<Month>().is_err(), "{wrong}");
        }
    }
}
