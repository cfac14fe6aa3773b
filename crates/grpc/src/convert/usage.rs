//! Conversion of requests and responses about the usage of keys.

use std::collections::HashMap;

use latchkey_core::ports::usage::{CallCounts, Hour, Minute};
use latchkey_core::record::KeyRecord;
use latchkey_core::time::Timestamp;
use latchkey_management::{GetKeyUsage, KeyLosses, KeyUsage, KeyUseSummary};
use latchkey_proto::v1;

use super::time::{timestamp_from_proto, timestamp_to_proto};
use super::{Violations, key};

/// Converts the request for the usage of a key.
pub(crate) fn from_proto(request: v1::GetKeyUsageRequest, violations: &mut Violations) -> GetKeyUsage {
    GetKeyUsage {
        id: request.id,
        from: timestamp_from_proto("start_time", request.start_time, violations),
        until: timestamp_from_proto("end_time", request.end_time, violations),
        minutes: request.recent_minutes,
    }
}

/// Converts the usage of a key to its message.
pub(crate) fn to_proto(usage: KeyUsage) -> v1::GetKeyUsageResponse {
    let hour = |(hour, calls): (Hour, CallCounts)| v1::UsageHour {
        hour: Some(timestamp_to_proto(hour.start())),
        allowed: calls.allowed,
        denied: denied(&calls),
    };
    let minute = |(minute, calls): (Minute, CallCounts)| v1::UsageMinute {
        minute: Some(timestamp_to_proto(minute.start())),
        allowed: calls.allowed,
        denied: denied(&calls),
    };
    v1::GetKeyUsageResponse {
        hours: usage.hours.into_iter().map(hour).collect(),
        last_use_time: usage.summary.last.map(timestamp_to_proto),
        unused_scopes: to_strings(&usage.summary.unused),
        minutes: usage.minutes.into_iter().map(minute).collect(),
    }
}

/// Converts the counts of denied calls to the map of a message.
pub(crate) fn denied(counts: &CallCounts) -> HashMap<String, u64> {
    counts.denials().map(|(reason, count)| (reason.to_owned(), count)).collect()
}

/// Converts a key to its message, with its last use, its unused scopes, and what its profile no longer has of it.
pub(crate) fn key_with_usage(
    record: &KeyRecord,
    summary: &KeyUseSummary,
    losses: &KeyLosses,
    now: Timestamp,
) -> v1::Key {
    v1::Key {
        last_use_time: summary.last.map(timestamp_to_proto),
        unused_scopes: to_strings(&summary.unused),
        denied_by_profile: losses.denied.clone(),
        removed_scopes: to_strings(&losses.scopes),
        ..key::to_proto(record, now)
    }
}

fn to_strings(texts: &[Box<str>]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}
