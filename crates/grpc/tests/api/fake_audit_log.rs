//! Audit log of the fake store. Its hashes are invented; the tests of `latchkey-store` cover the hash chain.

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::id::{KeyId, UserId};
use latchkey_core::time::Timestamp;
use latchkey_management::ports::audit::{
    Anchor, AuditCheck, AuditEvent, AuditFilter, AuditLog, AuditPage, EventSubjects,
};

use crate::fake_store::FakeStore;

fn anchor(sequence: u64) -> Anchor {
    let hash = if sequence == 0 { Anchor::START.hash } else { [u8::try_from(sequence).unwrap_or(0); 32] };
    Anchor { sequence, hash }
}

#[async_trait]
impl AuditLog for FakeStore {
    async fn events(
        &self,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<AuditPage, SystemError> {
        let entries = self.audit.lock().unwrap();
        let events = (1..).zip(entries.iter()).map(|(sequence, entry)| AuditEvent {
            sequence,
            time: entry.time,
            tenant: entry.tenant,
            actor: entry.actor.clone(),
            action: entry.action.text().to_owned(),
            target: entry.target.clone(),
            request_id: entry.request_id.clone(),
            details: entry.details.clone(),
            hash: anchor(sequence).hash.to_vec(),
        });
        let mut events: Vec<AuditEvent> = events
            .filter(|event| filter.tenant.is_none_or(|tenant| event.tenant == Some(tenant)))
            .filter(|event| before.is_none_or(|before| event.sequence < before))
            .collect();
        events.reverse();
        let more = events.len() > limit as usize;
        events.truncate(limit as usize);
        let next = events.last().filter(|_| more).map(|event| event.sequence);
        Ok(AuditPage { events, next })
    }

    async fn subjects(&self, _: &[KeyId], _: &[UserId]) -> Result<EventSubjects, SystemError> {
        Ok(EventSubjects::default())
    }

    async fn outside(&self) -> Result<Option<(i64, u64)>, SystemError> {
        Ok(None)
    }

    async fn head(&self) -> Result<Option<Anchor>, SystemError> {
        Ok(Some(anchor(self.audit.lock().unwrap().len() as u64)))
    }

    async fn check(&self, after: Anchor, until: u64, _: Timestamp) -> Result<AuditCheck, SystemError> {
        let valid = (after.sequence + 1..=until).map(anchor).collect();
        Ok(AuditCheck { valid, broken: None, pruned_early: None })
    }
}
