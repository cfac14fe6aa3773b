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

/// Returns what a line is about: an hour, a minute, a key, a tenant or a profile.
fn subject(line: &v1::UsageLine) -> String {
    match (line.hour.as_ref().or(line.minute.as_ref()), &*line.key_id, &*line.tenant_id) {
        (Some(start), _, _) => timestamp(Some(start)),
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

/// Returns the heading of the column of [`subject`].
fn heading(line: &v1::UsageLine) -> &'static str {
    if line.hour.is_some() {
        "HOUR"
    } else if line.minute.is_some() {
        "MINUTE"
    } else if !line.key_id.is_empty() {
        "KEY"
    } else if line.tenant_id.is_empty() {
        "PROFILE"
    } else {
        "TENANT"
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
        let heading = self.lines.first().map_or("", heading);
        rows([heading, "CALLS", "ALLOWED", "DENIED", "REASONS"], self.lines.iter().map(row).chain([total]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_column_says_what_the_lines_are() {
        let line = |key: &str, tenant: &str, profile: &str| v1::UsageLine {
            key_id: key.to_owned(),
            tenant_id: tenant.to_owned(),
            profile: profile.to_owned(),
            ..v1::UsageLine::default()
        };
        let hour =
            v1::UsageLine { hour: Some(prost_types::Timestamp::default()), ..v1::UsageLine::default() };
        for (line, expected) in [
            (line("key_1", "t", "demo"), "KEY "),
            (line("", "t", "demo"), "TENANT "),
            (line("", "", "demo"), "PROFILE "),
            (hour, "HOUR "),
        ] {
            let report =
                v1::GetUsageReportResponse { lines: vec![line], ..v1::GetUsageReportResponse::default() };
            assert!(report.text().starts_with(expected), "{}", report.text());
        }
    }
}
