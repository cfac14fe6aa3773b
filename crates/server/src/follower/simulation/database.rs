//! Database of the simulation: one server's state, with the statements that the store runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use latchkey_core::ports::{
    Announcement, Change, ChangeEffect, ChangeSubject, FeedExtent, Fleet, FleetCounts, HistoryHash,
    LookupResult, ReadAt, Replica, ReplicaRow,
};
use latchkey_core::record::{KeyLifecycle, KeyRecord, TenantRecord};
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_management::ports::WriteResult;

use super::fixture::LATER;

/// State of a server.
#[derive(Clone)]
pub(super) struct Database {
    pub(super) head: u64,
    /// Number that each failover changes.
    pub(super) timeline: u64,
    changes: BTreeMap<u64, Change>,
    pub(super) keys: Vec<KeyRecord>,
    /// Keys that were not created yet.
    absent: BTreeSet<usize>,
    tenant: TenantRecord,
    pub(super) rows: BTreeMap<Box<str>, Row>,
    registrations: i64,
    removals: i64,
    /// Number of writes of rows of replicas.
    writes: u64,
    longest_lease: Duration,
    history: HistoryHash,
    /// Histories at all revisions, as the audit log keeps them.
    histories: BTreeSet<HistoryHash>,
}

/// Row of a replica. Its checksum is stored as what it was computed from.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) replica: Replica,
    pub(super) announced: Announcement,
    pub(super) departed: bool,
    challenged: bool,
    signed: (Announcement, bool),
    /// Number of the write that has made the row what it is.
    version: u64,
}

impl Database {
    pub(super) fn new(tenant: TenantRecord, keys: Vec<KeyRecord>) -> Self {
        Self {
            head: 1,
            timeline: 1,
            changes: BTreeMap::new(),
            keys,
            absent: LATER.into(),
            tenant,
            rows: BTreeMap::new(),
            registrations: 0,
            removals: 0,
            writes: 0,
            longest_lease: Duration::ZERO,
            history: [0; 32],
            histories: BTreeSet::new(),
        }
    }

    /// Appends a change; `nonce` tells apart histories that forked.
    fn append(&mut self, subject: ChangeSubject, effect: Option<ChangeEffect>, nonce: u64) -> u64 {
        self.head += 1;
        let last = u64::from_be_bytes(std::array::from_fn(|index| self.history[index]));
        let next = (last ^ nonce).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) ^ self.head;
        self.history[..8].copy_from_slice(&next.to_be_bytes());
        self.histories.insert(self.history);
        let change = Change { revision: self.head, subject, effect, history: Some(self.history) };
        self.changes.insert(self.head, change);
        self.head
    }

    /// Revokes a key. Returns the revision, and whether anything was written.
    pub(super) fn revoke(&mut self, key: usize, nonce: u64) -> WriteResult<()> {
        if self.is_revoked(key) {
            let revision = self.keys[key].revision;
            // The newest change has a history if the one of the key was pruned.
            let revision = if self.history_at(revision).is_some() { revision } else { self.head };
            return WriteResult::unchanged(revision, ()).with_history(self.history_at(revision));
        }
        let subject = ChangeSubject::Key(self.keys[key].hash);
        let revision = self.append(subject, Some(ChangeEffect::Revoked), nonce);
        self.keys[key].lifecycle = KeyLifecycle::Revoked { at: Timestamp(0), reason: String::new() };
        self.keys[key].revision = revision;
        WriteResult::written(revision, ()).with_history(self.history_at(revision))
    }

    fn history_at(&self, revision: u64) -> Option<HistoryHash> {
        self.histories(revision, 1)
            .first()
            .filter(|(found, _)| *found == revision)
            .map(|(_, history)| *history)
    }

    /// Renames a key, which takes nothing away.
    pub(super) fn rename(&mut self, key: usize, nonce: u64) -> u64 {
        let disabled = self.keys[key].lifecycle == KeyLifecycle::Disabled;
        let effect = disabled.then_some(ChangeEffect::Disabled);
        let revision = self.append(ChangeSubject::Key(self.keys[key].hash), effect, nonce);
        self.keys[key].revision = revision;
        revision
    }

    /// Creates a key, unless there is one. Returns whether it did.
    pub(super) fn create(&mut self, key: usize, nonce: u64) -> bool {
        let new = self.absent.remove(&key);
        if new {
            self.rename(key, nonce);
        }
        new
    }

    /// Disables a key, or enables it again.
    pub(super) fn switch(&mut self, key: usize, nonce: u64) {
        let on = self.keys[key].lifecycle == KeyLifecycle::Disabled;
        let effect = (!on).then_some(ChangeEffect::Disabled);
        let revision = self.append(ChangeSubject::Key(self.keys[key].hash), effect, nonce);
        self.keys[key].lifecycle = if on { KeyLifecycle::Active } else { KeyLifecycle::Disabled };
        self.keys[key].revision = revision;
    }

    /// Returns whether there is a key and calls with it are allowed.
    pub(super) fn allows(&self, key: usize) -> bool {
        !self.absent.contains(&key) && self.keys[key].lifecycle == KeyLifecycle::Active
    }

    pub(super) fn is_revoked(&self, key: usize) -> bool {
        matches!(self.keys[key].lifecycle, KeyLifecycle::Revoked { .. })
    }

    pub(super) fn key_number(&self, hash: &KeyHash) -> Option<usize> {
        self.keys.iter().position(|key| key.hash == *hash)
    }

    pub(super) fn look_up(&self, hash: &KeyHash) -> LookupResult {
        let found = self.key_number(hash).filter(|key| !self.absent.contains(key));
        let entry = found.map(|key| (self.keys[key].clone(), self.tenant.clone()));
        let read_at =
            ReadAt { revision: self.head, history: self.history_at(self.head), ..ReadAt::default() };
        LookupResult { entry, read_at }
    }

    pub(super) fn changes_from(&self, from: u64, limit: u32) -> Vec<Change> {
        let mut rows = self.changes.range(from..).map(|(_, change)| change).peekable();
        if rows.peek().is_none_or(|first| first.revision > from + 1) {
            return Vec::new();
        }
        rows.take(limit as usize).cloned().collect()
    }

    pub(super) fn histories(&self, newest: u64, limit: u32) -> Vec<(u64, HistoryHash)> {
        let rows = self.changes.range(..=newest).rev().take(limit as usize);
        rows.filter_map(|(revision, change)| Some((*revision, change.history?))).collect()
    }

    pub(super) fn extent(&self) -> FeedExtent {
        FeedExtent { head: self.head, newest: self.changes.keys().next_back().copied(), heads: 1 }
    }

    pub(super) fn has_history(&self, history: &HistoryHash) -> bool {
        self.histories.contains(history)
    }

    /// Deletes changes as the store does: none that a replica with a row has not applied.
    pub(super) fn prune(&mut self, keep: u64) {
        let rows = self.rows.values().filter(|row| !row.departed);
        let applied = rows.map(|row| row.announced.revision).min().unwrap_or(u64::MAX);
        let last = self.head.saturating_sub(keep.max(1)).min(applied.saturating_sub(1));
        self.changes.retain(|revision, _| *revision > last);
    }

    pub(super) fn register(&mut self, replica: &Replica, announced: Announcement) {
        // An earlier attempt may have been committed although its answer was lost.
        self.removals += i64::from(self.rows.contains_key(&replica.id));
        let signed = (announced, false);
        self.writes += 1;
        let (departed, challenged, version) = (false, false, self.writes);
        let row = Row { replica: replica.clone(), announced, departed, challenged, signed, version };
        self.rows.insert(replica.id.clone(), row);
        self.registrations += 1;
        self.longest_lease = self.longest_lease.max(announced.lease);
    }

    pub(super) fn heartbeat(&mut self, id: &str, announced: Announcement) -> bool {
        let Some(row) = self.written(id) else { return false };
        (row.announced, row.signed, row.challenged) = (announced, (announced, false), false);
        true
    }

    pub(super) fn set_applied(&mut self, id: &str, announced: Announcement) {
        let at_this_beat = self.rows.get(id).is_some_and(|row| row.announced.beat == announced.beat);
        if at_this_beat && let Some(row) = self.written(id) {
            (row.announced.revision, row.announced.history) = (announced.revision, announced.history);
            row.signed = (announced, false);
        }
    }

    pub(super) fn depart(&mut self, id: &str, beat: u64) {
        if let Some(row) = self.written(id) {
            let revision = i64::MAX.unsigned_abs();
            row.announced = Announcement { revision, history: None, lease: Duration::ZERO, beat };
            (row.departed, row.signed) = (true, (row.announced, true));
        }
    }

    pub(super) fn challenge(&mut self, id: &str) {
        if let Some(row) = self.written(id) {
            row.challenged = true;
        }
    }

    pub(super) fn remove(&mut self, id: &str, beat: u64) -> bool {
        let removed = self.rows.get(id).is_some_and(|row| row.announced.beat == beat);
        if removed {
            self.rows.remove(id);
            self.removals += 1;
        }
        removed
    }

    /// Returns a row that is written.
    fn written(&mut self, id: &str) -> Option<&mut Row> {
        let row = self.rows.get_mut(id)?;
        self.writes += 1;
        row.version = self.writes;
        Some(row)
    }

    /// Puts back an earlier state of a row; with the version of the copy if `hidden`.
    pub(super) fn restore(&mut self, earlier: Row, hidden: bool) {
        let id = earlier.replica.id.clone();
        self.rows.insert(id.clone(), earlier);
        if !hidden {
            let _ = self.written(&id);
        }
    }

    /// Counts the removal of a row that a person has deleted.
    pub(super) fn hide_removal(&mut self) {
        self.removals += 1;
    }

    pub(super) fn accept_count(&mut self) {
        self.removals = self.registrations - i64::try_from(self.rows.len()).unwrap();
    }

    pub(super) fn fleet(&self) -> Fleet {
        let rows = self.rows.values().map(|row| {
            let intact = row.signed == (row.announced, row.departed);
            ReplicaRow {
                replica: row.replica.clone(),
                announced: intact.then_some(row.announced),
                beat: row.announced.beat,
                departed: row.departed && intact,
                challenged: row.challenged,
                version: Some(row.version.to_string().into()),
            }
        });
        Fleet {
            revision: self.head,
            counts: Some(FleetCounts { registrations: self.registrations, removals: self.removals }),
            longest_lease: self.longest_lease,
            timeline: Some(self.timeline.to_string().into()),
            rows: rows.collect(),
        }
    }
}
