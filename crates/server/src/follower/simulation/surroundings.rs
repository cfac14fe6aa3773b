//! Fakes for a process: its clock, and a limiter.

use latchkey_core::error::SystemError;
use latchkey_core::limit::{BucketCharge, ChargeOptions, Levels};
use latchkey_core::ports::Limiter;
use latchkey_core::time::{Clock, Moment, MonotonicInstant, nanos};
use tokio::time::Instant;

use super::fixture::NOW;

/// Clock whose rate differs from the others'.
pub(super) struct SkewedClock {
    start: Instant,
    offset: u64,
    /// Nanoseconds that it shows for a second.
    rate: u64,
}

impl SkewedClock {
    /// Returns a clock that shows `offset` now, and so many nanoseconds for each second.
    pub(super) fn new(offset: u64, rate: u64) -> Self {
        Self { start: Instant::now(), offset, rate }
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> Moment {
        let elapsed = u128::from(nanos(self.start.elapsed())) * u128::from(self.rate) / 1_000_000_000;
        let monotonic = self.offset + u64::try_from(elapsed).unwrap_or(u64::MAX / 2);
        Moment { wall: NOW, monotonic: MonotonicInstant(monotonic) }
    }
}

/// Limiter that has room for everything.
pub(super) struct NoLimits;

impl Limiter for NoLimits {
    async fn charge(
        &self,
        _: &[BucketCharge],
        _: ChargeOptions,
        _: Moment,
        _: &mut Levels,
    ) -> Result<bool, SystemError> {
        Ok(true)
    }
}
