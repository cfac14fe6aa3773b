//! Conversion of requests and responses of the shadow report.

use latchkey_management::GetShadowReport;
use latchkey_management::ports::shadow::ShadowTotal;
use latchkey_proto::v1;

use super::Violations;
use super::reason::stored_reason;
use super::time::{timestamp_from_proto, timestamp_to_proto};

/// Converts the request for a report.
pub(crate) fn from_proto(
    request: v1::GetShadowReportRequest,
    violations: &mut Violations,
) -> GetShadowReport {
    GetShadowReport {
        profile: request.profile,
        tenant: request.tenant,
        from: timestamp_from_proto("start_time", request.start_time, violations),
        page_size: request.page_size,
        page_token: request.page_token,
    }
}

/// Converts a line of the report to its message.
pub(crate) fn line_to_proto(total: ShadowTotal) -> v1::ShadowLine {
    let entry = total.entry;
    let tenant_id = entry.tenant_id().map(|id| id.to_string()).unwrap_or_default();
    let subject_id = entry.subject_id().unwrap_or_default();
    v1::ShadowLine {
        profile: entry.profile.into(),
        tenant_id,
        tenant_slug: total.tenant_slug,
        subject_id,
        subject_type: entry.subject_type.into(),
        subject_name: total.subject_name,
        route: entry.route.into(),
        reason: stored_reason(&entry.reason).into(),
        reason_name: entry.reason.name().to_owned(),
        detail: entry.detail.into(),
        calls: total.count.calls,
        last_time: Some(timestamp_to_proto(total.count.last)),
    }
}

#[cfg(test)]
mod tests {
    use latchkey_core::id::TenantId;
    use latchkey_core::ports::shadow::{ShadowCount, ShadowEntry};
    use latchkey_core::time::Timestamp;

    use super::*;

    fn line(subject_type: &str, id: &str, reason: &str) -> v1::ShadowLine {
        let id = id.parse::<TenantId>().unwrap().0;
        line_to_proto(ShadowTotal {
            entry: ShadowEntry {
                profile: "p".into(),
                tenant: id,
                subject: id,
                subject_type: subject_type.into(),
                route: "".into(),
                reason: reason.parse().unwrap(),
                detail: "".into(),
            },
            count: ShadowCount { calls: 3, last: Timestamp(5_000) },
            tenant_slug: String::new(),
            subject_name: String::new(),
        })
    }

    #[test]
    fn an_anonymous_line_has_no_identifiers_and_each_subject_type_has_its_own() {
        let some = "00000000-0000-0000-0000-000000000001";
        let line = |subject_type, id| line(subject_type, id, "REVOKED");
        let anonymous = line("", "00000000-0000-0000-0000-000000000000");
        assert_eq!((anonymous.tenant_id.as_str(), anonymous.subject_id.as_str()), ("", ""));
        assert_eq!((anonymous.calls, anonymous.reason()), (3, v1::Reason::Revoked));
        assert!(line("key", some).subject_id.starts_with("key_"));
        assert!(line("user", some).subject_id.starts_with("user_"));
        assert_eq!(line("key", some).tenant_id, some);
    }

    #[test]
    fn a_reason_of_a_newer_version_has_its_name_alone() {
        let line = |reason| line("key", "00000000-0000-0000-0000-000000000001", reason);
        let known = line("REVOKED");
        assert_eq!((known.reason(), known.reason_name.as_str()), (v1::Reason::Revoked, "REVOKED"));
        let newer = line("QUOTA_USED_UP");
        assert_eq!((newer.reason(), newer.reason_name.as_str()), (v1::Reason::Unspecified, "QUOTA_USED_UP"));
    }
}
