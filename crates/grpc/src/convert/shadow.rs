//! Calls that would have been denied: what is asked about them, and how a line of them is shown.

use latchkey_management::GetShadowReport;
use latchkey_management::ports::shadow::ShadowTotal;
use latchkey_proto::v1;

use super::Violations;
use super::reason::reason;
use super::time::{timestamp_from_proto, timestamp_to_proto};

/// Which lines.
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

/// A line as it is shown.
pub(crate) fn line_to_proto(sum: ShadowTotal) -> v1::ShadowLine {
    let line = sum.entry;
    let tenant_id = line.tenant_id().map(|id| id.to_string()).unwrap_or_default();
    let subject_id = line.subject_id().unwrap_or_default();
    v1::ShadowLine {
        profile: line.profile.into(),
        tenant_id,
        tenant_slug: sum.tenant_slug,
        subject_id,
        subject_type: line.subject_type.into(),
        subject_name: sum.subject_name,
        route: line.route.into(),
        reason: reason(line.reason).into(),
        detail: line.detail.into(),
        calls: sum.count.calls,
        last_time: Some(timestamp_to_proto(sum.count.last)),
    }
}

#[cfg(test)]
mod tests {
    use latchkey_core::id::TenantId;
    use latchkey_core::ports::shadow::{ShadowCount, ShadowEntry};
    use latchkey_core::reason::Reason;
    use latchkey_core::time::Timestamp;

    use super::*;

    fn shown(kind: &str, id: &str) -> v1::ShadowLine {
        let id = id.parse::<TenantId>().unwrap().0;
        line_to_proto(ShadowTotal {
            entry: ShadowEntry {
                profile: "p".into(),
                tenant: id,
                subject: id,
                subject_type: kind.into(),
                route: "".into(),
                reason: Reason::Revoked,
                detail: "".into(),
            },
            count: ShadowCount { calls: 3, last: Timestamp(5_000) },
            tenant_slug: String::new(),
            subject_name: String::new(),
        })
    }

    #[test]
    fn nobody_has_no_identifier_and_each_kind_its_own() {
        let anonymous = shown("", "00000000-0000-0000-0000-000000000000");
        let some = "00000000-0000-0000-0000-000000000001";
        assert_eq!((anonymous.tenant_id.as_str(), anonymous.subject_id.as_str()), ("", ""));
        assert_eq!((anonymous.calls, anonymous.reason()), (3, v1::Reason::Revoked));
        assert!(shown("key", some).subject_id.starts_with("key_"));
        assert!(shown("user", some).subject_id.starts_with("user_"));
        assert_eq!(shown("key", some).tenant_id, some);
    }
}
