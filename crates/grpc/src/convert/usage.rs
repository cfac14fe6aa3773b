//! Use of keys: what is asked about it, and what is shown of it.

use latchkey_core::ports::usage::{CallCounts, Hour};
use latchkey_core::record::KeyRecord;
use latchkey_core::time::Timestamp;
use latchkey_management::{GetKeyUsage, KeyUsage, KeyUseSummary};
use latchkey_proto::v1;

use super::time::{timestamp_from_proto, timestamp_to_proto};
use super::{Violations, key};

/// Which hours.
pub(crate) fn from_proto(request: v1::GetKeyUsageRequest, violations: &mut Violations) -> GetKeyUsage {
    GetKeyUsage {
        id: request.id,
        from: timestamp_from_proto("start_time", request.start_time, violations),
        until: timestamp_from_proto("end_time", request.end_time, violations),
    }
}

/// Use as it is shown.
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

/// A key, with what is seen of its use.
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
