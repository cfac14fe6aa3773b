//! Conversion of requests and responses about the usage of keys.

use latchkey_core::ports::usage::{CallCounts, Hour};
use latchkey_core::record::KeyRecord;
use latchkey_core::time::Timestamp;
use latchkey_management::{GetKeyUsage, KeyUsage, KeyUseSummary};
use latchkey_proto::v1;

use super::time::{timestamp_from_proto, timestamp_to_proto};
use super::{Violations, key};

/// Converts the request for the usage of a key.
pub(crate) fn from_proto(request: v1::GetKeyUsageRequest, violations: &mut Violations) -> GetKeyUsage {
    GetKeyUsage {
        id: request.id,
        from: timestamp_from_proto("start_time", request.start_time, violations),
        until: timestamp_from_proto("end_time", request.end_time, violations),
    }
}

/// Converts the usage of a key to its message.
pub(crate) fn to_proto(usage: KeyUsage) -> v1::GetKeyUsageResponse {
    let hour = |(hour, calls): (Hour, CallCounts)| v1::UsageHour {
        hour: Some(timestamp_to_proto(hour.start())),
        allowed: calls.allowed,
        denied: calls.denied.into_iter().map(|(reason, count)| (reason.name().to_owned(), count)).collect(),
    };
    v1::GetKeyUsageResponse {
        hours: usage.hours.into_iter().map(hour).collect(),
        last_use_time: usage.summary.last.map(timestamp_to_proto),
        unused_scopes: to_strings(&usage.summary.unused),
    }
}

/// Converts a key to its message, with its last use and its unused scopes.
pub(crate) fn key_with_usage(record: &KeyRecord, summary: &KeyUseSummary, now: Timestamp) -> v1::Key {
    v1::Key {
        last_use_time: summary.last.map(timestamp_to_proto),
        unused_scopes: to_strings(&summary.unused),
        ..key::to_proto(record, now)
    }
}

fn to_strings(texts: &[Box<str>]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}
