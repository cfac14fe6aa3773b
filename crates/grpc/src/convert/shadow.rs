//! Calls that would have been denied: what is asked about them, and how a line of them is shown.

use latchkey_management::GetShadowReport;
use latchkey_management::ports::shadow::ShadowSum;
use latchkey_proto::v1;

use super::Wrong;
use super::reason::reason;
use super::time::{moment, stamp};

/// Which lines.
pub(crate) fn ask(ask: v1::GetShadowReportRequest, wrong: &mut Wrong) -> GetShadowReport {
    GetShadowReport {
        profile: ask.profile,
        tenant: ask.tenant,
        from: moment("start_time", ask.start_time, wrong),
        page_size: ask.page_size,
        page_token: ask.page_token,
    }
}

/// A line as it is shown.
pub(crate) fn line(sum: ShadowSum) -> v1::ShadowLine {
    let line = sum.line;
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
        calls: sum.seen.calls,
        last_time: Some(stamp(sum.seen.last)),
    }
}

#[cfg(test)]
mod tests {
    use latchkey_core::id::TenantId;
    use latchkey_core::ports::shadow::{ShadowLine, Shadowed};
    use latchkey_core::reason::Reason;
    use latchkey_core::time::Timestamp;

    use super::*;

    fn shown(kind: &str, id: &str) -> v1::ShadowLine {
        let id = id.parse::<TenantId>().unwrap().0;
        line(ShadowSum {
            line: ShadowLine {
                profile: "p".into(),
                tenant: id,
                subject: id,
                subject_type: kind.into(),
                route: "".into(),
                reason: Reason::Revoked,
                detail: "".into(),
            },
            seen: Shadowed { calls: 3, last: Timestamp(5_000) },
            tenant_slug: String::new(),
            subject_name: String::new(),
        })
    }

    #[test]
    fn nobody_has_no_identifier_and_each_kind_its_own() {
        let nobody = shown("", "00000000-0000-0000-0000-000000000000");
        let some = "00000000-0000-0000-0000-000000000001";
        assert_eq!((nobody.tenant_id.as_str(), nobody.subject_id.as_str()), ("", ""));
        assert_eq!((nobody.calls, nobody.reason()), (3, v1::Reason::Revoked));
        assert!(shown("key", some).subject_id.starts_with("key_"));
        assert!(shown("user", some).subject_id.starts_with("user_"));
        assert_eq!(shown("key", some).tenant_id, some);
    }
}
