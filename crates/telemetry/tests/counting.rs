//! Counting a Check allocates nothing: measured, not believed. Alone in its program, since the allocator is asked.

use std::hint::black_box;
use std::sync::Arc;

use latchkey_core::decision::{Denial, Seen};
use latchkey_core::reason::Reason;
use latchkey_core::time::{Clock, Moment, Tick, Timestamp};
use latchkey_core::witness::{Answered, Bare, Door, Outcome, Witness as _};
use latchkey_profile::Profile;
use latchkey_telemetry::Meter;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

struct Still;

impl Clock for Still {
    fn now(&self) -> Moment {
        Moment { wall: Timestamp(1), tick: Tick(50_000) }
    }
}

#[test]
fn a_check_is_counted_without_an_allocation() {
    let document = include_str!("../../../profiles/paykore.toml");
    let profile = Profile::compile(document, 1).expect("it ships");
    let (meter, denial) = (Meter::new(Arc::new(Still)), Denial::plain(Reason::Revoked));
    let seen = Seen { policy: Some(profile.policy.clone()), ..Seen::default() };
    let count = |outcome: Outcome<'_>| {
        let (door, method, sent) = (Door::Envoy, "GET", &Bare);
        meter.saw(black_box(&Answered { door, outcome, seen: &seen, request_id: "r", method, sent }));
    };
    // The first makes the profile's table in this thread's place.
    count(Outcome::Allowed);
    let _profiler = dhat::Profiler::builder().testing().build();
    for _ in 0..1_000 {
        count(Outcome::Allowed);
        count(Outcome::Denied(&denial));
    }
    let counted = dhat::HeapStats::get().total_blocks;
    drop(black_box(String::from("and the counter counts")));
    assert_eq!((counted, dhat::HeapStats::get().total_blocks), (0, 1));
}
