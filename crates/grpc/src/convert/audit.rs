//! The audit log: what is asked about it, and what is shown of it.

use latchkey_management::ports::audit::{Anchor, AuditEvent};
use latchkey_management::{AuditState, Flaw, ListAuditEvents};
use latchkey_proto::v1;

use super::time::{moment, stamp};
use super::{Wrong, unordered};

/// The most anchors of one call.
const MOST: usize = 1_000;

/// Which events to list.
pub(crate) fn list(ask: v1::ListAuditEventsRequest, wrong: &mut Wrong) -> ListAuditEvents {
    ListAuditEvents {
        tenant: ask.tenant,
        page_size: ask.page_size,
        page_token: ask.page_token,
        from: moment("start_time", ask.start_time, wrong),
        until: moment("end_time", ask.end_time, wrong),
    }
}

/// What the caller kept of earlier moments.
pub(crate) fn anchors(ask: v1::VerifyAuditLogRequest, wrong: &mut Wrong) -> Vec<Anchor> {
    wrong.count("anchors", ask.anchors.len(), MOST);
    let mut read = Vec::new();
    for (n, anchor) in ask.anchors.into_iter().take(MOST).enumerate() {
        match <[u8; 32]>::try_from(anchor.hash.as_slice()) {
            Ok(hash) => read.push(Anchor { sequence: anchor.sequence, hash }),
            Err(_) => {
                wrong.with(
                    format!("anchors[{n}].hash"),
                    format!("must be 32 bytes, and is {}", anchor.hash.len()),
                );
            }
        }
    }
    read
}

/// An event as it is shown.
pub(crate) fn event(event: AuditEvent) -> v1::AuditEvent {
    v1::AuditEvent {
        sequence: event.sequence,
        time: Some(stamp(event.time)),
        tenant_id: event.tenant.map(|tenant| tenant.to_string()).unwrap_or_default(),
        actor: event.actor,
        action: event.action,
        target: event.target,
        request_id: event.request_id,
        details: unordered(&event.details),
        hash: event.hash,
    }
}

/// What a check came to.
pub(crate) fn state(state: &AuditState) -> v1::VerifyAuditLogResponse {
    v1::VerifyAuditLogResponse {
        events: state.events,
        intact: state.flaw.is_none(),
        broken_at: state.flaw.map(Flaw::at).unwrap_or_default(),
        problem: state.flaw.map(|flaw| flaw.to_string()).unwrap_or_default(),
        head: Some(v1::AuditAnchor { sequence: state.head.sequence, hash: state.head.hash.to_vec() }),
        anchors: state.anchors,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_has_a_whole_hash() {
        let anchor = |bytes| v1::AuditAnchor { sequence: 7, hash: vec![1; bytes] };
        let mut wrong = Wrong::default();
        let ask = v1::VerifyAuditLogRequest { anchors: vec![anchor(32), anchor(31), anchor(0)] };
        assert_eq!(anchors(ask, &mut wrong), [Anchor { sequence: 7, hash: [1; 32] }]);
        let fields: Vec<String> = wrong.into_violations().into_iter().map(|v| v.field).collect();
        assert_eq!(fields, ["anchors[1].hash", "anchors[2].hash"]);
    }
}
