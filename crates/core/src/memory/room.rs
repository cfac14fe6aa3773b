//! How many bytes are left for keys themselves, beside their tenants and what else they share.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound for both together.
pub(super) struct Room {
    most: usize,
    left: AtomicUsize,
}

impl Room {
    pub(super) fn new(most: usize) -> Self {
        Self { most, left: AtomicUsize::new(most) }
    }

    /// What is left beside so many bytes, where that is another matter than before.
    pub(super) fn left(&self, shared: usize) -> Option<usize> {
        let step = self.most / 64;
        let left = self.most.saturating_sub(shared).max(step);
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
        let room = Room::new(6_400);
        assert_eq!(room.left(100), None);
        assert_eq!(room.left(201), Some(6_199));
        assert_eq!(room.left(201), None);
        assert_eq!(room.left(1_000_000), Some(100));
        assert_eq!(room.left(0), Some(6_400));
    }
}
