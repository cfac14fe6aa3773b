//! Signals to a replica: the first one starts its shutdown, the second one ends it at once.

use latchkey_testing::{Setup, Signal, eventually};

#[test]
fn a_second_signal_ends_a_replica_that_drains() {
    for signals in [[Signal::TERM, Signal::TERM], [Signal::INT, Signal::TERM]] {
        let latchkey = Setup::default().environment("LATCHKEY_SHUTDOWN_DELAY", "9m").start();
        latchkey.signal(signals[0]);
        eventually("it drains", || latchkey.log().contains("draining").then_some(()));
        assert!(latchkey.ended().is_none(), "it waits for nine minutes");
        latchkey.signal(signals[1]);
        assert!(!latchkey.wait().success());
        assert!(latchkey.log().contains("second signal"), "{}", latchkey.log());
    }
}
