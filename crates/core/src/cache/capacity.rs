//! Budget of bytes for keys, after their tenants and other shared values have taken their part.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A limit for keys and shared values together.
pub(super) struct CapacityBudget {
    max_bytes: usize,
    remaining: AtomicUsize,
}

impl CapacityBudget {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, remaining: AtomicUsize::new(max_bytes) }
    }

    /// Returns the bytes that remain for keys beside `shared` bytes of shared values, if the number has
    /// changed by more than a sixty-fourth of the budget. Of several threads that see the same change, one
    /// gets the result.
    pub(super) fn resized(&self, shared: usize) -> Option<usize> {
        let step = self.max_bytes / 64;
        let remaining = self.max_bytes.saturating_sub(shared).max(step);
        let before = self.remaining.load(Ordering::Relaxed);
        let changed = before.abs_diff(remaining) > step;
        let swapped = changed
            && self
                .remaining
                .compare_exchange(before, remaining, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        swapped.then_some(remaining)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_values_reduce_the_budget_once_they_matter() {
        let budget = CapacityBudget::new(6_400);
        assert_eq!(budget.resized(100), None);
        assert_eq!(budget.resized(201), Some(6_199));
        assert_eq!(budget.resized(201), None);
        assert_eq!(budget.resized(1_000_000), Some(100));
        assert_eq!(budget.resized(0), Some(6_400));
    }
}
