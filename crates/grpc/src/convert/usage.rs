//! Use of keys: what is asked about it, and what is shown of it.

use latchkey_core::ports::usage::{Calls, Hour};
use latchkey_core::record::KeyRecord;
use latchkey_core::time::Timestamp;
use latchkey_management::{GetKeyUsage, KeyUsage, Seen};
use latchkey_proto::v1;

use super::time::{moment, stamp};
use super::{Wrong, key};

/// Which hours.
pub(crate) fn ask(ask: v1::GetKeyUsageRequest, wrong: &mut Wrong) -> GetKeyUsage {
    GetKeyUsage {
        id: ask.id,
        from: moment("start_time", ask.start_time, wrong),
        until: moment("end_time", ask.end_time, wrong),
    }
}

/// Use as it is shown.
pub(crate) fn show(usage: KeyUsage) -> v1::GetKeyUsageResponse {
    let hour = |(hour, calls): (Hour, Calls)| v1::UsageHour {
        hour: Some(stamp(hour.begins())),
        allowed: calls.allowed,
        denied: calls.denied.into_iter().map(|(reason, count)| (reason.name().to_owned(), count)).collect(),
    };
    v1::GetKeyUsageResponse {
        hours: usage.hours.into_iter().map(hour).collect(),
        last_use_time: usage.seen.last.map(stamp),
        unused_scopes: words(&usage.seen.unused),
    }
}

/// A key, with what is seen of its use.
pub(crate) fn key_seen(record: &KeyRecord, seen: &Seen, now: Timestamp) -> v1::Key {
    v1::Key {
        last_use_time: seen.last.map(stamp),
        unused_scopes: words(&seen.unused),
        ..key::show(record, now)
    }
}

fn words(words: &[Box<str>]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}
