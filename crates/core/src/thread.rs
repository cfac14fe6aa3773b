//! Numbers of threads. Frequent counts are kept in one shard for each thread, so that threads do not wait for
//! each other; the thread's number selects the shard.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    static INDEX: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Returns the number of this thread. Threads are numbered in the order of their first call.
#[must_use]
pub fn thread_index() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    INDEX.get().unwrap_or_else(|| {
        let index = NEXT.fetch_add(1, Ordering::Relaxed);
        INDEX.set(Some(index));
        index
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_has_a_number_of_its_own() {
        let indexes = || std::thread::spawn(|| [thread_index(), thread_index()]).join().unwrap();
        let ([first, again], [other, _]) = (indexes(), indexes());
        assert_eq!(first, again);
        assert_ne!(first, other);
    }
}
