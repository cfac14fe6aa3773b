//! Durations of rounds, as text.

use std::time::{Duration, Instant};

/// Time by a client's clock.
#[expect(clippy::disallowed_methods, reason = "figures are what clients see")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Durations of one operation.
#[derive(Default)]
pub(crate) struct Figures(Vec<Duration>);

impl Figures {
    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(took);
    }

    /// Returns the longest duration; zero if there is none.
    pub(crate) fn longest(&self) -> Duration {
        self.0.iter().copied().max().unwrap_or_default()
    }

    /// Prints the median, the 99th percentile and the maximum.
    pub(crate) fn tell(&mut self, what: &str) {
        self.0.sort_unstable();
        let at = |share: usize| self.0.get((self.0.len() * share / 100).min(self.0.len().saturating_sub(1)));
        let [half, most, all] = [50, 99, 100].map(|share| at(share).copied().unwrap_or_default());
        println!("{what}: p50 {half:.1?}, p99 {most:.1?}, max {all:.1?} of {}", self.0.len());
    }
}
