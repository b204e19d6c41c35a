//! Golden cases of every scheme, and the laws that hold for any rate.

use entity::Time;
use entity::price::Tiers;
use proptest::prelude::*;

use super::*;

/// Units of the largest account that we promise to rate.
const MOST: i64 = 1_000_000_000_000_000;

fn tier(up_to: impl Into<Option<i64>>, unit: i64, flat: i64) -> Tier {
    Tier { up_to: up_to.into(), unit_nanos: Nanos(unit), flat_nanos: Nanos(flat) }
}

fn rate(scheme: Scheme, tiers: Vec<Tier>) -> Rate {
    Rate { scheme, ..Rate::graduated(Tiers(tiers)) }
}

fn standard() -> Rate {
    Rate::graduated(Tiers(vec![tier(10_000, 1_500_000, 0), tier(None, 1_000_000, 0)]))
}

fn whole() -> Share {
    part(30)
}

/// So many of thirty days.
fn part(days: i64) -> Share {
    let start = Time::UNIX_EPOCH;
    let day = |day| start + chrono::TimeDelta::days(day);
    Share { from: start, to: day(days), cycle: (start, day(30)) }
}

fn assert_charges(rate: &Rate, cases: &[(i64, i64, i64)]) {
    for (before, quantity, nanos) in cases {
        assert_eq!(charge(rate, *before, *quantity), Ok(Nanos(*nanos)), "{before} + {quantity}");
    }
}

#[test]
fn graduated_around_the_boundary() {
    assert_charges(
        &standard(),
        &[
            (0, 0, 0),
            (0, 1, 1_500_000),
            (9_999, 1, 1_500_000),
            (10_000, 1, 1_000_000),
            (9_999, 2, 2_500_000),
            (0, 10_001, 15_001_000_000),
            (1_000_000, 5, 5_000_000),
        ],
    );
    assert_eq!(worst(&standard(), 0, 3), Ok(Nanos(4_500_000)));
    assert_eq!(worst(&standard(), 9_999, 3), Ok(Nanos(4_500_000)));
    assert_eq!(worst(&standard(), 10_000, 3), Ok(Nanos(3_000_000)), "no way back to the dear tier");
}

#[test]
fn a_fee_to_enter_a_tier_is_charged_once() {
    let rate = rate(Scheme::Graduated, vec![tier(10, 5, 100), tier(None, 1, 1_000)]);
    assert_charges(&rate, &[(0, 1, 105), (1, 1, 5), (9, 1, 5), (10, 1, 1_001), (0, 11, 1_151), (11, 1, 1)]);
    assert_eq!([0, 1, 10, 11].map(|before| worst(&rate, before, 1).unwrap().0), [1_005, 1_005, 1_001, 1]);
    assert_eq!(worst(&rate, 0, 11), Ok(Nanos(1_155)));
}

#[test]
fn flat_is_due_with_the_first_unit() {
    let rate = rate(Scheme::Flat, vec![tier(None, 0, 7_000_000_000)]);
    assert_charges(&rate, &[(0, 0, 0), (0, 1, 7_000_000_000), (1, 1_000, 0)]);
    assert_eq!((worst(&rate, 0, 5), worst(&rate, 1, 5)), (Ok(Nanos(7_000_000_000)), Ok(Nanos(0))));
}

#[test]
fn a_package_is_paid_when_it_is_started() {
    let rate = Rate { per: 1_000, included: 5, ..rate(Scheme::Package, vec![tier(None, 2_000_000_000, 0)]) };
    assert_charges(&rate, &[(0, 5, 0), (5, 1, 2_000_000_000), (6, 999, 0), (1_005, 1, 2_000_000_000), (0, 2_006, 6_000_000_000)]);
    assert_eq!((worst(&rate, 0, 1), worst(&rate, 0, 1_001)), (Ok(Nanos(2_000_000_000)), Ok(Nanos(4_000_000_000))));
}

#[test]
fn a_price_for_many_units_rounds_the_total_and_not_the_unit() {
    // Three millionths of a dollar for a thousand tokens: three nanos each.
    let tokens = Rate { per: 1_000, ..rate(Scheme::Unit, vec![tier(None, 1_500, 0)]) };
    assert_charges(&tokens, &[(0, 1, 2), (1, 1, 1), (2, 1, 2), (0, 2, 3), (0, 1_000, 1_500)]);
    // Five cents for a second, counted in microseconds.
    let compute = Rate { per: 1_000_000, ..rate(Scheme::Unit, vec![tier(None, 50_000_000, 0)]) };
    assert_charges(&compute, &[(0, 31_250, 1_562_500)]);
}

#[test]
fn included_units_are_free_and_the_maximum_ends_the_charges() {
    let rate = Rate { included: 100, maximum: Some(Nanos(1_000)), ..rate(Scheme::Unit, vec![tier(None, 30, 0)]) };
    assert_charges(&rate, &[(0, 100, 0), (100, 1, 30), (132, 1, 30), (133, 1, 10), (134, 1_000, 0)]);
    assert_eq!([0, 133, 134].map(|before| worst(&rate, before, 1).unwrap().0), [30, 10, 0]);
}

#[test]
fn a_cheaper_volume_tier_charges_nothing_until_it_has_caught_up() {
    let rate = rate(Scheme::Volume, vec![tier(10, 15, 0), tier(None, 10, 0)]);
    assert_charges(&rate, &[(0, 10, 150), (10, 1, 0), (14, 1, 0), (15, 1, 10), (0, 20, 200)]);
    assert_eq!(at_close(&rate, 11, &whole()).unwrap().volume, Nanos(110 - 150));
    assert_eq!(at_close(&rate, 15, &whole()).unwrap().volume, Nanos(0));
    assert_eq!(worst(&rate, 0, 1), Ok(Nanos(15)));
}

#[test]
fn a_dearer_volume_tier_is_charged_from_the_start_and_given_back() {
    let rate = rate(Scheme::Volume, vec![tier(10, 10, 0), tier(None, 15, 5)]);
    // 11 units cost 170: 16 each is the least that reaches it.
    assert_charges(&rate, &[(0, 1, 10), (9, 1, 16)]);
    assert_eq!(worst(&rate, 0, 1), Ok(Nanos(16)));
    for quantity in 0..30 {
        let charged = charge(&rate, 0, quantity).unwrap();
        let due = if quantity == 0 {
            0
        } else if quantity <= 10 {
            quantity * 10
        } else {
            quantity * 15 + 5
        };
        assert_eq!(charged.0 + at_close(&rate, quantity, &whole()).unwrap().volume.0, due, "{quantity}");
    }
}

#[test]
fn a_minimum_is_filled_up_at_the_close_by_the_share_of_the_cycle() {
    let rate = Rate { minimum: Nanos(900), ..rate(Scheme::Unit, vec![tier(None, 10, 0)]) };
    assert_eq!(at_close(&rate, 0, &whole()), Ok(AtClose { volume: Nanos(0), minimum: Nanos(900) }));
    assert_eq!(at_close(&rate, 89, &whole()).unwrap().minimum, Nanos(10));
    assert_eq!(at_close(&rate, 91, &whole()).unwrap().minimum, Nanos(0));
    assert_eq!(at_close(&rate, 20, &part(10)).unwrap().minimum, Nanos(100));
}

#[test]
fn what_does_not_fit_is_refused() {
    let dear = rate(Scheme::Unit, vec![tier(None, i64::MAX, 0)]);
    assert_eq!(charge(&dear, 0, 1), Ok(Nanos(i64::MAX)));
    assert_eq!(charge(&dear, 0, 2), Err(Overflow));
    // The running total is far beyond 64 bits, the charge itself is not.
    assert_eq!(charge(&dear, MOST, 1), Ok(Nanos(i64::MAX)));
    assert_eq!(charge(&standard(), i64::MAX, 1), Err(Overflow));
    assert_eq!(charge(&standard(), -1, 1), Err(Overflow));
    assert_eq!(worst(&dear, 0, 2), Err(Overflow));
}

fn any_rate() -> impl Strategy<Value = Rate> {
    let scheme = prop_oneof![Just(Scheme::Flat), Just(Scheme::Unit), Just(Scheme::Graduated), Just(Scheme::Volume), Just(Scheme::Package)];
    let price = || (0i64..10_000_000_000, prop_oneof![3 => Just(0i64), 1 => 0i64..100_000_000_000]);
    let steps = proptest::collection::vec((1i64..1_000_000, price()), 0..5);
    let per = prop_oneof![Just(1i64), Just(1_000), Just(1_000_000), 1i64..5_000];
    let bounds = (prop_oneof![Just(0i64), 0i64..1_000_000], 0i64..1_000_000_000_000, proptest::option::of(0i64..i64::MAX / 4));
    (scheme, steps, price(), per, bounds).prop_map(|(scheme, steps, last, per, (included, minimum, maximum))| {
        let several = matches!(scheme, Scheme::Graduated | Scheme::Volume);
        let mut bound = 0;
        let mut tiers = Vec::new();
        for (width, (unit, flat)) in steps.into_iter().filter(|_| several) {
            bound += width;
            tiers.push(tier(bound, unit, flat));
        }
        tiers.push(if scheme == Scheme::Flat { tier(None, 0, last.1) } else { tier(None, last.0, if several { last.1 } else { 0 }) });
        let maximum = maximum.map(|maximum| Nanos(maximum.max(minimum)));
        Rate { scheme, tiers: Tiers(tiers), per, included, minimum: Nanos(minimum), maximum }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_split_adds_up_to_the_whole(rate in any_rate(), start in 0..MOST, parts in proptest::collection::vec(0i64..300_000, 1..20)) {
        let mut before = start;
        let mut sum = 0i128;
        for part in &parts {
            sum += i128::from(charge(&rate, before, *part).unwrap().0);
            before += part;
        }
        prop_assert_eq!(sum, accrued(&rate, before).unwrap() - accrued(&rate, start).unwrap());
    }

    #[test]
    fn the_order_of_events_changes_no_total(rate in any_rate(), mut parts in proptest::collection::vec(0i64..300_000, 1..12)) {
        let sum = |parts: &[i64]| parts.iter().fold((0i64, 0i128), |(before, sum), part| {
            (before + part, sum + i128::from(charge(&rate, before, *part).unwrap().0))
        }).1;
        let forward = sum(&parts);
        parts.reverse();
        prop_assert_eq!(forward, sum(&parts));
    }

    #[test]
    fn more_never_costs_less_and_never_more_than_the_worst(
        rate in any_rate(), known in 0i64..2_000_000, since in 0i64..2_000_000, quantity in 0i64..100_000
    ) {
        let before = known + since;
        let amount = charge(&rate, before, quantity).unwrap();
        prop_assert!(charge(&rate, before, quantity + 1).unwrap() >= amount);
        prop_assert!(amount <= worst(&rate, known, quantity).unwrap());
    }

    #[test]
    fn at_the_edge_of_a_tier_no_unit_costs_more_than_the_worst(rate in any_rate(), pick in any::<proptest::sample::Index>()) {
        let edges: Vec<i64> = rate.tiers.0.iter().filter_map(|tier| tier.up_to).chain([0]).collect();
        let edge = rate.included + edges[pick.index(edges.len())];
        for before in (edge - 2).max(0)..edge + 2 {
            prop_assert!(charge(&rate, before, 1).unwrap() <= worst(&rate, before, 1).unwrap());
        }
    }

    #[test]
    fn a_close_only_gives_back_of_volume_and_reaches_the_minimum(rate in any_rate(), quantity in 0i64..5_000_000) {
        let charged = accrued(&rate, quantity).unwrap();
        let AtClose { volume, minimum } = at_close(&rate, quantity, &whole()).unwrap();
        let due = charged + i128::from(volume.0);
        prop_assert!(volume.0 <= 0 && due >= 0 && (rate.scheme == Scheme::Volume || volume.0 == 0));
        prop_assert_eq!(due + i128::from(minimum.0), due.max(rate.minimum.0.into()));
        prop_assert!(rate.maximum.is_none_or(|maximum| due <= maximum.0.into()));
    }

    #[test]
    fn the_largest_account_is_rated(rate in any_rate(), before in 0..MOST) {
        prop_assert!(accrued(&rate, MOST).unwrap() >= accrued(&rate, before).unwrap());
        prop_assert!(charge(&rate, before, 1).unwrap() <= worst(&rate, before, 1).unwrap());
    }

    #[test]
    fn no_input_makes_it_panic(rate in any_rate(), before in any::<i64>(), quantity in any::<i64>()) {
        let _ = charge(&rate, before, quantity);
        let _ = worst(&rate, before, quantity);
        let _ = at_close(&rate, quantity, &whole());
    }
}
