//! The generic cell rate algorithm: a steady rate with room for a burst, kept as one instant.

use std::time::{Duration, Instant};

/// How fast, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// One more after each of these.
    pub interval: Duration,
    /// So many at once after a rest.
    pub burst: u32,
}

impl Rate {
    /// How long the whole burst takes to come back.
    pub const fn window(&self) -> Duration {
        self.interval.saturating_mul(self.burst)
    }
}

/// Where one counted subject stands.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gcra {
    /// When the burst is whole again; none: it is, and always was.
    whole_at: Option<Instant>,
}

impl Gcra {
    /// Takes one.
    ///
    /// # Errors
    /// With how long to wait for the next.
    pub fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        match self.wait(rate, now) {
            None => {
                self.whole_at = Some(self.whole_at.map_or(now, |at| at.max(now)) + rate.interval);
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }

    /// Gives one back that was taken for nothing.
    pub fn put_back(&mut self, rate: Rate) {
        self.whole_at = self.whole_at.and_then(|at| at.checked_sub(rate.interval));
    }

    /// How long to wait for the next; none when it can be had now.
    pub fn wait(&self, rate: Rate, now: Instant) -> Option<Duration> {
        (self.debt(now) + rate.interval).checked_sub(rate.window()).filter(|wait| !wait.is_zero())
    }

    /// How many can be had now.
    pub fn left(&self, rate: Rate, now: Instant) -> u32 {
        let room = rate.window().saturating_sub(self.debt(now)).as_nanos();
        // Never above the burst, which is 32 bits.
        (room / rate.interval.as_nanos().max(1)).min(rate.burst.into()) as u32
    }

    /// True when nothing is left of what was taken: the state can be forgotten.
    pub fn is_whole(&self, now: Instant) -> bool {
        self.debt(now).is_zero()
    }

    fn debt(&self, now: Instant) -> Duration {
        self.whole_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { interval: Duration::from_millis(100), burst: 3 };

    #[test]
    fn a_burst_and_then_a_steady_rate() {
        let (mut gcra, start) = (Gcra::default(), Instant::now());
        for left in [2, 1, 0] {
            gcra.take(RATE, start).unwrap();
            assert_eq!(gcra.left(RATE, start), left);
        }
        assert_eq!(gcra.take(RATE, start), Err(Duration::from_millis(100)));
        let later = start + Duration::from_millis(100);
        gcra.take(RATE, later).unwrap();
        assert_eq!(gcra.take(RATE, later + Duration::from_millis(40)), Err(Duration::from_millis(60)));
        assert!(gcra.is_whole(later + Duration::from_millis(300)) && !gcra.is_whole(later + Duration::from_millis(299)));
    }

    #[test]
    fn what_is_put_back_can_be_had_again() {
        let (mut gcra, start) = (Gcra::default(), Instant::now());
        for _ in 0..3 {
            gcra.take(RATE, start).unwrap();
        }
        gcra.put_back(RATE);
        gcra.take(RATE, start).unwrap();
        assert!(gcra.take(RATE, start).is_err());
    }

    #[test]
    fn a_clock_that_stands_before_the_state_only_makes_it_wait() {
        let (mut gcra, start) = (Gcra::default(), Instant::now());
        let later = start + Duration::from_secs(5);
        gcra.take(RATE, later).unwrap();
        assert_eq!(gcra.left(RATE, start), 0);
        assert!(gcra.wait(RATE, start).is_some());
    }
}
