//! Tests of what a writer knows of the other replicas.

use latchkey_core::ports::Replica;

use super::*;

const LEASE: Duration = Duration::from_secs(64);
const WAIT: Duration = Duration::from_secs(65);

fn at(seconds: u64) -> MonotonicInstant {
    MonotonicInstant(0).plus(Duration::from_secs(seconds))
}

fn row(id: &str, beat: u64, revision: u64) -> ReplicaRow {
    let announced = Announcement { revision, history: None, lease: LEASE, beat };
    ReplicaRow {
        replica: Replica { id: id.into(), name: id.into(), stable_name: None, host: None },
        announced: Some(announced),
        beat,
        departed: false,
        challenged: false,
        version: None,
    }
}

fn fleet(rows: Vec<ReplicaRow>) -> Fleet {
    let counts = FleetCounts { registrations: 10, removals: 10 - i64::try_from(rows.len()).unwrap() };
    Fleet { revision: 9, rows, counts: Some(counts), longest_lease: LEASE, timeline: None }
}

/// Returns when the last replica ends its trust in a state before revision 5, for a writer that waits since `began`.
fn pending(table: &HolderTable, began: u64, now: u64) -> Option<MonotonicInstant> {
    table.pending(at(began), at(now), |announced| announced.revision >= 5)
}

#[test]
fn a_replica_that_has_applied_the_revision_is_not_waited_for() {
    let mut table = HolderTable::default();
    table.observe(&fleet(vec![row("a", 1, 4)]), "own", at(100));
    assert_eq!(pending(&table, 100, 100), Some(at(100).plus(WAIT)));
    table.observe(&fleet(vec![row("a", 1, 5)]), "own", at(101));
    assert_eq!(pending(&table, 100, 101), None);
}

#[test]
fn the_bound_is_the_lease_that_the_replica_announced() {
    let mut table = HolderTable::default();
    table.observe(&fleet(vec![row("a", 1, 4)]), "own", at(100));
    assert_eq!(pending(&table, 130, 164), Some(at(165)), "its row stands still since 100");
    assert_eq!(pending(&table, 130, 165), None);
    table.observe(&fleet(vec![row("a", 2, 4)]), "own", at(160));
    assert_eq!(pending(&table, 130, 165), Some(at(195)), "a heartbeat after the commit extends nothing");
    assert_eq!(pending(&table, 170, 170), Some(at(225)));
}

#[test]
fn a_deleted_row_is_waited_for_as_if_its_replica_had_sent_a_heartbeat() {
    let mut table = HolderTable::default();
    table.observe(&fleet(vec![row("a", 1, 4)]), "own", at(100));
    table.observe(&fleet(vec![]), "own", at(150));
    assert_eq!(pending(&table, 200, 200), Some(at(215)));
    table.observe(&fleet(vec![]), "own", at(214));
    assert_eq!(pending(&table, 200, 214), Some(at(215)));
    table.observe(&fleet(vec![]), "own", at(215));
    assert_eq!((pending(&table, 200, 215), table.count(at(215))), (None, 0));
}

#[test]
fn an_altered_row_ends_no_wait() {
    let mut table = HolderTable::default();
    table.observe(&fleet(vec![row("a", 1, 4)]), "own", at(100));
    let altered = ReplicaRow { announced: None, ..row("a", 1, 9) };
    assert_eq!(table.observe(&fleet(vec![altered.clone()]), "own", at(101)).altered, [Box::from("a")]);
    assert_eq!(pending(&table, 101, 101), Some(at(101).plus(WAIT)), "by the lease that it announced before");
    assert!(table.observe(&fleet(vec![altered.clone()]), "own", at(102)).altered.is_empty(), "said once");
    let mut stranger = HolderTable::default();
    stranger.observe(&fleet(vec![altered]), "own", at(100));
    assert_eq!(pending(&stranger, 100, 100), Some(at(100).plus(WAIT)));
}

#[test]
fn missing_rows_are_waited_for_for_the_longest_lease_that_was_registered() {
    let mut table = HolderTable::default();
    let missing = |registrations| {
        let counts = FleetCounts { registrations, removals: 0 };
        Fleet { counts: Some(counts), ..fleet(vec![]) }
    };
    let incomplete = missing(1);
    assert!(table.observe(&incomplete, "own", at(100)).newly_incomplete);
    assert_eq!(pending(&table, 120, 120), Some(at(165)));
    assert!(!table.observe(&incomplete, "own", at(164)).count_settled);
    assert!(table.observe(&incomplete, "own", at(165)).count_settled);
    assert_eq!(pending(&table, 166, 166), None);
    table.observe(&fleet(vec![]), "own", at(167));
    assert!(table.observe(&incomplete, "own", at(168)).newly_incomplete, "a second time counts again");
    table.observe(&missing(2), "own", at(200));
    assert_eq!(pending(&table, 240, 240), Some(at(265)), "a replica registered again meanwhile");
}

#[test]
fn a_longest_lease_that_was_lowered_below_that_of_a_row_is_not_used() {
    let mut table = HolderTable::default();
    let counts = FleetCounts { registrations: 2, removals: 0 };
    let lowered = Fleet {
        counts: Some(counts),
        longest_lease: Duration::from_secs(1),
        ..fleet(vec![row("own", 1, 9)])
    };
    table.observe(&lowered, "own", at(100));
    assert_eq!(pending(&table, 100, 100), Some(at(100).plus(with_margin(LONGEST_LEASE))));
}

#[test]
fn a_replica_that_departed_is_not_waited_for_and_its_row_stays_until_all_have_seen_it() {
    let mut table = HolderTable::default();
    table.observe(&fleet(vec![row("a", 1, 4)]), "own", at(100));
    let departed = || fleet(vec![ReplicaRow { departed: true, ..row("a", 2, 0) }]);
    assert!(table.observe(&departed(), "own", at(101)).removable.is_empty());
    assert_eq!((pending(&table, 101, 101), table.count(at(101))), (None, 0));
    assert!(table.observe(&departed(), "own", at(161)).removable.is_empty());
    assert_eq!(table.observe(&departed(), "own", at(162)).removable, [(Box::from("a"), 2)]);
    table.observe(&fleet(vec![]), "own", at(163));
    assert_eq!(pending(&table, 163, 163), None);
}

#[test]
fn a_failover_restarts_the_wait_since_it_may_bring_older_rows() {
    let mut table = HolderTable::default();
    let on = |timeline: &str| Fleet { timeline: Some(timeline.into()), ..fleet(vec![row("a", 1, 4)]) };
    table.observe(&on("00000001"), "own", at(100));
    table.observe(&on("00000002"), "own", at(160));
    assert_eq!(pending(&table, 200, 200), Some(at(225)));
}

#[test]
fn a_crashed_replica_is_waited_for_once_and_its_row_is_removed_later() {
    let mut table = HolderTable::default();
    let dead = || fleet(vec![row("a", 1, 4)]);
    table.observe(&dead(), "own", at(100));
    for now in [165, 170, 225] {
        assert!(table.observe(&dead(), "own", at(now)).removable.is_empty());
        assert_eq!(pending(&table, now, now), None, "at {now}");
    }
    assert_eq!(table.observe(&dead(), "own", at(226)).removable, [(Box::from("a"), 1)]);
}

#[test]
fn a_row_that_is_restored_to_an_earlier_state_counts_from_then_on() {
    let mut table = HolderTable::default();
    let written = |by: &str| fleet(vec![ReplicaRow { version: Some(by.into()), ..row("a", 1, 4) }]);
    table.observe(&written("700"), "own", at(100));
    table.observe(&written("700"), "own", at(120));
    assert_eq!(pending(&table, 140, 140), Some(at(165)), "it stands still since 100");
    table.observe(&written("712"), "own", at(121));
    assert_eq!(pending(&table, 140, 140), Some(at(186)), "a heartbeat may have been hidden by it");
}
