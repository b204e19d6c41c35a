//! Seeded randomness with the few verbs that drawing needs.

use rand::{RngExt, SeedableRng, rngs::SmallRng};

/// A random source; equal seeds give equal scenes on every machine.
#[derive(Debug)]
pub struct Dice(SmallRng);

impl Dice {
    /// Starts a sequence.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f32) -> bool {
        self.0.random_range(0.0..1.0f32) < p
    }

    /// Uniform in `low..high`; `low` when the range is empty.
    pub fn float(&mut self, low: f32, high: f32) -> f32 {
        if low < high { self.0.random_range(low..high) } else { low }
    }

    /// Uniform on a logarithmic scale, for sizes and zooms.
    pub fn log(&mut self, low: f32, high: f32) -> f32 {
        self.float(low.ln(), high.ln()).exp()
    }

    /// Uniform in `low..=high`; `low` when the range is empty.
    pub fn int(&mut self, low: i32, high: i32) -> i32 {
        if low < high { self.0.random_range(low..=high) } else { low }
    }

    /// Uniform in `0..length`; `length` must not be 0.
    pub fn index(&mut self, length: usize) -> usize {
        self.0.random_range(0..length)
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.index(of.len())]
    }

    /// A number of about normal distribution (sum of four), mean 0, deviation 1.
    pub fn normal(&mut self) -> f32 {
        (0..4).map(|_| self.float(-1., 1.)).sum::<f32>() * 0.866
    }

    /// Any colour.
    pub fn colour(&mut self) -> [u8; 3] {
        [0; 3].map(|_| self.int(0, 255) as u8)
    }

    /// A seed for another source.
    pub fn seed(&mut self) -> u64 {
        self.0.random_range(0..u64::MAX)
    }
}
