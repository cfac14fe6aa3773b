//! Selection of the keys that a call changes: the named ones, or those of a tenant that match a filter, as far as the
//! caller manages them.

use std::collections::HashSet;
use std::sync::Arc;

use latchkey_core::error::{FieldViolation, ManagementError, RequestError};
use latchkey_core::excerpt::Quoted;
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::operator;
use latchkey_core::policy::Policy;
use latchkey_core::record::{KeyRecord, TenantRecord, TenantRef};

use super::{BulkChanges, KeysFilter};
use crate::Caller;
use crate::grants::Grants;
use crate::ports::KeyFilter;
use crate::ports::bulk::BATCH;

/// Tenant whose keys are changed, with what bounds the caller in it.
pub(super) struct Scope {
    pub(super) tenant: TenantRecord,
    pub(super) policy: Option<Arc<Policy>>,
}

/// Keys that are selected: identifiers, or a filter and the place in its list.
pub(super) enum Selection {
    Ids(std::vec::IntoIter<KeyId>),
    List {
        tenant: TenantId,
        filter: Box<KeyFilter>,
        rest: Box<KeysFilter>,
        before: Option<KeyId>,
        done: bool,
    },
    Nothing,
}

impl BulkChanges {
    /// Returns the keys of a filter, as far as the caller manages them.
    pub(super) async fn filtered(
        &self,
        caller: &Caller,
        request: &KeysFilter,
    ) -> Result<(Option<Scope>, Selection), ManagementError> {
        let management = &*self.management;
        if caller.principal().is_none() && request.tenant.is_empty() {
            let text = "is required of an operator: the id or slug of the tenant whose keys are meant";
            return Err(RequestError::field("filter.tenant", text).into());
        }
        let tenant = management.managed_tenant(caller, &request.tenant).await?;
        caller.require_reach(&tenant)?;
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        let filter = KeyFilter {
            kind: some(&request.kind),
            environments: some(&request.environment).into_iter().collect(),
            state: request.state.map(|state| (state, management.parts.clock.now().wall)),
            bindings: request.bindings.clone(),
        };
        let (policy, filter) = match caller.bounded_in(&tenant) {
            None => (None, Some(filter)),
            Some(own) => {
                let policy = management.policy_of(&tenant)?;
                let filter = Grants::of(own, &policy).confine(filter);
                (Some(policy), filter)
            }
        };
        let selection = filter.map_or(Selection::Nothing, |filter| Selection::List {
            tenant: tenant.id,
            filter: Box::new(filter),
            rest: Box::new(request.clone()),
            before: None,
            done: false,
        });
        Ok((Some(Scope { tenant, policy }), selection))
    }

    /// Returns the named keys, if the caller manages all of them.
    pub(super) async fn named(
        &self,
        caller: &Caller,
        names: &[String],
    ) -> Result<(Option<Scope>, Selection), ManagementError> {
        let management = &*self.management;
        let parsed: Vec<Option<KeyId>> = names.iter().map(|name| name.parse().ok()).collect();
        let mut ids: Vec<KeyId> = parsed.iter().flatten().copied().collect();
        ids.sort_unstable();
        ids.dedup();
        let mut scope = None;
        if let Some(own) = caller.principal() {
            let tenant = (*own.tenant).clone();
            scope = Some(Scope { policy: Some(management.policy_of(&tenant)?), tenant });
        }
        // A role that takes access away from tenants alone does not reach the operators' keys.
        let beyond = match caller.require_creator() {
            Ok(()) => None,
            Err(denied) => {
                let own = TenantRef::Slug(operator::SLUG.to_owned());
                management.parts.store.tenant(&own).await?.map(|tenant| (tenant.id, denied))
            }
        };
        let mut known = HashSet::new();
        for batch in ids.chunks(BATCH) {
            for key in self.store.keys_by_id(batch).await? {
                if let Some((_, denied)) = beyond.as_ref().filter(|(tenant, _)| *tenant == key.tenant) {
                    return Err(denied.clone().into());
                }
                let reached = caller.principal().zip(scope.as_ref()).is_none_or(|(own, scope)| {
                    let policy = scope.policy.as_deref();
                    own.tenant.id == key.tenant
                        && policy.is_some_and(|policy| Grants::of(own, policy).reaches(&key))
                });
                if reached {
                    known.insert(key.id);
                }
            }
        }
        let unknown = |(_, id): &(usize, &Option<KeyId>)| id.is_none_or(|id| !known.contains(&id));
        let unknown = parsed.iter().enumerate().filter(unknown).map(|(n, _)| {
            let text = format!("{} is no key that the caller can manage", Quoted(&names[n]));
            FieldViolation::new(format!("ids[{n}]"), text)
        });
        let unknown: Vec<FieldViolation> = unknown.collect();
        if !unknown.is_empty() {
            return Err(RequestError::InvalidArgument(unknown).into());
        }
        Ok((scope, Selection::Ids(ids.into_iter())))
    }

    /// Reads the next batch of the selected keys; empty at the end.
    pub(super) async fn next(&self, selection: &mut Selection) -> Result<Vec<KeyRecord>, ManagementError> {
        match selection {
            Selection::Nothing => Ok(Vec::new()),
            Selection::Ids(ids) => {
                let batch: Vec<KeyId> = ids.by_ref().take(BATCH).collect();
                Ok(if batch.is_empty() { Vec::new() } else { self.store.keys_by_id(&batch).await? })
            }
            Selection::List { tenant, filter, rest, before, done } => loop {
                if *done {
                    return Ok(Vec::new());
                }
                let limit = u32::try_from(BATCH).unwrap_or(u32::MAX);
                let keys = self.management.parts.store.keys(*tenant, filter, *before, limit).await?;
                *before = keys.last().map(|key| key.id).or(*before);
                *done = keys.len() < BATCH;
                let keys = self.matching(rest, keys).await?;
                if !keys.is_empty() {
                    return Ok(keys);
                }
            },
        }
    }

    /// Returns the keys that match what the list does not filter by: their creator and their last use.
    async fn matching(
        &self,
        filter: &KeysFilter,
        mut keys: Vec<KeyRecord>,
    ) -> Result<Vec<KeyRecord>, ManagementError> {
        keys.retain(|key| filter.created_by.is_empty() || key.created_by == filter.created_by);
        let Some(since) = filter.unused_since else { return Ok(keys) };
        let uses = self.usage.summaries(&keys).await?;
        let unused =
            keys.into_iter().zip(uses).filter(|(key, used)| used.last.unwrap_or(key.created) < since);
        Ok(unused.map(|(key, _)| key).collect())
    }
}
