//! When billing cycles begin: months of the calendar, or months from the day an account began, where its days begin.

use chrono::{Datelike as _, MappedLocalTime, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;
use entity::Time;
use entity::plan_version::Billing;

/// The cycle in which an instant lies, the end excluded. Cycles follow each other without a gap.
///
/// Anniversaries are counted from `anchor` by the wall clock of the zone, so that neither a short month nor the change to
/// summer time moves the later ones: who began on a 31st at noon is billed at noon on the last day of February, and on the
/// 31st of March again.
pub fn cycle(billing: Billing, anchor: Time, zone: Tz, instant: Time) -> (Time, Time) {
    let start = |number: i32| match (billing, number) {
        // Also where it is the second of two equal times.
        (Billing::Anniversary, 0) => anchor,
        _ => instant_of(zone, local_start(billing, anchor, zone, number)),
    };
    // Months by the calendar are a guess that is off by one at most, as months differ in length and zones move.
    let (from, to) = (local(zone, anchor), local(zone, instant));
    let mut number = (to.year() - from.year()) * 12 + to.month0() as i32 - from.month0() as i32;
    while start(number) > instant {
        number -= 1;
    }
    while start(number + 1) <= instant {
        number += 1;
    }
    (start(number), start(number + 1))
}

/// The zone by its name; UTC when the name is none of the IANA database.
pub fn zone(name: &str) -> Tz {
    name.parse().unwrap_or(Tz::UTC)
}

/// The day that the calendar shows at an instant in a zone by its name.
pub fn date(zone_name: &str, instant: Time) -> NaiveDate {
    local(zone(zone_name), instant).date()
}

fn local(zone: Tz, instant: Time) -> NaiveDateTime {
    instant.with_timezone(&zone).naive_local()
}

/// Where the wall clock of the zone stands when cycle `number` begins; number 0 is the one of the anchor's month.
fn local_start(billing: Billing, anchor: Time, zone: Tz, number: i32) -> NaiveDateTime {
    let anchor = local(zone, anchor);
    let first = match billing {
        Billing::Anniversary => anchor,
        Billing::Calendar => NaiveDateTime::new(anchor.date().with_day(1).unwrap_or(anchor.date()), NaiveTime::MIN),
    };
    let months = Months::new(number.unsigned_abs());
    // A month that is too short for the day ends on its last. Nobody's clock reaches the year 262 143.
    let moved = if number < 0 { first.checked_sub_months(months) } else { first.checked_add_months(months) };
    moved.unwrap_or(NaiveDate::MAX.and_time(NaiveTime::MIN))
}

/// The instant at which the zone's wall clock shows a time: the first of two in autumn; in spring, when that is left out, the
/// first that is some quarters of an hour later.
fn instant_of(zone: Tz, wall: NaiveDateTime) -> Time {
    // No zone leaves out more than a day.
    for quarters in 0..=96 {
        match zone.from_local_datetime(&(wall + TimeDelta::minutes(15 * quarters))) {
            MappedLocalTime::Single(found) | MappedLocalTime::Ambiguous(found, _) => return found.to_utc(),
            MappedLocalTime::None => {}
        }
    }
    wall.and_utc()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn from(billing: Billing, anchor: &str, zone: Tz, instant: &str) -> (String, String) {
        let (from, to) = cycle(billing, at(anchor), zone, at(instant));
        (from.to_rfc3339(), to.to_rfc3339())
    }

    fn assert_cycle(billing: Billing, anchor: &str, zone: Tz, instant: &str, expected: (&str, &str)) {
        let (start, end) = from(billing, anchor, zone, instant);
        assert_eq!((start.trim_end_matches(":00+00:00"), end.trim_end_matches(":00+00:00")), expected, "{instant}");
    }

    #[test]
    fn the_31st_comes_back_after_a_short_month_and_a_leap_day_counts() {
        let check = |instant, expected| assert_cycle(Billing::Anniversary, "2027-01-31T12:00:00Z", Tz::UTC, instant, expected);
        check("2027-01-31T12:00:00Z", ("2027-01-31T12:00", "2027-02-28T12:00"));
        check("2027-02-28T11:59:59Z", ("2027-01-31T12:00", "2027-02-28T12:00"));
        check("2027-02-28T12:00:00Z", ("2027-02-28T12:00", "2027-03-31T12:00"));
        check("2028-02-29T11:00:00Z", ("2028-01-31T12:00", "2028-02-29T12:00"));
        check("2028-02-29T12:00:00Z", ("2028-02-29T12:00", "2028-03-31T12:00"));
    }

    #[test]
    fn calendar_months_begin_at_midnight_of_the_zone() {
        let check = |instant, expected| assert_cycle(Billing::Calendar, "2026-03-10T12:00:00Z", Tz::Europe__Berlin, instant, expected);
        // March begins at UTC+1 and ends at UTC+2: an hour short.
        check("2026-03-10T12:00:00Z", ("2026-02-28T23:00", "2026-03-31T22:00"));
        check("2026-10-31T22:59:59Z", ("2026-09-30T22:00", "2026-10-31T23:00"));
        check("2026-10-31T23:00:00Z", ("2026-10-31T23:00", "2026-11-30T23:00"));
    }

    #[test]
    fn a_time_that_the_clock_leaves_out_is_the_first_after_it_and_one_it_shows_twice_the_first() {
        let check = |anchor, instant, expected| assert_cycle(Billing::Anniversary, anchor, Tz::America__New_York, instant, expected);
        // 02:30 does not exist on 14 March 2027; the clock goes on at 03:00 (07:00Z).
        check("2027-02-14T07:30:00Z", "2027-03-14T12:00:00Z", ("2027-03-14T07:00", "2027-04-14T06:30"));
        // 01:30 exists twice on 7 November 2027.
        check("2027-10-07T05:30:00Z", "2027-11-07T12:00:00Z", ("2027-11-07T05:30", "2027-12-07T06:30"));
    }

    #[test]
    fn a_zone_that_nobody_knows_is_utc() {
        assert_eq!((zone("Europe/Berlin"), zone("Mars/Olympus"), zone("")), (Tz::Europe__Berlin, Tz::UTC, Tz::UTC));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn cycles_meet_and_hold_their_instant(
            seconds in 1_600_000_000i64..2_000_000_000, later in 0i64..400_000_000, calendar in any::<bool>(), zone in proptest::sample::select(&chrono_tz::TZ_VARIANTS[..])
        ) {
            let billing = if calendar { Billing::Calendar } else { Billing::Anniversary };
            let anchor = Time::from_timestamp(seconds, 0).unwrap();
            let instant = anchor + TimeDelta::seconds(later);
            let (start, end) = cycle(billing, anchor, zone, instant);
            prop_assert!(start <= instant && instant < end);
            prop_assert!((25..=33).contains(&(end - start).num_days()));
            prop_assert_eq!(cycle(billing, anchor, zone, end).0, end);
            prop_assert_eq!(cycle(billing, anchor, zone, start), (start, end));
            prop_assert!(calendar || cycle(billing, anchor, zone, anchor).0 == anchor);
        }
    }
}
