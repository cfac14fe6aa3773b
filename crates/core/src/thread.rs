//! Threads, told apart. What is counted all day is counted by each thread in a place of its own, so that no two
//! wait for each other; this says which place that is.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The number of this thread, by the order in which threads asked first.
#[must_use]
pub fn thread_index() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NUMBER.get().unwrap_or_else(|| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        NUMBER.set(Some(number));
        number
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_has_one_number_of_its_own() {
        let ask = || std::thread::spawn(|| [thread_index(), thread_index()]).join().unwrap();
        let ([first, again], [other, _]) = (ask(), ask());
        assert_eq!(first, again);
        assert_ne!(first, other);
    }
}
