//! What the use of keys looks like to people.

use std::collections::HashMap;

use latchkey_proto::v1;

use super::age::ago;
use super::table::{fields, rows};
use super::text::{Shown, clean, moment, words};

impl Shown for v1::GetKeyUsageResponse {
    fn text(&self) -> String {
        let all = |count: fn(&v1::UsageHour) -> u64| self.hours.iter().map(count).sum::<u64>().to_string();
        let hour = |hour: &v1::UsageHour| {
            [
                moment(hour.hour.as_ref()),
                hour.allowed.to_string(),
                denied(hour).to_string(),
                reasons(&hour.denied),
            ]
        };
        let total = ["in all".to_owned(), all(|hour| hour.allowed), all(denied), String::new()];
        let table = rows(["HOUR", "ALLOWED", "DENIED", "WHY"], self.hours.iter().map(hour).chain([total]));
        let last = self.last_use_time.as_ref().map_or_else(|| "never".to_owned(), ago);
        let seen = fields([("last used", last), ("unused scopes", words(&self.unused_scopes))]);
        format!("{table}\n\n{seen}")
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

/// Of a key that was rotated: whether somebody has used it since.
pub(crate) fn still_in_use(key: &v1::Key, successor: &v1::Key) -> String {
    let since = |time: &prost_types::Timestamp| (time.seconds, time.nanos);
    let made = successor.create_time.as_ref().map(since);
    let used = key.last_use_time.as_ref().filter(|used| Some(since(used)) > made);
    let next = match successor.last_use_time.as_ref() {
        Some(used) => format!("successor {}, last used {}", successor.id, ago(used)),
        None => format!("successor {}, never used", successor.id),
    };
    match used {
        Some(used) => clean(&format!("still in use: last used {}; {next}", ago(used))),
        None => clean(&format!("not used since it was rotated; {next}")),
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;

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
}
