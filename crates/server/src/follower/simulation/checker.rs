//! Checks of a schedule's decisions: which promises hold for each key, and whether a decision breaks one.

use std::collections::HashSet;
use std::fmt::Write as _;

use tokio::time::Instant;

use super::fixture::KEYS;
use super::process::Process;

/// Facts about a key.
#[derive(Clone, Copy, Debug, Default)]
struct KeyFacts {
    /// True once its revocation was requested, and for keys that are created or disabled.
    attempted: bool,
    /// True while a revocation was answered with OK, and the database has not lost it since.
    promised: bool,
    /// Number of times that the database lost the revocation.
    losses: u64,
    /// Decision by the state of the database, once all faults have ended.
    settled: Option<bool>,
}

/// Checker of decisions, with the trace of a schedule.
pub(super) struct DecisionChecker {
    start: Instant,
    keys: Vec<KeyFacts>,
    /// Processes and keys whose revocation they were seen to have applied.
    applied: HashSet<(u64, usize)>,
    /// Processes whose newest heartbeat the database lost. Writers do not know how long they trust their caches, until
    /// their next heartbeat.
    unknown: HashSet<Box<str>>,
    trace: String,
    pub(super) violation: Option<String>,
    pub(super) counts: Counts,
}

/// Numbers that show that schedules do something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) allowed: u64,
    pub(super) denied: u64,
    pub(super) failed: u64,
    pub(super) revoked: u64,
    pub(super) unfinished: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.allowed += other.allowed;
        self.denied += other.denied;
        self.failed += other.failed;
        self.revoked += other.revoked;
        self.unfinished += other.unfinished;
    }
}

/// Promises that hold for a Check, as of its begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct BegunCheck {
    key: usize,
    promised: bool,
    applied: bool,
    at: Instant,
}

/// Result of a Check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Allowed,
    Denied,
    Failed,
}

impl DecisionChecker {
    pub(super) fn new(keys: usize) -> Self {
        Self {
            start: Instant::now(),
            keys: (0..keys).map(|key| KeyFacts { attempted: key >= KEYS, ..KeyFacts::default() }).collect(),
            applied: HashSet::new(),
            unknown: HashSet::new(),
            trace: String::new(),
            violation: None,
            counts: Counts::default(),
        }
    }

    pub(super) fn note(&mut self, text: &str) {
        let at = self.start.elapsed().as_millis();
        let _ = writeln!(self.trace, "{at:>6} ms  {text}");
    }

    pub(super) fn trace(&self) -> &str {
        &self.trace
    }

    pub(super) fn fail(&mut self, text: &str) {
        self.note(text);
        self.violation.get_or_insert_with(|| text.to_owned());
    }

    /// Records that a revocation begins. Returns what [`finish_revocation`](Self::finish_revocation) needs.
    pub(super) fn begin_revocation(&mut self, key: usize) -> u64 {
        self.keys[key].attempted = true;
        self.keys[key].losses
    }

    /// Records that a revocation was answered with OK. It promises nothing if the database lost it meanwhile.
    pub(super) fn finish_revocation(&mut self, key: usize, losses: u64) {
        self.counts.revoked += 1;
        self.keys[key].promised |= self.keys[key].losses == losses;
    }

    /// Records that the database lost the revocation of a key.
    pub(super) fn lose(&mut self, key: usize) {
        self.keys[key].promised = false;
        self.keys[key].losses += 1;
    }

    /// Records whether calls with a key are allowed by what the database has, from which nothing differs any more.
    pub(super) fn settle(&mut self, key: usize, allowed: bool) {
        self.keys[key].settled = Some(allowed);
    }

    pub(super) fn lose_heartbeat(&mut self, id: &str) {
        self.unknown.insert(id.into());
    }

    pub(super) fn commit_heartbeat(&mut self, id: &str) {
        self.unknown.remove(id);
    }

    /// Begins a Check on a process, which has applied the revocation or has not.
    pub(super) fn begin_check(&mut self, process: &Process, key: usize, applied: bool) -> BegunCheck {
        if applied {
            self.applied.insert((process.number, key));
        }
        let promised = self.keys[key].promised && !self.unknown.contains(&process.id);
        let applied = self.applied.contains(&(process.number, key));
        BegunCheck { key, promised, applied, at: Instant::now() }
    }

    pub(super) fn end_check(&mut self, process: &str, begun: BegunCheck, outcome: Outcome) {
        let key = begun.key;
        let began = begun.at.duration_since(self.start).as_millis();
        match outcome {
            Outcome::Allowed => self.counts.allowed += 1,
            Outcome::Denied => self.counts.denied += 1,
            Outcome::Failed => self.counts.failed += 1,
        }
        match outcome {
            Outcome::Allowed if begun.promised => {
                self.fail(&format!(
                    "VIOLATION: {process} allowed key {key}, which was revoked before {began} ms"
                ));
            }
            Outcome::Allowed if begun.applied => {
                self.fail(&format!(
                    "VIOLATION: {process} allowed key {key}, whose revocation it had applied"
                ));
            }
            Outcome::Allowed if self.keys[key].settled == Some(false) => {
                self.fail(&format!(
                    "VIOLATION: {process} allowed key {key} by a state that the database does not have"
                ));
            }
            Outcome::Denied if self.keys[key].settled == Some(true) => {
                self.fail(&format!(
                    "VIOLATION: {process} denied key {key} by a state that the database does not have"
                ));
            }
            Outcome::Denied if !self.keys[key].attempted => {
                self.fail(&format!("VIOLATION: {process} denied key {key}, which is valid"));
            }
            Outcome::Allowed | Outcome::Denied | Outcome::Failed => {}
        }
    }
}
