//! The part of a fee that a part of a billing cycle owes: integers, and the parts of a cycle add up to the whole.

use entity::Time;
use entity::money::{Nanos, Overflow};
use entity::{period, subscription};

/// A stretch of a billing cycle, the ends excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Share {
    pub from: Time,
    pub to: Time,
    /// The whole cycle: `from` and `to` lie in it.
    pub cycle: (Time, Time),
}

impl Share {
    /// What of its cycle a period owes fees for: all of the period, but for the days of a trial.
    #[must_use]
    pub fn of(period: &period::Model, subscription: &subscription::Model) -> Self {
        let trial = subscription.trial_ends_at.unwrap_or(period.starts_at);
        Self {
            from: trial.clamp(period.starts_at, period.ends_at.max(period.starts_at)),
            to: period.ends_at,
            cycle: (period.cycle_starts_at, period.cycle_ends_at),
        }
    }

    /// Whether it is a cycle from end to end.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        (self.from, self.to) == self.cycle
    }

    /// The part of `whole` that this stretch owes, in the units of `whole`: by time, rounded half away from zero. It is the
    /// difference of what is owed up to its two ends, so that stretches that meet add up without a remainder.
    ///
    /// # Errors
    /// When the cycle is empty or centuries long.
    pub fn part(&self, whole: i64) -> Result<i64, Overflow> {
        let until = |instant: Time| {
            let elapsed = microseconds(self.cycle.0, instant.clamp(self.cycle.0, self.cycle.1))?;
            let length = microseconds(self.cycle.0, self.cycle.1)?;
            // Both fit 64 bits, so the product fits.
            let (product, length) = (i128::from(whole) * i128::from(elapsed), i128::from(length));
            let half = if product < 0 { -length / 2 } else { length / 2 };
            (product + half).checked_div(length).and_then(|owed| i64::try_from(owed).ok()).ok_or(Overflow)
        };
        Ok(until(self.to)? - until(self.from)?)
    }

    /// [`part`](Self::part) of an amount.
    ///
    /// # Errors
    /// As [`part`](Self::part).
    pub fn nanos(&self, whole: Nanos) -> Result<Nanos, Overflow> {
        self.part(whole.0).map(Nanos)
    }
}

fn microseconds(from: Time, to: Time) -> Result<i64, Overflow> {
    (to - from).num_microseconds().ok_or(Overflow)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn share(from: &str, to: &str) -> Share {
        Share { from: at(from), to: at(to), cycle: (at("2026-03-01T00:00:00Z"), at("2026-04-01T00:00:00Z")) }
    }

    #[test]
    fn ten_of_thirty_one_days_and_the_rest_are_the_whole() {
        let early = share("2026-03-01T00:00:00Z", "2026-03-11T00:00:00Z");
        let late = share("2026-03-11T00:00:00Z", "2026-04-01T00:00:00Z");
        // 500 × 10 / 31 = 161.29…
        assert_eq!((early.part(500), late.part(500)), (Ok(161), Ok(339)));
        assert_eq!((early.part(-500), late.part(-500)), (Ok(-161), Ok(-339)));
        assert!(share("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z").is_whole());
    }

    #[test]
    fn a_half_is_rounded_away_from_zero() {
        let half = share("2026-03-01T00:00:00Z", "2026-03-16T12:00:00Z");
        assert_eq!((half.part(1), half.part(-1), half.part(3)), (Ok(1), Ok(-1), Ok(2)));
    }

    #[test]
    fn an_empty_cycle_is_refused_and_none_of_it_owes_nothing() {
        let never = Share { from: at("2026-03-01T00:00:00Z"), to: at("2026-03-01T00:00:00Z"), cycle: (Time::UNIX_EPOCH, Time::UNIX_EPOCH) };
        assert_eq!(never.part(5), Err(Overflow));
        assert_eq!(share("2026-03-05T00:00:00Z", "2026-03-05T00:00:00Z").part(i64::MAX), Ok(0));
        assert_eq!(share("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z").part(i64::MIN), Ok(i64::MIN));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn parts_add_up_to_the_whole(whole in any::<i64>(), length in 1i64..40_000_000_000_000, cuts in proptest::collection::vec(any::<u64>(), 0..8)) {
            let start = at("2026-03-01T00:00:00Z");
            let mut marks: Vec<i64> = cuts.iter().map(|cut| (cut % length as u64) as i64).chain([0, length]).collect();
            marks.sort_unstable();
            let instant = |mark: i64| start + TimeDelta::microseconds(mark);
            let cycle = (start, instant(length));
            let parts: i128 = marks.windows(2).map(|pair| {
                i128::from(Share { from: instant(pair[0]), to: instant(pair[1]), cycle }.part(whole).unwrap())
            }).sum();
            prop_assert_eq!(parts, i128::from(whole));
        }
    }
}
