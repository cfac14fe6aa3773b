//! Fixed windows of a bucket: one for each period that it was charged under. A window begins with its first charge and
//! ends a period later, by the limit that applies then, so that a shorter period opens it earlier. The windows of other
//! periods continue to count, so that no change of the limit drops spent tokens.

use super::SpentTotal;
use crate::time::MonotonicInstant;

/// Most windows besides that of the present limit. The one with the shortest period is dropped if there are more: what it
/// counts is counted by the others too.
const MAX_OTHERS: usize = 3;

/// A window. One that has ended begins again with the next charge.
#[derive(Clone, Copy, Debug)]
struct Window {
    /// Length in nanoseconds.
    period: u64,
    ends: u64,
    used: u64,
}

impl Window {
    fn is_open(&self, now: MonotonicInstant) -> bool {
        now.0 < self.ends
    }

    /// Returns the window of another period that begins when this one does, with what this one counts. It is empty if it
    /// has ended already.
    fn with_period(self, period: u64, now: MonotonicInstant) -> Self {
        let ends = i128::from(self.ends) - i128::from(self.period) + i128::from(period);
        match u64::try_from(ends) {
            Ok(ends) if self.is_open(now) && ends > now.0 => Self { period, ends, used: self.used },
            Ok(_) | Err(_) => Self { period, ends: now.0, used: 0 },
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct FixedWindows {
    /// Window of the present limit.
    present: Window,
    /// Windows of other limits, of different periods.
    others: Vec<Window>,
}

impl FixedWindows {
    /// Returns windows that count what another algorithm counted. The window of this period ends after a period at the
    /// latest; what counts longer is kept for changes to a longer period.
    pub(super) fn of(period: u64, total: SpentTotal, now: MonotonicInstant) -> Self {
        let left = total.until.0.saturating_sub(now.0);
        let window = |period, left| Window { period, ends: now.0.saturating_add(left), used: total.tokens };
        let longer = (left > period).then(|| window(left, left));
        Self { present: window(period, left.min(period)), others: longer.into_iter().collect() }
    }

    pub(super) fn used(&self) -> u64 {
        self.present.used
    }

    pub(super) fn ends(&self) -> MonotonicInstant {
        MonotonicInstant(self.present.ends)
    }

    pub(super) fn advance(&mut self, now: MonotonicInstant) {
        if !self.present.is_open(now) {
            self.present.used = 0;
            if !self.others.iter().any(|window| window.is_open(now)) {
                self.others.clear();
            }
        }
    }

    /// Applies the period of the present limit.
    pub(super) fn adopt(&mut self, period: u64, now: MonotonicInstant) {
        if period == self.present.period {
            return;
        }
        if !self.present.is_open(now) && self.others.is_empty() {
            self.present = Window { period, ends: now.0, used: 0 };
            return;
        }
        self.others.push(self.present);
        let known = self.others.iter().position(|window| window.period == period);
        let window = match known {
            Some(index) => self.others.swap_remove(index),
            None => self.nearest(period, now),
        };
        self.present = window.with_period(period, now);
        if self.others.len() > MAX_OTHERS
            && let Some(shortest) = (0..self.others.len()).min_by_key(|index| self.others[*index].period)
        {
            self.others.swap_remove(shortest);
        }
    }

    /// Returns the open window with the next longer period; without one, that with the longest.
    fn nearest(&self, period: u64, now: MonotonicInstant) -> Window {
        let open = || self.others.iter().filter(|window| window.is_open(now));
        let longer = open().filter(|window| window.period > period).min_by_key(|window| window.period);
        let nearest = longer.or_else(|| open().max_by_key(|window| window.period));
        nearest.copied().unwrap_or(Window { period, ends: now.0, used: 0 })
    }

    pub(super) fn charge(&mut self, tokens: u64, now: MonotonicInstant) {
        for window in self.others.iter_mut().chain([&mut self.present]) {
            if window.is_open(now) {
                window.used = window.used.saturating_add(tokens);
            } else {
                window.ends = now.0.saturating_add(window.period);
                window.used = tokens;
            }
        }
    }

    pub(super) fn is_empty(&self, now: MonotonicInstant) -> bool {
        self.total(now).tokens == 0
    }

    /// Returns the most that a window counts, and the time at which the last one ends.
    pub(super) fn total(&self, now: MonotonicInstant) -> SpentTotal {
        let open = || self.others.iter().chain([&self.present]).filter(|window| window.is_open(now));
        let tokens = open().map(|window| window.used).max().unwrap_or(0);
        let until = open().map(|window| window.ends).max().unwrap_or(now.0);
        SpentTotal { tokens, until: MonotonicInstant(until) }
    }
}
