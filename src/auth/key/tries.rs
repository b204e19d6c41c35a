//! Slows down who tries keys, by address of the network, in this process. No secret of 220 bits is guessed: what is
//! protected is the database, which is not asked for one invalid key after another.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::future::Cache;

use super::KeyError;
use crate::platform::gcra::{Gcra, Rate};

/// Twenty failures at once, then one in three seconds.
const RATE: Rate = Rate { interval: Duration::from_secs(3), burst: 20 };
/// Addresses kept in memory; the least used ones are forgotten first.
const CAPACITY: u64 = 100_000;

/// Failures by address. Cheap to clone.
#[derive(Clone)]
pub(super) struct Tries {
    addresses: Cache<IpAddr, Arc<Mutex<Gcra>>>,
}

impl Default for Tries {
    fn default() -> Self {
        Self { addresses: Cache::builder().max_capacity(CAPACITY).time_to_idle(RATE.window() * 2).build() }
    }
}

impl Tries {
    /// Whether this address may have one more key looked up.
    ///
    /// # Errors
    /// When it failed too often of late.
    pub async fn check(&self, from: Option<IpAddr>) -> Result<(), KeyError> {
        let Some(from) = from else { return Ok(()) };
        let Some(state) = self.addresses.get(&subject(from)).await else { return Ok(()) };
        let wait = state.lock().unwrap_or_else(PoisonError::into_inner).wait(RATE, Instant::now());
        wait.map_or(Ok(()), |wait| Err(KeyError::TooManyTries { wait }))
    }

    /// Counts a failure, and says what to answer to it.
    pub async fn failed(&self, from: Option<IpAddr>) -> KeyError {
        let Some(from) = from else { return KeyError::Invalid };
        let state = self.addresses.get_with(subject(from), async { Arc::default() }).await;
        let counted = state.lock().unwrap_or_else(PoisonError::into_inner).take(RATE, Instant::now());
        counted.map_or_else(|wait| KeyError::TooManyTries { wait }, |()| KeyError::Invalid)
    }

    /// How many addresses are remembered.
    #[cfg(test)]
    pub async fn len(&self) -> u64 {
        self.addresses.run_pending_tasks().await;
        self.addresses.entry_count()
    }
}

/// Whom an address stands for: of IPv6 a whole /64, which one machine has to itself.
fn subject(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_fails_too_often_has_to_wait_and_others_do_not() {
        let tries = Tries::default();
        let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        for number in 0..20 {
            assert!(matches!(tries.failed(address("2001:db8::1")).await, KeyError::Invalid), "failure {number}");
        }
        let refused = tries.check(address("2001:db8::2")).await;
        assert!(matches!(refused, Err(KeyError::TooManyTries { wait }) if wait <= Duration::from_secs(3)), "its neighbour in the /64");
        assert!(matches!(tries.failed(address("2001:db8::1")).await, KeyError::TooManyTries { .. }));
        tries.check(address("2001:db8:0:1::1")).await.unwrap();
        tries.check(address("203.0.113.1")).await.unwrap();
        for _ in 0..30 {
            tries.failed(address("::ffff:203.0.113.1")).await;
        }
        assert!(tries.check(address("203.0.113.1")).await.is_err(), "the same address, written in two ways");
        assert_eq!(tries.len().await, 2);
    }
}
