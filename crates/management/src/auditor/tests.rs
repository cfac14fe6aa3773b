//! Tests that each kind of damage to the log is found at its place, and that an intact log is reported as intact.

use std::sync::Mutex;

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::id::{KeyId, TenantId, UserId};
use latchkey_core::time::Moment;

use uuid::Uuid;

use super::listing::list_of_events;
use super::*;
use crate::ports::audit::{ActionFilter, AuditCheck, AuditEvent, AuditFilter, AuditPage, EventSubjects};

/// Time of each verification.
const NOW: Timestamp = Timestamp(1_763_000_000_000);
/// Retention of the content of events of tokens.
const RETENTION: Duration = Duration::from_hours(1);

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Moment {
        Moment { wall: NOW, ..Moment::default() }
    }
}

/// Log with made-up hashes. A rewritten log differs from a certain event on.
#[derive(Default)]
struct Log {
    hashes: Vec<[u8; 32]>,
    broken: Option<u64>,
    /// Event without content, and its time.
    pruned: Option<(u64, Timestamp)>,
    outside: Option<(i64, u64)>,
    head: Option<Anchor>,
}

impl Log {
    fn of(length: u8) -> Self {
        Self { hashes: (1..=length).map(|n| [n; 32]).collect(), ..Self::default() }
    }

    fn rewritten(length: u8, from: u8) -> Self {
        let hash = |n| [if n < from { n } else { n + 100 }; 32];
        Self { hashes: (1..=length).map(hash).collect(), ..Self::default() }
    }

    fn anchor(&self, sequence: u64) -> Anchor {
        let before = usize::try_from(sequence).unwrap().checked_sub(1);
        Anchor { sequence, hash: before.map_or([0; 32], |n| self.hashes[n]) }
    }
}

#[async_trait]
impl AuditLog for Log {
    async fn events(&self, _: &AuditFilter, before: Option<u64>, _: u32) -> Result<AuditPage, SystemError> {
        let sequence = before.unwrap() - 1;
        let hash = self.anchor(sequence).hash.to_vec();
        let (time, tenant, details) = (Timestamp(0), None, std::collections::BTreeMap::new());
        let [actor, action, target, request_id] = [const { String::new() }; 4];
        let event = AuditEvent { sequence, time, tenant, actor, action, target, request_id, details, hash };
        Ok(AuditPage { events: vec![event], next: None })
    }

    async fn subjects(&self, _: &[KeyId], _: &[UserId]) -> Result<EventSubjects, SystemError> {
        Ok(EventSubjects::default())
    }

    async fn outside(&self) -> Result<Option<(i64, u64)>, SystemError> {
        Ok(self.outside)
    }

    async fn head(&self) -> Result<Option<Anchor>, SystemError> {
        Ok(Some(self.head.unwrap_or_else(|| self.anchor(self.hashes.len() as u64))))
    }

    /// Checks three events at a time.
    async fn check(
        &self,
        after: Anchor,
        until: u64,
        kept_since: Timestamp,
    ) -> Result<AuditCheck, SystemError> {
        let end = until.min(after.sequence + 3).min(self.hashes.len() as u64);
        let valid = (after.sequence + 1..=end).take_while(|n| Some(*n) != self.broken);
        let valid: Vec<Anchor> = valid.map(|n| self.anchor(n)).collect();
        let next = valid.last().map_or(after.sequence, |last| last.sequence) + 1;
        let ends = (next <= until && next > self.hashes.len() as u64).then_some(next);
        let early = self.pruned.filter(|(_, time)| *time >= kept_since).map(|(sequence, _)| sequence);
        let pruned_early = early.filter(|sequence| valid.iter().any(|anchor| anchor.sequence == *sequence));
        Ok(AuditCheck { broken: self.broken.filter(|n| *n == next).or(ends), valid, pruned_early })
    }
}

/// Anchors that are read two at a time; positions are indexes.
struct KeptAnchors(Mutex<Vec<Anchor>>);

#[async_trait]
impl AnchorStore for KeptAnchors {
    async fn extent(&self) -> Result<u64, SystemError> {
        Ok(self.0.lock().unwrap().len() as u64)
    }

    async fn read(&self, from: u64, until: u64) -> Result<(Vec<Anchor>, u64), SystemError> {
        let end = until.min(from + 2);
        let (begin, stop) = (usize::try_from(from).unwrap(), usize::try_from(end).unwrap());
        Ok((self.0.lock().unwrap()[begin..stop].to_vec(), end))
    }
}

/// Verifies a log with stored anchors (`kept`) and anchors of the caller (`own`).
async fn check(log: Log, kept: &[u64], own: &[u64]) -> AuditReport {
    let written = Log::of(50);
    let anchors = |places: &[u64]| places.iter().map(|n| written.anchor(*n)).collect::<Vec<_>>();
    let kept = KeptAnchors(Mutex::new(anchors(kept)));
    let retention = TokenRetention { clock: &FixedClock, duration: RETENTION };
    verify(&log, &kept, &retention, anchors(own)).await.unwrap()
}

#[tokio::test]
async fn an_untouched_log_is_whole_and_every_anchor_is_compared() {
    let state = check(Log::of(10), &[2, 5, 5, 10], &[9, 1]).await;
    assert_eq!((state.events, state.anchors, state.first_break), (10, 6, None));
    assert_eq!(state.head, Log::of(10).anchor(10));
    assert_eq!(check(Log::of(0), &[], &[]).await.first_break, None);
}

#[tokio::test]
async fn a_line_that_does_not_fit_is_named() {
    for at in [1, 3, 4, 10] {
        let log = Log { broken: Some(at), ..Log::of(10) };
        let state = check(log, &[2], &[]).await;
        assert_eq!((state.events, state.first_break), (at - 1, Some(AuditBreak::Event { at })));
    }
}

#[tokio::test]
async fn lines_that_are_missing_at_the_end_are_found_by_the_head() {
    let log = Log { head: Some(Log::of(10).anchor(10)), ..Log::of(7) };
    assert_eq!(check(log, &[], &[]).await.first_break, Some(AuditBreak::Event { at: 8 }));
    let log = Log { head: Some(Anchor { sequence: 7, hash: [9; 32] }), ..Log::of(7) };
    assert_eq!(check(log, &[], &[]).await.first_break, Some(AuditBreak::Head { at: 8 }));
}

#[tokio::test]
async fn rows_outside_of_the_log_are_found_and_counted() {
    let log = Log { outside: Some((-3, 2)), ..Log::of(7) };
    let state = check(log, &[2], &[]).await;
    let first_break = AuditBreak::Outside { at: -3, number: 2, end: 7 };
    assert_eq!((state.events, state.first_break), (7, Some(first_break)));
    assert_eq!(first_break.at(), 0);
    let text = first_break.to_string();
    assert!(
        text.starts_with("2 rows are outside of the log, which has events 1 to 7: the first is at -3"),
        "{text}"
    );
    assert_eq!(AuditBreak::Outside { at: 9, number: 1, end: 7 }.at(), 9);
}

#[tokio::test]
async fn content_that_was_deleted_within_the_retention_is_reported_if_there_is_no_other_break() {
    // A minute is the tolerance.
    let begin = NOW.0 - 3_600_000 + 60_000;
    let pruned = |time| Log { pruned: Some((5, Timestamp(time))), ..Log::of(10) };
    let state = check(pruned(begin), &[2, 10], &[]).await;
    let first_break = AuditBreak::PrunedEarly { at: 5 };
    assert_eq!((state.events, state.anchors, state.first_break), (10, 2, Some(first_break)));
    assert_eq!(first_break.at(), 5);
    assert_eq!(check(pruned(begin - 1), &[2, 10], &[]).await.first_break, None);
    let log = Log { broken: Some(9), ..pruned(NOW.0) };
    assert_eq!(check(log, &[], &[]).await.first_break, Some(AuditBreak::Event { at: 9 }));
    let truncated = Some(AuditBreak::Truncated { at: 11, anchored: 12 });
    assert_eq!(check(pruned(NOW.0), &[12], &[]).await.first_break, truncated);
}

#[tokio::test]
async fn a_log_that_was_cut_off_with_its_head_is_found_by_an_anchor() {
    assert_eq!(
        check(Log::of(7), &[], &[]).await.first_break,
        None,
        "this cannot be detected without an anchor"
    );
    let first_break = Some(AuditBreak::Truncated { at: 8, anchored: 10 });
    assert_eq!(check(Log::of(7), &[3, 7, 10], &[]).await.first_break, first_break);
    assert_eq!(check(Log::of(7), &[], &[10]).await.first_break, first_break);
    assert_eq!(
        check(Log::of(0), &[1], &[]).await.first_break,
        Some(AuditBreak::Truncated { at: 1, anchored: 1 })
    );
}

#[tokio::test]
async fn a_rewritten_log_is_found_by_an_anchor() {
    assert_eq!(
        check(Log::rewritten(20, 6), &[], &[]).await.first_break,
        None,
        "this cannot be detected without an anchor"
    );
    let first_break = Some(AuditBreak::Rewritten { at: 9, since: 4 });
    assert_eq!(check(Log::rewritten(20, 6), &[2, 4, 9, 15], &[]).await.first_break, first_break);
    assert_eq!(check(Log::rewritten(20, 6), &[], &[15, 9, 4]).await.first_break, first_break);
}

#[tokio::test]
async fn an_anchor_that_is_out_of_step_is_compared_all_the_same() {
    assert_eq!(check(Log::of(20), &[9, 2, 15, 1], &[]).await.first_break, None);
    let first_break = Some(AuditBreak::Rewritten { at: 2, since: 9 });
    let log = Log { hashes: (1..=20).map(|n| [if n == 2 { 99 } else { n }; 32]).collect(), ..Log::of(0) };
    assert_eq!(check(log, &[9, 2], &[]).await.first_break, first_break);
}

#[test]
fn the_bytes_that_name_a_list_of_events_stay() {
    let all = list_of_events(&AuditFilter::default()).hex();
    assert_eq!(all, "69a48a6dc740839aed5ef815c0989d731a30a510975c543f1082e03adb6069c1");
    let filter = AuditFilter {
        tenant: Some(TenantId(Uuid::from_u128(7))),
        from: Some(Timestamp(-5)),
        until: Some(Timestamp(9)),
        actor: Some("key_1".into()),
        action: Some(ActionFilter::StartsWith("key.".into())),
        target: Some("key_2".into()),
        pruned: false,
    };
    let some = list_of_events(&filter).hex();
    assert_eq!(some, "a5f5b2b490499fcf867df843cac69d507f69363af53da79d4dd6baf3651a4ac5");
}
