//! The limiter on a real Redis: core's promises, several processes' worth of limiters on one bucket, and what
//! happens when Redis hangs, dies, forgets or comes back.

#![expect(clippy::print_stdout, reason = "figures are shown with --nocapture")]

mod bench;
mod cluster;
mod encrypted;
mod failing;
mod load;
mod sharing;
mod waking;

mod exact {
    use super::bench::Real;
    use latchkey_core::limit::Mode;
    latchkey_core::limiter_suite! { Real::start(Mode::Exact).await }
}

mod leased {
    use super::bench::Real;
    use latchkey_core::limit::Mode;
    latchkey_core::limiter_suite! { Real::start(Mode::Leased).await }
}
