//! Counters of events: Checks in their thread's shard, rarer events under a lock or in one shared counter.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use latchkey_core::observer::{
    CallOutcome, CheckEvent, CheckObserver, CheckOutcome, LoginOutcome, RpcEvent, TokenEvent,
};
use latchkey_core::time::Clock;
use tonic::Code;

use super::definitions::{self, CALL_BOUNDS};
use super::metric::{MetricSnapshot, Value, bucket_index};
use super::profile_slots::{self, ProfileSlots};
use super::shadow_counters::ShadowCounters;
use super::sharded_counters::{CheckSample, ShardedCounters};

/// Histogram of the durations of calls with the same method and status.
struct CallDurations {
    buckets: [u64; CALL_BOUNDS.len() + 1],
    total: Duration,
}

/// Observer that counts Checks, token events and RPCs.
pub struct MetricsObserver {
    clock: Arc<dyn Clock>,
    checks: ShardedCounters,
    profiles: ProfileSlots,
    shadows: ShadowCounters,
    /// Durations by method and status code; the contract limits the number of both.
    calls: Mutex<BTreeMap<(&'static str, i32), CallDurations>>,
    logins: [AtomicU64; 4],
    issued: [[AtomicU64; 3]; 2],
    refreshed: [AtomicU64; 3],
    reused: AtomicU64,
}

const LOGINS: [(LoginOutcome, &str); 4] = [
    (LoginOutcome::Success, "success"),
    (LoginOutcome::Failure, "failure"),
    (LoginOutcome::Locked, "locked"),
    (LoginOutcome::Busy, "busy"),
];
const CALL_OUTCOMES: [(CallOutcome, &str); 3] =
    [(CallOutcome::Ok, "ok"), (CallOutcome::Rejected, "rejected"), (CallOutcome::Error, "error")];
const GRANTS: [&str; 2] = ["key", "password"];

impl MetricsObserver {
    /// Creates an observer that measures durations by `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            checks: ShardedCounters::new(),
            profiles: ProfileSlots::new(),
            shadows: ShadowCounters::new(),
            calls: Mutex::default(),
            logins: Default::default(),
            issued: Default::default(),
            refreshed: Default::default(),
            reused: AtomicU64::new(0),
        }
    }

    /// Adds all counters to a snapshot.
    pub fn collect(&self, snapshot: &mut MetricSnapshot) {
        for number in 0..profile_slots::SLOTS {
            let Some(profile) = self.profiles.name(number) else { continue };
            self.checks.checks(number, |(outcome, reason), source, entrypoint, count| {
                let labels = [entrypoint.name(), profile, outcome, reason, source.name()];
                snapshot.add_u64(&definitions::CHECKS, &labels, count);
            });
        }
        self.shadows.collect(&self.profiles, snapshot);
        self.checks.times(|source, entrypoint, buckets, sum| {
            let value = Value::Histogram(buckets, sum);
            snapshot.push(&definitions::CHECK_DURATION, &[entrypoint.name(), source.name()], value);
        });
        for (result, count) in ["hit", "negative_hit", "miss"].iter().zip(self.checks.lookups()) {
            snapshot.add_u64(&definitions::CACHE_LOOKUPS, &[result], count);
        }
        self.collect_tokens(snapshot);
        self.collect_calls(snapshot);
    }

    fn collect_tokens(&self, snapshot: &mut MetricSnapshot) {
        for (grant, ended) in GRANTS.iter().zip(&self.issued) {
            for ((_, name), count) in CALL_OUTCOMES.iter().zip(ended) {
                snapshot.add_u64(&definitions::TOKENS_ISSUED, &[grant, name], count.load(Relaxed));
            }
        }
        for ((_, name), count) in CALL_OUTCOMES.iter().zip(&self.refreshed) {
            snapshot.add_u64(&definitions::TOKENS_REFRESHED, &[name], count.load(Relaxed));
        }
        snapshot.add_u64(&definitions::TOKENS_REUSED, &[], self.reused.load(Relaxed));
        for ((_, name), count) in LOGINS.iter().zip(&self.logins) {
            snapshot.add_u64(&definitions::LOGINS, &[name], count.load(Relaxed));
        }
    }

    fn collect_calls(&self, snapshot: &mut MetricSnapshot) {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        for ((method, status), CallDurations { buckets, total }) in &*calls {
            let labels = ["grpc", method.trim_start_matches('/'), status_name(*status)];
            let value = Value::Histogram(buckets.to_vec(), total.as_secs_f64());
            snapshot.push(&definitions::CALL_DURATION, &labels, value);
        }
    }
}

fn add(cell: Option<&AtomicU64>) {
    if let Some(cell) = cell {
        let _ = cell.fetch_add(1, Relaxed);
    }
}

fn position_of<T: PartialEq>(of: &[(T, &str)], one: &T) -> usize {
    of.iter().position(|(each, _)| each == one).unwrap_or(usize::MAX)
}

impl CheckObserver for MetricsObserver {
    fn on_check(&self, event: &CheckEvent<'_>) {
        let context = event.context;
        let profile = self.profiles.slot(context.policy.as_ref().map(|policy| &*policy.name));
        if let (CheckOutcome::Allowed, Some(denial)) = (event.outcome, &context.shadow) {
            self.shadows.count(profile, denial.reason);
        }
        self.checks.count(&CheckSample {
            profile,
            outcome: event.outcome,
            source: event.source(),
            entrypoint: event.entrypoint,
            took: self.clock.monotonic().since(context.started_at.monotonic),
            lookups: context.lookups,
        });
    }

    fn on_token_event(&self, event: TokenEvent) {
        match event {
            TokenEvent::Login(login) => add(self.logins.get(position_of(&LOGINS, &login))),
            TokenEvent::Issue { password, outcome: ended } => {
                add(self.issued[usize::from(password)].get(position_of(&CALL_OUTCOMES, &ended)));
            }
            TokenEvent::Refresh(ended) => add(self.refreshed.get(position_of(&CALL_OUTCOMES, &ended))),
            TokenEvent::Reuse => add(Some(&self.reused)),
        }
    }

    fn on_rpc(&self, call: &RpcEvent) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let empty = || CallDurations { buckets: [0; CALL_BOUNDS.len() + 1], total: Duration::ZERO };
        let known = calls.entry((call.method, call.code)).or_insert_with(empty);
        known.buckets[bucket_index(CALL_BOUNDS, call.duration)] += 1;
        known.total += call.duration;
    }
}

/// Returns the name of a gRPC status code as its specification writes it.
pub(super) fn status_name(code: i32) -> &'static str {
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
