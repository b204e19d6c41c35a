//! The digest of a set of events: the SHA-256 of each, read as a number, added modulo 2^256. Sums do not mind the order, so
//! the writer keeps them in the rollups as it goes, and closing a period reads no event.
//!
//! It shows that an event was changed, lost or put in. It is no shield against somebody who may choose very many events
//! freely (Wagner, A Generalized Birthday Problem, 2002): such a one would have to get past the rating of each as well.
//!
//! Canonical bytes of an event: its fields `id`, `price_id`, `quantity_before`, `quantity`, `amount_nanos` and `at` (microseconds
//! since 1970), as decimal or prefixed text, separated by tabs and ended by a line feed.

use entity::Time;
use entity::ids::{EventId, PriceId};
use entity::money::Nanos;
use sha2::{Digest as _, Sha256};

/// 10^19: the largest power of ten in 64 bits.
const CHUNK: u64 = 10_000_000_000_000_000_000;

/// A sum of hashes: 256 bits, the least significant limb first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest([u64; 4]);

/// The bytes that are hashed of an event.
pub fn canonical(id: &str, price_id: &str, (before, quantity): (i64, i64), amount: Nanos, at: Time) -> String {
    format!("{id}\t{price_id}\t{before}\t{quantity}\t{}\t{}\n", amount.0, at.timestamp_micros())
}

impl Digest {
    /// Of one event.
    pub fn of(canonical: &str) -> Self {
        let hash: [u8; 32] = Sha256::digest(canonical).into();
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().rev().zip(hash.chunks_exact(8)) {
            *limb = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        }
        Self(limbs)
    }

    /// Of one event as the writer has it.
    pub fn of_event(id: EventId, price: PriceId, counts: (i64, i64), amount: Nanos, at: Time) -> Self {
        Self::of(&canonical(&id.to_string(), &price.to_string(), counts, amount, at))
    }

    /// Puts what another sums into this one.
    pub fn add(&mut self, other: Self) {
        let mut carry = 0;
        for (limb, more) in self.0.iter_mut().zip(other.0) {
            let sum = u128::from(*limb) + u128::from(more) + carry;
            *limb = sum as u64;
            carry = sum >> 64;
        }
    }

    /// As the database takes it: a decimal text.
    pub fn decimal(self) -> String {
        let mut limbs = self.0;
        let mut chunks = Vec::new();
        while limbs != [0; 4] {
            let mut rest = 0;
            for limb in limbs.iter_mut().rev() {
                let part = rest << 64 | u128::from(*limb);
                *limb = (part / u128::from(CHUNK)) as u64;
                rest = part % u128::from(CHUNK);
            }
            chunks.push(rest);
        }
        let Some(first) = chunks.pop() else { return "0".into() };
        chunks.iter().rev().fold(first.to_string(), |text, chunk| format!("{text}{chunk:019}"))
    }

    /// Reads [`decimal`](Self::decimal); none when it is no number below 2^256.
    pub fn parse(decimal: &str) -> Option<Self> {
        if decimal.is_empty() {
            return None;
        }
        let mut limbs = [0u64; 4];
        for byte in decimal.bytes() {
            let mut carry = u128::from(byte.checked_sub(b'0').filter(|digit| *digit < 10)?);
            for limb in &mut limbs {
                let part = u128::from(*limb) * 10 + carry;
                *limb = part as u64;
                carry = part >> 64;
            }
            if carry > 0 {
                return None;
            }
        }
        Some(Self(limbs))
    }

    /// The most significant byte first: what documents show in hex.
    pub fn bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.chunks_exact_mut(8).zip(self.0.iter().rev()) {
            chunk.copy_from_slice(&limb.to_be_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_digest_of_one_event_is_its_hash() {
        assert_eq!(Digest::of("abc\n").bytes().to_vec(), Sha256::digest("abc\n").to_vec());
        assert_eq!((Digest::default().decimal().as_str(), Digest::default().bytes()), ("0", [0; 32]));
    }

    #[test]
    fn the_sum_wraps_and_foreign_texts_are_refused() {
        let last = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        let mut digest = Digest::parse(last).unwrap();
        assert_eq!((digest.decimal().as_str(), digest.bytes()), (last, [255; 32]));
        digest.add(Digest([2, 0, 0, 0]));
        assert_eq!(digest, Digest([1, 0, 0, 0]));
        let above = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
        for wrong in ["", "-1", "1.0", " 1", "1e3", "x", above] {
            assert_eq!(Digest::parse(wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_order_and_grouping_gives_the_same_sum(events in proptest::collection::vec(".{0,40}", 0..12), cut in 0usize..12) {
            let sum = |events: &mut dyn Iterator<Item = &String>| {
                let mut digest = Digest::default();
                events.for_each(|event| digest.add(Digest::of(event)));
                digest
            };
            let whole = sum(&mut events.iter());
            prop_assert_eq!(whole, sum(&mut events.iter().rev()));
            let cut = cut.min(events.len());
            let mut parts = sum(&mut events[..cut].iter());
            parts.add(sum(&mut events[cut..].iter()));
            prop_assert_eq!(whole, parts);
            prop_assert_eq!(Digest::parse(&whole.decimal()), Some(whole));
        }
    }
}
