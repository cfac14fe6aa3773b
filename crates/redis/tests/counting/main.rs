//! The limiter on a real Redis: core's guarantees, several processes' limiters on one bucket, and a Redis that
//! hangs, dies, loses its data or returns.

#![expect(clippy::print_stdout, reason = "figures are shown with --nocapture")]

mod bench;
mod causes;
mod clocks;
mod cluster;
mod encrypted;
mod failing;
mod load;
mod notifications;
mod refusing;
mod rotation;
mod sentinel;
mod sharing;

mod exact {
    use super::bench::RedisBench;
    use latchkey_core::limit::CountingMode;
    latchkey_core::limiter_conformance_tests! { RedisBench::start(CountingMode::Exact).await }
}

mod leased {
    use super::bench::RedisBench;
    use latchkey_core::limit::CountingMode;
    latchkey_core::limiter_conformance_tests! { RedisBench::start(CountingMode::Leased).await }
}
