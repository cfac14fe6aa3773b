//! Tests that every use is reported once, whenever it is read between collection and storage.

use super::*;
use crate::enforcement::Enforcement;
use crate::gate::tests::fixture::policy;
use crate::policy::Policy;
use crate::ports::usage::{CallCounts, Hour, UseOutcome};
use crate::reason::Reason;
use crate::scope::{ScopeEntry, ScopeRegistry, ScopeSet};
use crate::time::Timestamp;

const HOUR: i64 = 3_600_000;

fn key(number: u128) -> KeyId {
    KeyId(uuid::Uuid::from_u128(number))
}

struct Fixture {
    usage: UsageTracker,
    policy: Arc<Policy>,
}

impl Fixture {
    fn new() -> Self {
        Self { usage: UsageTracker::new("r".into()), policy: Arc::new(policy()) }
    }

    fn record(&self, number: u128, at: i64, outcome: UseOutcome) {
        self.record_needing(number, at, outcome, &[]);
    }

    fn record_needing(&self, number: u128, at: i64, outcome: UseOutcome, scopes: &[&str]) {
        let (policy, needed) = (&self.policy, self.policy.scopes.resolve(scopes));
        self.usage.record(&KeyUseEvent {
            key: key(number),
            at: Timestamp(at),
            outcome,
            needed: &needed,
            policy,
        });
    }

    /// Returns the allowed calls of the first hour, for a reader that got these counts from the database.
    fn merged(&self, batch: u64, allowed: u64) -> Option<u64> {
        let calls = CallCounts { allowed, ..CallCounts::default() };
        let stored = StoredHours { batch, hours: [(Hour(0), calls)].into() };
        let merged = self.usage.merge_into(key(1), HourRange::default(), stored)?;
        Some(merged.hours[&Hour(0)].allowed)
    }

    fn write(&self) -> u64 {
        let batch = self.usage.next_batch().expect("a batch is waiting");
        self.usage.mark_written(batch.number);
        batch.uses.get(&key(1)).map_or(0, |totals| totals.hours[&Hour(0)].allowed)
    }
}

#[test]
fn uses_are_counted_by_key_hour_and_reason() {
    let fixture = Fixture::new();
    fixture.record(1, 5, UseOutcome::Allowed);
    fixture.record(1, HOUR - 1, UseOutcome::Allowed);
    fixture.record(1, HOUR, UseOutcome::Denied(Reason::RateLimited));
    fixture.record(1, HOUR, UseOutcome::Denied(Reason::RateLimited));
    fixture.record(1, HOUR + 9, UseOutcome::Denied(Reason::Expired));
    fixture.record(2, -1, UseOutcome::Allowed);
    fixture.usage.collect(Timestamp(0));
    let batch = fixture.usage.next_batch().unwrap();
    let first = &batch.uses[&key(1)];
    assert_eq!(first.last, Some(Timestamp(HOUR - 1)), "a denied call is no use");
    assert_eq!(first.hours[&Hour(0)], CallCounts { allowed: 2, ..CallCounts::default() });
    let denied = [(Reason::RateLimited, 2), (Reason::Expired, 1)].into();
    assert_eq!(first.hours[&Hour(1)], CallCounts { denied, ..CallCounts::default() });
    assert_eq!(batch.uses[&key(2)].hours.keys().copied().collect::<Vec<_>>(), [Hour(-1)]);
}

#[test]
fn a_management_call_is_a_use_and_not_counted_as_a_call() {
    let fixture = Fixture::new();
    fixture.record_needing(1, 7, UseOutcome::Managed, &["admin"]);
    let known = fixture.usage.local_totals(key(1));
    assert_eq!((known.last, known.hours.len()), (Some(Timestamp(7)), 0));
    assert!(known.scopes.contains("admin"));
}

#[test]
fn a_reader_sees_each_use_once_at_every_stage() {
    let fixture = Fixture::new();
    (0..3).for_each(|_| fixture.record(1, 0, UseOutcome::Allowed));
    assert_eq!(fixture.merged(0, 0), Some(3), "not collected");
    fixture.usage.collect(Timestamp(0));
    fixture.record(1, 0, UseOutcome::Allowed);
    assert_eq!(fixture.merged(0, 0), Some(4), "collected, and not written");
    assert_eq!(fixture.merged(1, 3), Some(4), "written, and not yet marked as written");
    assert_eq!(fixture.write(), 3);
    assert_eq!(fixture.merged(1, 3), Some(4), "written");
    assert_eq!(fixture.merged(0, 0), Some(4), "read before it was written, and merged after");
}

#[test]
fn a_read_from_too_long_ago_must_be_repeated() {
    let fixture = Fixture::new();
    for _ in 0..=WRITTEN_KEPT {
        fixture.record(1, 0, UseOutcome::Allowed);
        fixture.usage.collect(Timestamp(0));
        assert_eq!(fixture.write(), 1);
    }
    assert_eq!(fixture.merged(0, 0), None);
    assert_eq!(fixture.merged(1, 1), Some(9));
    assert_eq!(fixture.merged(9, 9), Some(9));
}

#[test]
fn nothing_is_collected_while_a_batch_waits() {
    let fixture = Fixture::new();
    fixture.record(1, 0, UseOutcome::Allowed);
    fixture.usage.collect(Timestamp(0));
    fixture.record(1, 0, UseOutcome::Allowed);
    fixture.usage.collect(Timestamp(0));
    assert_eq!(fixture.usage.next_batch().unwrap().number, 1);
    assert_eq!((fixture.write(), fixture.usage.next_batch()), (1, None));
    fixture.usage.collect(Timestamp(0));
    assert_eq!(fixture.usage.next_batch().unwrap().number, 2);
}

#[test]
fn calls_count_in_the_minute_that_has_most_of_their_time() {
    let fixture = Fixture::new();
    let minute = |at: i64| {
        fixture.record(1, at, UseOutcome::Allowed);
        fixture.usage.collect(Timestamp(at));
        let batch = fixture.usage.next_batch().unwrap();
        fixture.usage.mark_written(batch.number);
        batch.minute.map(|minute| minute.0)
    };
    assert_eq!(minute(1_000), Some(0), "the first collection");
    assert_eq!(minute(56_000), Some(0));
    assert_eq!(minute(60_200), Some(0), "just after the end of the minute");
    assert_eq!(minute(65_200), Some(1));
    assert_eq!(minute(155_201), None, "no collection for a long time");
    assert_eq!(minute(155_000), None, "the clock was set back");
    assert_eq!(minute(155_000), Some(2));
}

#[test]
fn a_batch_is_bounded_and_has_each_key_once() {
    let fixture = Fixture::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1_100).for_each(|number| fixture.record(number, 0, UseOutcome::Allowed)));
        }
    });
    fixture.usage.collect(Timestamp(0));
    let mut counted = BTreeMap::new();
    while let Some(batch) = fixture.usage.next_batch() {
        assert!(batch.uses.len() <= BATCH_KEYS);
        for (key, used) in &batch.uses {
            assert_eq!(counted.insert(*key, used.hours[&Hour(0)].allowed), None);
        }
        fixture.usage.mark_written(batch.number);
    }
    assert_eq!(counted.len(), 1_100);
    assert!(counted.values().all(|calls| *calls == 4));
}

#[test]
fn keys_beyond_the_bound_are_dropped_and_known_ones_are_not() {
    let fixture = Fixture::new();
    for number in 0..MAX_KEYS as u128 + 10 {
        fixture.record(number, 0, UseOutcome::Allowed);
    }
    assert_eq!(fixture.usage.dropped(), 10);
    fixture.record(1, 0, UseOutcome::Allowed);
    assert_eq!((fixture.usage.dropped(), fixture.merged(0, 0)), (10, Some(2)));
    assert!(fixture.usage.nearly_full());
    fixture.usage.collect(Timestamp(0));
    assert!(!fixture.usage.nearly_full());
}

#[test]
fn hours_beyond_the_bound_are_dropped() {
    let fixture = Fixture::new();
    (0..50).for_each(|hour| fixture.record(1, hour * HOUR, UseOutcome::Allowed));
    assert_eq!((fixture.usage.dropped(), fixture.usage.local_totals(key(1)).hours.len()), (2, 48));
}

#[test]
fn needed_scopes_are_converted_by_name_when_the_profile_changes() {
    let mut fixture = Fixture::new();
    fixture.record_needing(1, 0, UseOutcome::Allowed, &["items.read"]);
    fixture.record_needing(1, 0, UseOutcome::Denied(Reason::RateLimited), &["admin"]);
    let entry = |name: &str| ScopeEntry {
        name: name.into(),
        description: "".into(),
        aliases: vec![],
        enforce: Enforcement::Enforced,
    };
    let scopes = ScopeRegistry::new(["a", "admin", "items.read", "z"].map(entry).to_vec()).unwrap();
    fixture.policy = Arc::new(Policy { version: 2, scopes, ..policy() });
    fixture.record_needing(1, 0, UseOutcome::Allowed, &["z"]);
    let known: Vec<Box<str>> = fixture.usage.local_totals(key(1)).scopes.into_iter().collect();
    assert_eq!(known, ["items.read".into(), "z".into()], "a denied call needs no scopes");
    let all: ScopeSet = fixture.policy.scopes.all();
    assert_eq!(all.iter().count(), 4);
}
