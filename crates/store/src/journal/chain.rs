//! Hash chain of the audit log. Each event's hash covers the hash of the event before it, so that an event
//! cannot be changed, removed or moved without making every later hash wrong.
//!
//! Every field is preceded by its length, so that two different events never produce the same bytes.
//!
//! There are many events that clients cause by their tokens, and their content is deleted after a time. Their hash covers a
//! digest of the content in place of the content, so that the chain can be verified by the digest alone. It covers
//! the action itself: an event of another action cannot be passed off as one whose content was deleted. The digest needs
//! no secret, so a writer to the database can delete the content as well; the hash also covers the time, by which a
//! verification finds an event that lost its content too early.

use sha2::{Digest, Sha256};

use crate::entity::audit_event;
use latchkey_management::ports::AuditAction;

/// Actions whose events lose their content after a time: all that a client causes by the use of tokens, as often as it
/// wants to. A revocation that is repeated after a loss of commits is not one of them.
const PRUNABLE: [&str; 4] = [
    AuditAction::TokenIssue.text(),
    AuditAction::TokenRefresh.text(),
    AuditAction::TokenReuse.text(),
    AuditAction::TokenRevoke.text(),
];
/// Domain of the hashes of [`PRUNABLE`] events. Other hashes start with the hash before them, which has 32 bytes.
const PRUNABLE_DOMAIN: &[u8] = b"latchkey.audit.prunable.v1";

/// Returns the hash of an event whose predecessor has the hash `previous`.
pub(crate) fn event_hash(previous: &[u8], event: &audit_event::Model) -> [u8; 32] {
    if is_prunable(event) {
        prunable_hash(previous, event, &content(event))
    } else {
        whole_hash(previous, event)
    }
}

/// Returns the hash of an event that continues the chain; `None` if the event was changed. Earlier versions hashed all
/// events as a whole, or those of reused and revoked tokens.
pub(crate) fn verified_hash(previous: &[u8], event: &audit_event::Model) -> Option<[u8; 32]> {
    let hash = match digest_of_pruned(event) {
        Some(digest) => prunable_hash(previous, event, &digest),
        None if event.actor.is_empty() => return None,
        None => event_hash(previous, event),
    };
    let earlier = || Some(whole_hash(previous, event)).filter(|_| is_prunable(event));
    if event.hash == hash { Some(hash) } else { earlier().filter(|earlier| event.hash == *earlier) }
}

/// Returns an event of a token without its content; `None` if the event is another one, was hashed by an earlier version
/// or has no content any more.
pub(crate) fn pruned(previous: &[u8], event: &audit_event::Model) -> Option<audit_event::Model> {
    if !is_prunable(event) || event.actor.is_empty() {
        return None;
    }
    let digest = content(event);
    let intact = event.hash == prunable_hash(previous, event, &digest);
    intact.then(|| audit_event::Model {
        sequence: event.sequence,
        time: event.time,
        tenant_id: None,
        actor: String::new(),
        action: event.action.clone(),
        target: String::new(),
        request_id: String::new(),
        details: digest.map(|byte| format!("{byte:02x}")).concat(),
        hash: event.hash.clone(),
    })
}

/// Returns whether an event that continues the chain has lost its content.
pub(crate) fn is_pruned(event: &audit_event::Model) -> bool {
    digest_of_pruned(event).is_some()
}

fn is_prunable(event: &audit_event::Model) -> bool {
    PRUNABLE.contains(&event.action.as_str())
}

/// Returns the digest that is left of an event without content.
fn digest_of_pruned(event: &audit_event::Model) -> Option<[u8; 32]> {
    let audit_event::Model { tenant_id, actor, target, request_id, details, .. } = event;
    let empty = tenant_id.is_none() && [actor, target, request_id].into_iter().all(String::is_empty);
    if !empty || !is_prunable(event) || details.len() != 64 || !details.is_ascii() {
        return None;
    }
    let mut digest = [0; 32];
    for (n, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(details.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(digest)
}

fn whole_hash(previous: &[u8], event: &audit_event::Model) -> [u8; 32] {
    let tenant = event.tenant_id.map(uuid::Uuid::into_bytes);
    hash(&[
        previous,
        &event.sequence.to_be_bytes(),
        &event.time.to_be_bytes(),
        tenant.as_ref().map_or(&[], <[u8; 16]>::as_slice),
        event.actor.as_bytes(),
        event.action.as_bytes(),
        event.target.as_bytes(),
        event.request_id.as_bytes(),
        event.details.as_bytes(),
    ])
}

fn prunable_hash(previous: &[u8], event: &audit_event::Model, content: &[u8; 32]) -> [u8; 32] {
    let (sequence, time) = (event.sequence.to_be_bytes(), event.time.to_be_bytes());
    hash(&[PRUNABLE_DOMAIN, previous, &sequence, &time, event.action.as_bytes(), content])
}

fn content(event: &audit_event::Model) -> [u8; 32] {
    let tenant = event.tenant_id.map(uuid::Uuid::into_bytes);
    hash(&[
        tenant.as_ref().map_or(&[], <[u8; 16]>::as_slice),
        event.actor.as_bytes(),
        event.target.as_bytes(),
        event.request_id.as_bytes(),
        event.details.as_bytes(),
    ])
}

fn hash(fields: &[&[u8]]) -> [u8; 32] {
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
    fn a_text_that_moves_from_one_field_to_the_next_gives_another_hash() {
        assert_ne!(event_hash(&START, &event("ab", "c")), event_hash(&START, &event("a", "bc")));
    }

    #[test]
    fn the_hash_of_an_event_depends_on_the_one_before() {
        let event = event("a", "b");
        assert_eq!(event_hash(&START, &event), event_hash(&START, &event));
        assert_ne!(event_hash(&START, &event), event_hash(&[1; 32], &event));
    }

    /// An event with its hash.
    fn hashed(action: &str) -> audit_event::Model {
        let event = event("ada", action);
        audit_event::Model { hash: event_hash(&START, &event).to_vec(), ..event }
    }

    #[test]
    fn an_event_of_a_token_is_verified_by_what_is_left_of_it() {
        let whole = hashed("token.issue");
        let left = pruned(&START, &whole).unwrap();
        assert!(left.actor.is_empty() && left.details != whole.details && left.hash == whole.hash);
        assert_eq!(verified_hash(&START, &whole).map(|hash| hash.to_vec()), Some(whole.hash.clone()));
        assert_eq!(verified_hash(&START, &left), verified_hash(&START, &whole));
        assert_eq!(pruned(&START, &left), None, "once");
        assert!(is_pruned(&left) && !is_pruned(&whole));
        for changed in [
            audit_event::Model { time: 3, ..left.clone() },
            audit_event::Model { sequence: 2, ..left.clone() },
            audit_event::Model { action: "token.refresh".into(), ..left.clone() },
            audit_event::Model { action: "key.revoke".into(), ..left.clone() },
            audit_event::Model { details: "0".repeat(64), ..left.clone() },
            audit_event::Model { details: "{}".into(), ..left.clone() },
            audit_event::Model { target: "x".into(), ..left.clone() },
        ] {
            assert_eq!(verified_hash(&START, &changed), None, "{changed:?}");
        }
        assert_eq!(verified_hash(&[1; 32], &left), None);
    }

    #[test]
    fn every_event_that_a_client_causes_by_its_tokens_can_lose_its_content() {
        for action in ["token.issue", "token.refresh", "token.reuse", "token.revoke"] {
            let whole = hashed(action);
            let left = pruned(&START, &whole).unwrap();
            assert_eq!(verified_hash(&START, &left), verified_hash(&START, &whole), "{action}");
            let earlier = audit_event::Model { hash: whole_hash(&START, &whole).to_vec(), ..whole };
            assert!(verified_hash(&START, &earlier).is_some(), "{action} of an earlier version");
            assert_eq!(pruned(&START, &earlier), None, "{action} of an earlier version");
        }
        assert_eq!(pruned(&START, &hashed("token.revoke_again")), None);
    }

    #[test]
    fn no_other_event_loses_its_content() {
        let other = hashed("key.revoke");
        assert_eq!(pruned(&START, &other), None);
        let content = content(&other).map(|byte| format!("{byte:02x}")).concat();
        for action in ["key.revoke", "token.issue"] {
            let disguised = audit_event::Model {
                actor: String::new(),
                action: action.into(),
                details: content.clone(),
                ..other.clone()
            };
            assert_eq!(verified_hash(&START, &disguised), None, "{action}");
        }
    }

    #[test]
    fn an_event_of_an_earlier_version_is_verified_as_a_whole() {
        let event = event("ada", "token.issue");
        let earlier = audit_event::Model { hash: whole_hash(&START, &event).to_vec(), ..event };
        assert!(verified_hash(&START, &earlier).is_some());
        assert_eq!(pruned(&START, &earlier), None);
        let changed = audit_event::Model { actor: "eve".into(), ..earlier };
        assert_eq!(verified_hash(&START, &changed), None);
    }
}
