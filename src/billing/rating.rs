//! What usage costs: pure, integer, and the same in any order and batching.
//!
//! A rate is a function `f` of the units of a period that never falls, and the charge of an event is what it adds to it.
//! Only a volume price falls by itself, where a cheaper tier is reached: its events are charged by the lowest function
//! above it that does not, and the difference is given back when the period closes ([`at_close`]).

use entity::money::{Nanos, Overflow};
use entity::price::{Rate, Scheme, Tier};

use super::proration::Share;

/// The charge of `quantity` units that come after `before` others of the same period: `f(before + quantity) − f(before)`.
/// Charges of consecutive events therefore add up exactly to `f(total)`.
///
/// # Errors
/// When a count is negative or the amount does not fit 64 bits.
pub fn charge(rate: &Rate, before: i64, quantity: i64) -> Result<Nanos, Overflow> {
    if before < 0 || quantity < 0 {
        return Err(Overflow);
    }
    let after = before.checked_add(quantity).ok_or(Overflow)?;
    let amount = accrued(rate, after)? - accrued(rate, before)?;
    i64::try_from(amount).map(Nanos).map_err(|_| Overflow)
}

/// The most that `quantity` units can cost after `at_least` others or more: what admission reserves.
///
/// # Errors
/// As [`charge`].
pub fn worst(rate: &Rate, at_least: i64, quantity: i64) -> Result<Nanos, Overflow> {
    if at_least < 0 || quantity < 0 {
        return Err(Overflow);
    }
    let (quantity, per) = (i128::from(quantity), i128::from(rate.per));
    let reached = (at_least - rate.included).max(0);
    let bound = match rate.scheme {
        Scheme::Package => ceiling(quantity, per) * dearest(&rate.tiers.0),
        // Over the whole range: a later tier is charged in advance where it is dearer.
        Scheme::Volume => ceiling(quantity.checked_mul(slope(rate)).ok_or(Overflow)?, per),
        Scheme::Flat | Scheme::Unit | Scheme::Graduated => {
            let open = open_tiers(&rate.tiers.0, reached);
            ceiling(quantity.checked_mul(dearest(open)).ok_or(Overflow)?, per) + entries(&rate.tiers.0, open.len(), reached, quantity)
        }
    };
    let bound = match rate.maximum {
        Some(maximum) => bound.min(i128::from(maximum.0) - accrued(rate, at_least)?),
        None => bound,
    };
    i64::try_from(bound).map(Nanos).map_err(|_| Overflow)
}

/// What the close of a period adds to what its events were charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AtClose {
    /// At most zero: what a volume price gives back.
    pub volume: Nanos,
    /// At least zero: what the usage lacks to the price's minimum.
    pub minimum: Nanos,
}

/// What is due for the `quantity` units of a closed period beyond the charges of its events. A minimum is for a whole
/// billing cycle; a part of it owes its share.
///
/// # Errors
/// When an amount does not fit 64 bits.
pub fn at_close(rate: &Rate, quantity: i64, share: &Share) -> Result<AtClose, Overflow> {
    let accrued = accrued(rate, quantity)?;
    let due = match rate.scheme {
        Scheme::Volume => capped(rate, volume(rate, quantity.saturating_sub(rate.included).max(0)))?,
        _ => accrued,
    };
    let minimum = i128::from(share.nanos(rate.minimum)?.0) - due;
    let fit = |amount: i128| i64::try_from(amount).map(Nanos).map_err(|_| Overflow);
    Ok(AtClose { volume: fit(due - accrued)?, minimum: fit(minimum.max(0))? })
}

/// `f`: what `quantity` units are charged from the start of a period. In i128, so that only differences must fit 64 bits.
fn accrued(rate: &Rate, quantity: i64) -> Result<i128, Overflow> {
    let beyond = quantity.saturating_sub(rate.included).max(0);
    let amount = match rate.scheme {
        Scheme::Flat | Scheme::Unit | Scheme::Graduated => graduated(rate, beyond),
        Scheme::Volume => envelope(rate, beyond),
        Scheme::Package => ceiling(i128::from(beyond), i128::from(rate.per)).checked_mul(dearest(&rate.tiers.0)),
    };
    capped(rate, amount)
}

fn capped(rate: &Rate, amount: Option<i128>) -> Result<i128, Overflow> {
    let amount = amount.ok_or(Overflow)?;
    Ok(rate.maximum.map_or(amount, |maximum| amount.min(maximum.0.into())))
}

fn graduated(rate: &Rate, quantity: i64) -> Option<i128> {
    let (mut sum, mut flat, mut below) = (0i128, 0i128, 0i64);
    for tier in &rate.tiers.0 {
        let upper = tier.up_to.unwrap_or(i64::MAX).min(quantity);
        if upper > below {
            sum = sum.checked_add(i128::from(upper - below).checked_mul(tier.unit_nanos.0.into())?)?;
            flat += i128::from(tier.flat_nanos.0);
            below = upper;
        }
    }
    nearest(sum, rate.per)?.checked_add(flat)
}

/// All units at the price of the tier that the last one falls in.
fn volume(rate: &Rate, quantity: i64) -> Option<i128> {
    let tier = tier_of(&rate.tiers.0, quantity)?;
    if quantity == 0 { Some(0) } else { nearest(at_tier(rate, tier, quantity)?, rate.per) }
}

/// The lowest function above [`volume`] that never falls and never rises by more than [`slope`] per unit: so one call can
/// always be bounded, and what was charged too much is only ever given back.
fn envelope(rate: &Rate, quantity: i64) -> Option<i128> {
    let slope = slope(rate);
    let (mut highest, mut below) = (0i128, 0i64);
    for tier in &rate.tiers.0 {
        let first = below.saturating_add(1);
        let last = tier.up_to.unwrap_or(i64::MAX);
        let reached = if first <= quantity {
            at_tier(rate, tier, last.min(quantity))?
        } else {
            // What must be charged by now for the tier to be reached in steps of `slope`.
            at_tier(rate, tier, first)?.checked_sub(i128::from(first - quantity).checked_mul(slope)?)?
        };
        highest = highest.max(reached);
        below = last;
    }
    nearest(highest, rate.per)
}

/// Times `per`, so that it is exact.
fn at_tier(rate: &Rate, tier: &Tier, quantity: i64) -> Option<i128> {
    let units = i128::from(quantity).checked_mul(tier.unit_nanos.0.into())?;
    units.checked_add(i128::from(tier.flat_nanos.0).checked_mul(rate.per.into())?)
}

/// The most that a unit of a volume price adds, times `per`: with it every tier can be reached from zero.
fn slope(rate: &Rate) -> i128 {
    let mut below = 0i64;
    let slopes = rate.tiers.0.iter().map(|tier| {
        let first = i128::from(below.saturating_add(1));
        below = tier.up_to.unwrap_or(i64::MAX);
        i128::from(tier.unit_nanos.0) + ceiling(i128::from(tier.flat_nanos.0) * i128::from(rate.per), first)
    });
    slopes.max().unwrap_or(0)
}

fn tier_of(tiers: &[Tier], quantity: i64) -> Option<&Tier> {
    tiers.iter().find(|tier| tier.up_to.is_none_or(|up_to| quantity <= up_to))
}

/// The tiers that units after the first `reached` can fall in.
fn open_tiers(tiers: &[Tier], reached: i64) -> &[Tier] {
    let over = tiers.iter().take_while(|tier| tier.up_to.is_some_and(|up_to| up_to <= reached)).count();
    &tiers[over..]
}

fn dearest(tiers: &[Tier]) -> i128 {
    tiers.iter().map(|tier| i128::from(tier.unit_nanos.0)).max().unwrap_or(0)
}

/// The most that entering tiers can cost. The first of the `open` ones was entered before when units of it were counted;
/// `quantity` units enter at most as many tiers.
fn entries(tiers: &[Tier], open: usize, reached: i64, quantity: i128) -> i128 {
    let over = tiers.len() - open;
    let begins = over.checked_sub(1).and_then(|last| tiers[last].up_to).unwrap_or(0);
    let entered = over + usize::from(reached > begins);
    let mut flats: Vec<i64> = tiers.iter().skip(entered).map(|tier| tier.flat_nanos.0).filter(|flat| *flat > 0).collect();
    flats.sort_unstable_by_key(|flat| std::cmp::Reverse(*flat));
    flats.into_iter().take(usize::try_from(quantity).unwrap_or(usize::MAX)).map(i128::from).sum()
}

/// Half away from zero; what is divided here is never negative.
fn nearest(product: i128, per: i64) -> Option<i128> {
    product.checked_add(i128::from(per) / 2)?.checked_div(per.into())
}

/// Of non-negative numbers, without the sum that could overflow.
fn ceiling(number: i128, divisor: i128) -> i128 {
    number / divisor + i128::from(number % divisor > 0)
}

#[cfg(test)]
mod tests;
