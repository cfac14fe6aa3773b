//! Conversion of requests and responses of the audit log.

use latchkey_management::ports::audit::Anchor;
use latchkey_management::{AuditBreak, AuditReport, ListAuditEvents, ListedEvent};
use latchkey_proto::v1;

use super::time::{timestamp_from_proto, timestamp_to_proto};
use super::{Violations, to_hash_map};

/// Largest number of anchors in a call.
const MAX_ANCHORS: usize = 1_000;

/// Converts the request to list events.
pub(crate) fn list(request: v1::ListAuditEventsRequest, violations: &mut Violations) -> ListAuditEvents {
    ListAuditEvents {
        tenant: request.tenant,
        page_size: request.page_size,
        page_token: request.page_token,
        from: timestamp_from_proto("start_time", request.start_time, violations),
        until: timestamp_from_proto("end_time", request.end_time, violations),
        actor: request.actor,
        action: request.action,
        action_prefix: request.action_prefix,
        target: request.target,
        violations: Vec::new(),
    }
}

/// Converts the anchors that the caller kept from earlier verifications.
pub(crate) fn anchors(request: v1::VerifyAuditLogRequest, violations: &mut Violations) -> Vec<Anchor> {
    violations.check_count("anchors", request.anchors.len(), MAX_ANCHORS);
    let mut anchors = Vec::new();
    for (n, anchor) in request.anchors.into_iter().take(MAX_ANCHORS).enumerate() {
        match <[u8; 32]>::try_from(anchor.hash.as_slice()) {
            Ok(hash) => anchors.push(Anchor { sequence: anchor.sequence, hash }),
            Err(_) => {
                violations.add(
                    format!("anchors[{n}].hash"),
                    format!("must have 32 bytes, and has {}", anchor.hash.len()),
                );
            }
        }
    }
    anchors
}

/// Converts an event to its message.
pub(crate) fn event(listed: ListedEvent) -> v1::AuditEvent {
    let ListedEvent { event, actor_name, target_name } = listed;
    v1::AuditEvent {
        sequence: event.sequence,
        time: Some(timestamp_to_proto(event.time)),
        tenant_id: event.tenant.map(|tenant| tenant.to_string()).unwrap_or_default(),
        actor: event.actor,
        action: event.action,
        target: event.target,
        request_id: event.request_id,
        details: to_hash_map(&event.details),
        hash: event.hash,
        actor_name,
        target_name,
    }
}

/// Converts the result of a verification to its message.
pub(crate) fn report(report: &AuditReport) -> v1::VerifyAuditLogResponse {
    v1::VerifyAuditLogResponse {
        events: report.events,
        intact: report.first_break.is_none(),
        broken_at: report.first_break.map(AuditBreak::at).unwrap_or_default(),
        problem: report.first_break.map(|first_break| first_break.to_string()).unwrap_or_default(),
        head: Some(v1::AuditAnchor { sequence: report.head.sequence, hash: report.head.hash.to_vec() }),
        anchors: report.anchors,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_has_a_complete_hash() {
        let anchor = |bytes| v1::AuditAnchor { sequence: 7, hash: vec![1; bytes] };
        let mut violations = Violations::default();
        let request = v1::VerifyAuditLogRequest { anchors: vec![anchor(32), anchor(31), anchor(0)] };
        assert_eq!(anchors(request, &mut violations), [Anchor { sequence: 7, hash: [1; 32] }]);
        let fields: Vec<String> = violations.into_violations().into_iter().map(|v| v.field).collect();
        assert_eq!(fields, ["anchors[1].hash", "anchors[2].hash"]);
    }
}
