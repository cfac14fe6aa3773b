//! Hash chain of the audit log. Each event's hash covers the hash of the event before it, so that an event
//! cannot be changed, removed or moved without making every later hash wrong.
//!
//! Every field is preceded by its length, so that two different events never produce the same bytes.

use sha2::{Digest, Sha256};

use crate::entity::audit_event;

/// Returns the hash of an event whose predecessor has the hash `previous`.
pub(crate) fn event_hash(previous: &[u8], event: &audit_event::Model) -> [u8; 32] {
    let tenant = event.tenant_id.map(uuid::Uuid::into_bytes);
    let fields: [&[u8]; 9] = [
        previous,
        &event.sequence.to_be_bytes(),
        &event.time.to_be_bytes(),
        tenant.as_ref().map_or(&[], <[u8; 16]>::as_slice),
        event.actor.as_bytes(),
        event.action.as_bytes(),
        event.target.as_bytes(),
        event.request_id.as_bytes(),
        event.details.as_bytes(),
    ];
    let mut hash = Sha256::new();
    for field in fields {
        hash.update(u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(field);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: [u8; 32] = [0; 32];

    fn event(actor: &str, action: &str) -> audit_event::Model {
        audit_event::Model {
            sequence: 1,
            time: 2,
            tenant_id: None,
            actor: actor.into(),
            action: action.into(),
            target: String::new(),
            request_id: String::new(),
            details: "{}".into(),
            hash: Vec::new(),
        }
    }

    #[test]
    fn what_moves_from_one_field_to_the_next_is_another_event() {
        assert_ne!(event_hash(&START, &event("ab", "c")), event_hash(&START, &event("a", "bc")));
    }

    #[test]
    fn an_event_hangs_on_the_one_before() {
        let event = event("a", "b");
        assert_eq!(event_hash(&START, &event), event_hash(&START, &event));
        assert_ne!(event_hash(&START, &event), event_hash(&[1; 32], &event));
    }
}
