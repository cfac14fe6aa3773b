//! Signals to a replica: the first one that ends it starts its shutdown, the second one ends it at once. Others have no
//! effect but a line in the log.

use latchkey_testing::{Setup, Signal, eventually};

#[test]
fn a_second_signal_ends_a_replica_that_drains() {
    for signals in [[Signal::TERM, Signal::TERM], [Signal::INT, Signal::TERM], [Signal::QUIT, Signal::INT]] {
        let latchkey = Setup::default().environment("LATCHKEY_SHUTDOWN_DELAY", "9m").start();
        latchkey.signal(signals[0]);
        eventually("it drains", || latchkey.log().contains("draining").then_some(()));
        assert!(latchkey.ended().is_none(), "it waits for nine minutes");
        latchkey.signal(signals[1]);
        assert!(!latchkey.wait().success());
        assert!(latchkey.log().contains("second signal"), "{}", latchkey.log());
    }
}

#[test]
fn a_quit_drains_as_sigterm_does() {
    let latchkey = Setup::default().environment("LATCHKEY_SHUTDOWN_DELAY", "0s").start();
    latchkey.signal(Signal::QUIT);
    assert!(latchkey.wait().success(), "{}", latchkey.log());
    assert!(latchkey.log().contains("draining") && latchkey.log().contains("stopped"), "{}", latchkey.log());
}

#[test]
fn signals_without_an_effect_are_logged_and_calls_go_on() {
    let latchkey = Setup::default().environment("LATCHKEY_SHUTDOWN_DELAY", "0s").start();
    for (signal, words) in [
        (Signal::HUP, "settings are read at the start alone"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::ALARM, "SIGALRM"),
    ] {
        latchkey.signal(signal);
        eventually(words, || latchkey.log().contains(words).then_some(()));
        assert_eq!(latchkey.page("/readyz").status, 200, "{words}");
    }
    assert!(latchkey.ended().is_none() && !latchkey.log().contains("draining"), "{}", latchkey.log());
    latchkey.signal(Signal::TERM);
    assert!(latchkey.wait().success());
}
