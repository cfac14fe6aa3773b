//! Counts what happens: every Check in its thread's own place, and what is rarer under a lock or in one cell.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use latchkey_core::time::Clock;
use latchkey_core::witness::{Answered, Ended, Event, Login, Outcome, Served, Witness};
use tonic::Code;

use super::catalogue::{self, CALL_BOUNDS};
use super::metric::{Sheet, Value, slice};
use super::places::{Counted, Places};
use super::profiles::{self, Profiles};
use super::shadows::Shadows;

/// How long calls took that ended alike.
struct Calls {
    slices: [u64; CALL_BOUNDS.len() + 1],
    took: Duration,
}

/// Counts.
pub struct Meter {
    clock: Arc<dyn Clock>,
    places: Places,
    profiles: Profiles,
    shadows: Shadows,
    /// By method and code; the contract has so many of each, and no more.
    calls: Mutex<BTreeMap<(&'static str, i32), Calls>>,
    logins: [AtomicU64; 4],
    issued: [[AtomicU64; 3]; 2],
    refreshed: [AtomicU64; 3],
    reused: AtomicU64,
}

const LOGINS: [(Login, &str); 4] =
    [(Login::Right, "right"), (Login::Wrong, "wrong"), (Login::Locked, "locked"), (Login::Busy, "busy")];
const ENDED: [(Ended, &str); 3] =
    [(Ended::Done, "done"), (Ended::Refused, "refused"), (Ended::Failed, "failed")];
const GRANTS: [&str; 2] = ["key", "password"];

impl Meter {
    /// By this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            places: Places::new(),
            profiles: Profiles::new(),
            shadows: Shadows::new(),
            calls: Mutex::default(),
            logins: Default::default(),
            issued: Default::default(),
            refreshed: Default::default(),
            reused: AtomicU64::new(0),
        }
    }

    /// Writes down what was counted.
    pub fn tell(&self, sheet: &mut Sheet) {
        for number in 0..profiles::SLOTS {
            let Some(profile) = self.profiles.name(number) else { continue };
            self.places.checks(number, |(outcome, reason), source, door, count| {
                let labels = [door.name(), profile, outcome, reason, source.name()];
                sheet.count(&catalogue::CHECKS, &labels, count);
            });
        }
        self.shadows.tell(&self.profiles, sheet);
        self.places.times(|source, door, slices, sum| {
            let value = Value::Spread(slices, sum);
            sheet.put(&catalogue::CHECK_DURATION, &[door.name(), source.name()], value);
        });
        for (result, count) in ["hit", "negative", "miss"].iter().zip(self.places.lookups()) {
            sheet.count(&catalogue::MEMORY_LOOKUPS, &[result], count);
        }
        self.tell_tokens(sheet);
        self.tell_calls(sheet);
    }

    fn tell_tokens(&self, sheet: &mut Sheet) {
        for (grant, ended) in GRANTS.iter().zip(&self.issued) {
            for ((_, name), count) in ENDED.iter().zip(ended) {
                sheet.count(&catalogue::TOKENS_ISSUED, &[grant, name], count.load(Relaxed));
            }
        }
        for ((_, name), count) in ENDED.iter().zip(&self.refreshed) {
            sheet.count(&catalogue::TOKENS_REFRESHED, &[name], count.load(Relaxed));
        }
        sheet.count(&catalogue::TOKENS_REUSED, &[], self.reused.load(Relaxed));
        for ((_, name), count) in LOGINS.iter().zip(&self.logins) {
            sheet.count(&catalogue::LOGINS, &[name], count.load(Relaxed));
        }
    }

    fn tell_calls(&self, sheet: &mut Sheet) {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        for ((method, status), Calls { slices, took }) in &*calls {
            let labels = ["grpc", method.trim_start_matches('/'), code(*status)];
            let value = Value::Spread(slices.to_vec(), took.as_secs_f64());
            sheet.put(&catalogue::CALL_DURATION, &labels, value);
        }
    }
}

fn add(cell: Option<&AtomicU64>) {
    if let Some(cell) = cell {
        let _ = cell.fetch_add(1, Relaxed);
    }
}

fn at<T: PartialEq>(of: &[(T, &str)], one: &T) -> usize {
    of.iter().position(|(each, _)| each == one).unwrap_or(usize::MAX)
}

impl Witness for Meter {
    fn saw(&self, answered: &Answered<'_>) {
        let seen = answered.seen;
        let profile = self.profiles.number(seen.policy.as_ref().map(|policy| &*policy.name));
        if let (Outcome::Allowed, Some(denial)) = (answered.outcome, &seen.shadow) {
            self.shadows.count(profile, denial.reason);
        }
        self.places.count(&Counted {
            profile,
            outcome: answered.outcome,
            source: answered.source(),
            door: answered.door,
            took: self.clock.tick().since(seen.began.tick),
            lookups: seen.lookups,
        });
    }

    fn noted(&self, event: Event) {
        match event {
            Event::Login(login) => add(self.logins.get(at(&LOGINS, &login))),
            Event::Issue { password, ended } => {
                add(self.issued[usize::from(password)].get(at(&ENDED, &ended)));
            }
            Event::Refresh(ended) => add(self.refreshed.get(at(&ENDED, &ended))),
            Event::Reuse => add(Some(&self.reused)),
        }
    }

    fn served(&self, call: &Served) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let empty = || Calls { slices: [0; CALL_BOUNDS.len() + 1], took: Duration::ZERO };
        let known = calls.entry((call.method, call.code)).or_insert_with(empty);
        known.slices[slice(CALL_BOUNDS, call.took)] += 1;
        known.took += call.took;
    }
}

/// A gRPC status as its specification writes it.
pub(super) fn code(code: i32) -> &'static str {
    match Code::from_i32(code) {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
