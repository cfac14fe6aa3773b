//! How many bytes are left for keys themselves, beside their tenants and what else they share.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound for both together.
pub(super) struct CapacityBudget {
    max_bytes: usize,
    left: AtomicUsize,
}

impl CapacityBudget {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, left: AtomicUsize::new(max_bytes) }
    }

    /// What is left beside so many bytes, where that is another matter than before.
    pub(super) fn resized(&self, shared: usize) -> Option<usize> {
        let step = self.max_bytes / 64;
        let left = self.max_bytes.saturating_sub(shared).max(step);
        let before = self.left.load(Ordering::Relaxed);
        let matters = before.abs_diff(left) > step;
        let mine =
            matters && self.left.compare_exchange(before, left, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        mine.then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_takes_of_the_room_once_it_matters() {
        let budget = CapacityBudget::new(6_400);
        assert_eq!(budget.resized(100), None);
        assert_eq!(budget.resized(201), Some(6_199));
        assert_eq!(budget.resized(201), None);
        assert_eq!(budget.resized(1_000_000), Some(100));
        assert_eq!(budget.resized(0), Some(6_400));
    }
}
