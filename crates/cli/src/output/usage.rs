//! Text output of the usage of keys.

use std::collections::HashMap;

use latchkey_proto::v1;

use super::age::ago;
use super::table::{fields, rows};
use super::text::{TextOutput, sanitize, successor, timestamp, words};

impl TextOutput for v1::GetKeyUsageResponse {
    fn text(&self) -> String {
        let all = |count: fn(&v1::UsageHour) -> u64| self.hours.iter().map(count).sum::<u64>().to_string();
        let hour = |hour: &v1::UsageHour| {
            [
                timestamp(hour.hour.as_ref()),
                hour.allowed.to_string(),
                denied(hour).to_string(),
                reasons(&hour.denied),
            ]
        };
        let total = ["total".to_owned(), all(|hour| hour.allowed), all(denied), String::new()];
        let table =
            rows(["HOUR", "ALLOWED", "DENIED", "REASONS"], self.hours.iter().map(hour).chain([total]));
        let minute = |minute: &v1::UsageMinute| {
            [
                timestamp(minute.minute.as_ref()),
                minute.allowed.to_string(),
                minute.denied.values().sum::<u64>().to_string(),
                reasons(&minute.denied),
            ]
        };
        let minutes = match self.minutes.as_slice() {
            [] => String::new(),
            some => {
                let table = rows(["MINUTE", "ALLOWED", "DENIED", "REASONS"], some.iter().map(minute));
                format!("\n\n{table}")
            }
        };
        let last = self.last_use_time.as_ref().map_or_else(|| "never".to_owned(), ago);
        let seen = fields([("last used", last), ("unused scopes", words(&self.unused_scopes))]);
        format!("{table}{minutes}\n\n{seen}")
    }
}

fn denied(hour: &v1::UsageHour) -> u64 {
    hour.denied.values().sum()
}

fn reasons(denied: &HashMap<String, u64>) -> String {
    let mut reasons: Vec<String> = denied.iter().map(|(reason, count)| format!("{reason}={count}")).collect();
    reasons.sort_unstable();
    reasons.join(", ")
}

/// Returns true if a rotated key was used after its successor was created.
pub(super) fn used_since(key: &v1::Key, successor: &v1::Key) -> bool {
    let since = |time: &prost_types::Timestamp| (time.seconds, time.nanos);
    key.last_use_time.as_ref().map(since) > successor.create_time.as_ref().map(since)
}

/// Returns the last use of a rotated key since its successor was created.
pub(crate) fn still_in_use(key: &v1::Key, successor: &v1::Key) -> String {
    let next = match successor.last_use_time.as_ref() {
        Some(used) => format!("successor {}, last used {}", successor.id, ago(used)),
        None => format!("successor {}, never used", successor.id),
    };
    match key.last_use_time.as_ref().filter(|_| used_since(key, successor)) {
        Some(used) => sanitize(&format!("still in use: last used {}; {next}", ago(used))),
        None => sanitize(&format!("not used since it was rotated; {next}")),
    }
}

/// Returns whether the key that a successor replaces is still in use.
pub(crate) fn replaces(key: &v1::Key, old: &v1::Key) -> String {
    let how = match old.last_use_time.as_ref().filter(|_| used_since(old, key)) {
        _ if successor(old).is_none() => "no longer accepted".to_owned(),
        Some(used) => format!("still in use: last used {}", ago(used)),
        None => "not used since this one was created".to_owned(),
    };
    sanitize(&format!("replaces {}: {how}", old.id))
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;
    use crate::output::key_table;

    #[test]
    fn a_rotated_key_is_in_use_where_it_was_used_after_its_successor_was_made() {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let next = v1::Key { id: "key_2".into(), create_time: at(100), ..v1::Key::default() };
        let old = |last_use_time| v1::Key { last_use_time, ..v1::Key::default() };
        assert!(still_in_use(&old(at(101)), &next).starts_with("still in use: last used "));
        assert_eq!(
            still_in_use(&old(at(100)), &next),
            "not used since it was rotated; successor key_2, never used"
        );
        assert!(still_in_use(&old(None), &next).starts_with("not used"));
    }

    #[test]
    fn a_list_says_of_a_replaced_key_whether_it_can_go() {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let next = v1::Key { id: "key_2".into(), create_time: at(100), ..v1::Key::default() };
        let old = |state: v1::KeyState, used| v1::Key {
            id: "key_1".into(),
            state: state.into(),
            rotated_to: "key_2".into(),
            last_use_time: at(used),
            ..v1::Key::default()
        };
        let said = |old: v1::Key, others: &[v1::Key]| key_table(&[old], others, false);
        let others = [next.clone()];
        assert!(said(old(v1::KeyState::Active, 101), &others).contains("active, replaced: still in use"));
        assert!(said(old(v1::KeyState::Active, 99), &others).contains("active, replaced: not used since"));
        assert!(
            said(old(v1::KeyState::Revoked, 101), &others).contains(" revoked "),
            "it cannot be shown again"
        );
        assert!(replaces(&next, &old(v1::KeyState::Active, 101)).starts_with("replaces key_1: still in use"));
        assert!(
            replaces(&next, &old(v1::KeyState::Active, 99)).ends_with("not used since this one was created")
        );
        assert!(replaces(&next, &old(v1::KeyState::Revoked, 101)).ends_with("no longer accepted"));
    }
}
