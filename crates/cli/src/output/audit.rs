//! Text output of the audit log.

use std::fmt::Write as _;

use latchkey_proto::v1;

use super::table::{fields, rows};
use super::text::{TextOutput, pairs, timestamp};

impl TextOutput for v1::ListAuditEventsResponse {
    fn text(&self) -> String {
        let row = |event: &v1::AuditEvent| {
            [
                event.sequence.to_string(),
                timestamp(event.time.as_ref()),
                named(&event.actor, &event.actor_name),
                event.action.clone(),
                named(&event.target, &event.target_name),
                event.tenant_id.clone(),
                pairs(&event.details),
            ]
        };
        let header = ["SEQUENCE", "TIME", "ACTOR", "ACTION", "TARGET", "TENANT", "DETAILS"];
        rows(header, self.events.iter().map(row))
    }
}

/// Returns an identifier with the name beside it, if there is one.
fn named(id: &str, name: &str) -> String {
    if name.is_empty() { id.to_owned() } else { format!("{id} ({name})") }
}

impl TextOutput for v1::VerifyAuditLogResponse {
    fn text(&self) -> String {
        let end = self.head.as_ref().map(|head| format!("{}:{}", head.sequence, hex(&head.hash)));
        let broken = if self.intact { String::new() } else { self.broken_at.to_string() };
        fields([
            ("intact", if self.intact { "yes".to_owned() } else { "no".to_owned() }),
            ("events verified", self.events.to_string()),
            ("anchors compared", self.anchors.to_string()),
            ("broken at", broken),
            ("problem", self.problem.clone()),
            ("head anchor", end.unwrap_or_default()),
        ])
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
