//! What is counted is told once, whoever asks in between.

use super::*;
use crate::enforce::Enforce;
use crate::gate::tests::fixture::policy;
use crate::policy::Policy;
use crate::ports::usage::{Calls, Deed, Hour};
use crate::reason::Reason;
use crate::scope::{Catalogue, ScopeEntry, ScopeSet};
use crate::time::Timestamp;

const HOUR: i64 = 3_600_000;

fn key(number: u128) -> KeyId {
    KeyId(uuid::Uuid::from_u128(number))
}

struct Desk {
    usage: Usage,
    policy: Arc<Policy>,
}

impl Desk {
    fn new() -> Self {
        Self { usage: Usage::new("r".into()), policy: Arc::new(policy()) }
    }

    fn note(&self, number: u128, at: i64, deed: Deed) {
        self.note_needing(number, at, deed, &[]);
    }

    fn note_needing(&self, number: u128, at: i64, deed: Deed, scopes: &[&str]) {
        let (policy, needed) = (&self.policy, self.policy.scopes.known(scopes));
        self.usage.note(&Use { key: key(number), at: Timestamp(at), deed, needed: &needed, policy });
    }

    /// What a reader hears that had this from the ledger.
    fn complete(&self, batch: u64, allowed: u64) -> Option<u64> {
        let calls = Calls { allowed, ..Calls::default() };
        let stored = StoredHours { batch, hours: [(Hour(0), calls)].into() };
        let whole = self.usage.complete(key(1), HourSpan::default(), stored)?;
        Some(whole.hours[&Hour(0)].allowed)
    }

    fn write(&self) -> u64 {
        let batch = self.usage.next().expect("something waits");
        self.usage.written(batch.number);
        batch.uses.get(&key(1)).map_or(0, |seen| seen.hours[&Hour(0)].allowed)
    }
}

#[test]
fn uses_are_counted_by_key_hour_and_reason() {
    let desk = Desk::new();
    desk.note(1, 5, Deed::Allowed);
    desk.note(1, HOUR - 1, Deed::Allowed);
    desk.note(1, HOUR, Deed::Denied(Reason::RateLimited));
    desk.note(1, HOUR, Deed::Denied(Reason::RateLimited));
    desk.note(1, HOUR + 9, Deed::Denied(Reason::Expired));
    desk.note(2, -1, Deed::Allowed);
    desk.usage.collect();
    let batch = desk.usage.next().unwrap();
    let first = &batch.uses[&key(1)];
    assert_eq!(first.last, Some(Timestamp(HOUR - 1)), "what was denied is no use");
    assert_eq!(first.hours[&Hour(0)], Calls { allowed: 2, ..Calls::default() });
    let denied = [(Reason::RateLimited, 2), (Reason::Expired, 1)].into();
    assert_eq!(first.hours[&Hour(1)], Calls { allowed: 0, denied });
    assert_eq!(batch.uses[&key(2)].hours.keys().copied().collect::<Vec<_>>(), [Hour(-1)]);
}

#[test]
fn managing_is_a_use_and_no_call() {
    let desk = Desk::new();
    desk.note_needing(1, 7, Deed::Managed, &["admin"]);
    let known = desk.usage.known(key(1));
    assert_eq!((known.last, known.hours.len()), (Some(Timestamp(7)), 0));
    assert!(known.scopes.contains("admin"));
}

#[test]
fn whoever_asks_in_between_hears_each_use_once() {
    let desk = Desk::new();
    (0..3).for_each(|_| desk.note(1, 0, Deed::Allowed));
    assert_eq!(desk.complete(0, 0), Some(3), "not collected");
    desk.usage.collect();
    desk.note(1, 0, Deed::Allowed);
    assert_eq!(desk.complete(0, 0), Some(4), "collected, and not written");
    assert_eq!(desk.complete(1, 3), Some(4), "written, and nobody here knows yet");
    assert_eq!(desk.write(), 3);
    assert_eq!(desk.complete(1, 3), Some(4), "written");
    assert_eq!(desk.complete(0, 0), Some(4), "asked before it was written, and told after");
}

#[test]
fn whoever_asked_too_long_ago_is_to_ask_again() {
    let desk = Desk::new();
    for _ in 0..=WRITTEN {
        desk.note(1, 0, Deed::Allowed);
        desk.usage.collect();
        assert_eq!(desk.write(), 1);
    }
    assert_eq!(desk.complete(0, 0), None);
    assert_eq!(desk.complete(1, 1), Some(9));
    assert_eq!(desk.complete(9, 9), Some(9));
}

#[test]
fn what_waits_is_not_collected_over() {
    let desk = Desk::new();
    desk.note(1, 0, Deed::Allowed);
    desk.usage.collect();
    desk.note(1, 0, Deed::Allowed);
    desk.usage.collect();
    assert_eq!(desk.usage.next().unwrap().number, 1);
    assert_eq!((desk.write(), desk.usage.next()), (1, None));
    desk.usage.collect();
    assert_eq!(desk.usage.next().unwrap().number, 2);
}

#[test]
fn a_batch_is_bounded_and_has_each_key_once() {
    let desk = Desk::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1_100).for_each(|number| desk.note(number, 0, Deed::Allowed)));
        }
    });
    desk.usage.collect();
    let mut seen = BTreeMap::new();
    while let Some(batch) = desk.usage.next() {
        assert!(batch.uses.len() <= BATCH);
        for (key, used) in &batch.uses {
            assert_eq!(seen.insert(*key, used.hours[&Hour(0)].allowed), None);
        }
        desk.usage.written(batch.number);
    }
    assert_eq!(seen.len(), 1_100);
    assert!(seen.values().all(|calls| *calls == 4));
}

#[test]
fn keys_beyond_the_bound_are_dropped_and_known_ones_are_not() {
    let desk = Desk::new();
    for number in 0..MOST as u128 + 10 {
        desk.note(number, 0, Deed::Allowed);
    }
    assert_eq!(desk.usage.dropped(), 10);
    desk.note(1, 0, Deed::Allowed);
    assert_eq!((desk.usage.dropped(), desk.complete(0, 0)), (10, Some(2)));
    assert!(desk.usage.pressing());
    desk.usage.collect();
    assert!(!desk.usage.pressing());
}

#[test]
fn hours_beyond_the_bound_are_dropped() {
    let desk = Desk::new();
    (0..50).for_each(|hour| desk.note(1, hour * HOUR, Deed::Allowed));
    assert_eq!((desk.usage.dropped(), desk.usage.known(key(1)).hours.len()), (2, 48));
}

#[test]
fn needed_scopes_are_numbered_anew_when_the_profile_changes() {
    let mut desk = Desk::new();
    desk.note_needing(1, 0, Deed::Allowed, &["items.read"]);
    desk.note_needing(1, 0, Deed::Denied(Reason::RateLimited), &["admin"]);
    let entry = |name: &str| ScopeEntry {
        name: name.into(),
        description: "".into(),
        aliases: vec![],
        enforce: Enforce::On,
    };
    let scopes = Catalogue::new(["a", "admin", "items.read", "z"].map(entry).to_vec()).unwrap();
    desk.policy = Arc::new(Policy { version: 2, scopes, ..policy() });
    desk.note_needing(1, 0, Deed::Allowed, &["z"]);
    let known: Vec<Box<str>> = desk.usage.known(key(1)).scopes.into_iter().collect();
    assert_eq!(known, ["items.read".into(), "z".into()], "what was denied needed nothing");
    let all: ScopeSet = desk.policy.scopes.all();
    assert_eq!(all.iter().count(), 4);
}
