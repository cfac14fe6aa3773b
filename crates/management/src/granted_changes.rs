//! Changes of keys and disclosures of their values, each checked by the rule of [`super::grants`].

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::key_kind::KeyKind;
use latchkey_core::policy::Policy;
use latchkey_core::record::{KeyRecord, TenantRecord};

use super::grants::limits::keep_unchanged;
use super::grants::{Grants, PriorState};
use super::key_builder::KeyDraft;
use super::{CallContext, Caller, ManagementService};
use crate::ports::{AuditEntry, KeyUpdateFn, WriteResult};

impl ManagementService {
    /// Changes a key by a rule, if the caller may make that change of the key as it is stored then. The change holds on
    /// every replica when this returns.
    pub(super) async fn change_key(
        &self,
        caller: &Caller,
        (key, tenant): (&KeyRecord, &TenantRecord),
        rule: KeyUpdateFn<'_>,
        entry: AuditEntry,
        call: &CallContext,
    ) -> Result<WriteResult<KeyRecord>, ManagementError> {
        let (own, now) = (caller.bounded_in(tenant), self.parts.clock.now().wall);
        let policy = own.map(|_| self.policy_of(tenant)).transpose()?;
        let checked = Box::new(|before: &KeyRecord| {
            let mut after = rule(before)?;
            if let Some((own, policy)) = own.zip(policy.as_deref()) {
                let grants = Grants::of(own, policy);
                keep_unchanged(before, &mut after);
                grants.check(PriorState::Key(before), &after, now)?;
                grants.mark_limits(Some(&before.limits), &mut after.limits);
            }
            Ok(after)
        });
        let written = self.parts.store.change_key(key.id, checked, entry).await?;
        self.wait_until_applied(written, call).await
    }

    /// Checks that the caller can grant a whole key: one that it creates, or whose value it receives.
    pub(super) fn check_grants(
        &self,
        caller: &Caller,
        tenant: &TenantRecord,
        policy: &Policy,
        key: &KeyRecord,
    ) -> Result<(), RequestError> {
        caller.require_creator()?;
        let now = self.parts.clock.now().wall;
        let own = caller.bounded_in(tenant);
        own.map_or(Ok(()), |own| Grants::of(own, policy).check(PriorState::Nothing, key, now))
    }

    /// Returns the record with its final scopes, if the caller can grant all of it.
    pub(super) fn granted_record<'p>(
        &self,
        draft: KeyDraft<'p>,
        caller: &Caller,
        tenant: &TenantRecord,
        policy: &Policy,
    ) -> Result<(KeyRecord, &'p KeyKind), RequestError> {
        let KeyDraft { mut record, kind, named_scopes: mut granted, implied_scopes } = draft;
        match caller.bounded_in(tenant) {
            None => granted.extend(&implied_scopes),
            Some(own) => {
                let grants = Grants::of(own, policy);
                granted.extend(&grants.intersect(&implied_scopes));
                grants.inherit(&mut record);
            }
        }
        record.scopes = policy.scopes.names(&granted).map(Into::into).collect();
        self.check_grants(caller, tenant, policy, &record)?;
        if let Some(own) = caller.bounded_in(tenant) {
            Grants::of(own, policy).mark_limits(None, &mut record.limits);
        }
        Ok((record, kind))
    }
}
