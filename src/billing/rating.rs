//! What usage costs: pure, integer, and the same in any order and batching.

use entity::money::{Nanos, Overflow};
use entity::price::Tiers;

/// The charge of `quantity` units that come after `before` others of the same period: `f(before + quantity) − f(before)`.
/// Charges of consecutive events therefore add up exactly to `f(total)`.
///
/// # Errors
/// When a count is negative or the amount does not fit 64 bits.
pub fn charge(tiers: &Tiers, before: i64, quantity: i64) -> Result<Nanos, Overflow> {
    if before < 0 || quantity < 0 {
        return Err(Overflow);
    }
    let after = before.checked_add(quantity).ok_or(Overflow)?;
    let amount = total(tiers, after)? - total(tiers, before)?;
    i64::try_from(amount).map(Nanos).map_err(|_| Overflow)
}

/// `f`: what `quantity` units cost from the start of a period. In i128, so that only the difference must fit 64 bits.
fn total(tiers: &Tiers, quantity: i64) -> Result<i128, Overflow> {
    let mut sum = 0i128;
    let mut below = 0i64;
    for tier in &tiers.0 {
        let upper = tier.up_to.unwrap_or(i64::MAX).min(quantity);
        if upper > below {
            let part = i128::from(upper - below).checked_mul(i128::from(tier.unit_nanos.0)).ok_or(Overflow)?;
            sum = sum.checked_add(part).ok_or(Overflow)?;
            below = upper;
        }
    }
    Ok(sum)
}

/// The most that `quantity` units can cost wherever they fall on the tiers: what admission reserves.
///
/// # Errors
/// As [`charge`].
pub fn worst(tiers: &Tiers, quantity: i64) -> Result<Nanos, Overflow> {
    let dearest = tiers.0.iter().map(|tier| tier.unit_nanos.0).max().unwrap_or(0);
    dearest.checked_mul(quantity).filter(|_| quantity >= 0).map(Nanos).ok_or(Overflow)
}

#[cfg(test)]
mod tests {
    use entity::price::Tier;
    use proptest::prelude::*;

    use super::*;

    fn standard() -> Tiers {
        Tiers(vec![Tier { up_to: Some(10_000), unit_nanos: Nanos(1_500_000) }, Tier { up_to: None, unit_nanos: Nanos(1_000_000) }])
    }

    fn any_tiers() -> impl Strategy<Value = Tiers> {
        (proptest::collection::vec((1i64..1_000_000, 0i64..10_000_000_000), 0..5), 0i64..10_000_000_000).prop_map(|(steps, last)| {
            let mut bound = 0;
            let mut tiers: Vec<Tier> = Vec::new();
            for (width, unit) in steps {
                bound += width;
                tiers.push(Tier { up_to: Some(bound), unit_nanos: Nanos(unit) });
            }
            tiers.push(Tier { up_to: None, unit_nanos: Nanos(last) });
            Tiers(tiers)
        })
    }

    #[test]
    fn golden_cases_around_the_tier_boundary() {
        for (before, quantity, nanos) in [
            (0, 0, 0),
            (0, 1, 1_500_000),
            (9_999, 1, 1_500_000),
            (10_000, 1, 1_000_000),
            (9_999, 2, 2_500_000),
            (0, 10_001, 15_001_000_000),
            (1_000_000, 5, 5_000_000),
        ] {
            assert_eq!(charge(&standard(), before, quantity), Ok(Nanos(nanos)), "{before} + {quantity}");
        }
        assert_eq!(worst(&standard(), 3), Ok(Nanos(4_500_000)));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let dear = Tiers(vec![Tier { up_to: None, unit_nanos: Nanos(i64::MAX) }]);
        assert_eq!(charge(&dear, 0, 1), Ok(Nanos(i64::MAX)));
        assert_eq!(charge(&dear, 0, 2), Err(Overflow));
        // The running total is far beyond 64 bits, the charge itself is not.
        assert_eq!(charge(&dear, 1_000_000, 1), Ok(Nanos(i64::MAX)));
        assert_eq!(charge(&standard(), i64::MAX, 1), Err(Overflow));
        assert_eq!(charge(&standard(), -1, 1), Err(Overflow));
        assert_eq!(worst(&dear, 2), Err(Overflow));
    }

    proptest! {
        #[test]
        fn any_split_adds_up_to_the_whole(tiers in any_tiers(), parts in proptest::collection::vec(0i64..300_000, 1..20)) {
            let mut before = 0;
            let mut sum = 0i128;
            for part in &parts {
                sum += i128::from(charge(&tiers, before, *part).unwrap().0);
                before += part;
            }
            prop_assert_eq!(sum, total(&tiers, before).unwrap());
        }

        #[test]
        fn the_order_of_events_changes_no_total(tiers in any_tiers(), mut parts in proptest::collection::vec(0i64..300_000, 1..12)) {
            let sum = |parts: &[i64]| parts.iter().fold((0i64, 0i128), |(before, sum), part| {
                (before + part, sum + i128::from(charge(&tiers, before, *part).unwrap().0))
            }).1;
            let forward = sum(&parts);
            parts.reverse();
            prop_assert_eq!(forward, sum(&parts));
        }

        #[test]
        fn more_never_costs_less_and_never_more_than_the_worst(tiers in any_tiers(), before in 0i64..2_000_000, quantity in 0i64..100_000) {
            let amount = charge(&tiers, before, quantity).unwrap();
            prop_assert!(charge(&tiers, before, quantity + 1).unwrap() >= amount);
            prop_assert!(amount <= worst(&tiers, quantity).unwrap());
        }

        #[test]
        fn no_input_makes_it_panic(tiers in any_tiers(), before in any::<i64>(), quantity in any::<i64>()) {
            let _ = charge(&tiers, before, quantity);
            let _ = worst(&tiers, quantity);
        }
    }
}
