//! Text output of usage reports.

use std::collections::HashMap;

use latchkey_proto::v1;

use super::table::rows;
use super::text::{TextOutput, timestamp};

/// Returns reasons with their counts, the most frequent first.
fn reasons(denied: &HashMap<String, u64>) -> String {
    let mut all: Vec<(&String, &u64)> = denied.iter().collect();
    all.sort_by(|(a, many), (b, more)| more.cmp(many).then(a.cmp(b)));
    all.iter().map(|(reason, count)| format!("{reason} {count}")).collect::<Vec<_>>().join(", ")
}

/// Returns what a line is about: an hour, a key, a tenant or a profile.
fn subject(line: &v1::UsageLine) -> String {
    match (&line.hour, &*line.key_id, &*line.tenant_id) {
        (Some(hour), _, _) => timestamp(Some(hour)),
        (None, "", "") if line.profile.is_empty() => "(deleted tenants)".to_owned(),
        (None, "", "") => line.profile.clone(),
        (None, "", id) => {
            if line.tenant.is_empty() {
                id.to_owned()
            } else {
                line.tenant.clone()
            }
        }
        (None, id, _) => format!("{id} {} {}", line.tenant, line.key_name).trim_end().to_owned(),
    }
}

impl TextOutput for v1::GetUsageReportResponse {
    fn text(&self) -> String {
        let row = |line: &v1::UsageLine| {
            let denied: u64 = line.denied.values().sum();
            [
                subject(line),
                line.calls.to_string(),
                line.allowed.to_string(),
                denied.to_string(),
                reasons(&line.denied),
            ]
        };
        let denied: u64 = self.denied.values().sum();
        let total = [
            "total".to_owned(),
            (self.allowed + denied).to_string(),
            self.allowed.to_string(),
            denied.to_string(),
            reasons(&self.denied),
        ];
        rows(["", "CALLS", "ALLOWED", "DENIED", "REASONS"], self.lines.iter().map(row).chain([total]))
    }
}
