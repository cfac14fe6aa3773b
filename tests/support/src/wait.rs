//! Waiting for another process: asks again and again, and gives up with words.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Asks until there is an answer; panics with `what` after twenty seconds.
pub fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    eventually_for(what, Duration::from_secs(20), ask)
}

/// Asks until there is an answer; panics with `what` when the time is up.
pub fn eventually_for<T>(what: &str, time: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < time, "waited {time:?}: {what}");
        sleep(Duration::from_millis(10));
    }
}
