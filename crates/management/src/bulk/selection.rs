//! Selection of the keys that a call changes: the named ones, or those of a tenant that match a filter, as far as the
//! caller manages them.

use std::collections::HashSet;
use std::sync::Arc;

use latchkey_core::error::{FieldViolation, ManagementError, RequestError};
use latchkey_core::id::KeyId;
use latchkey_core::operator;
use latchkey_core::policy::Policy;
use latchkey_core::record::{KeyRecord, TenantRecord, TenantRef};

use super::{BulkChanges, KeysFilter};
use crate::Caller;
use crate::grants::Grants;
use crate::missing::ObjectType;
use crate::ports::bulk::BATCH;
use crate::ports::{EventFilter, KeyFilter, ListRange, Position, TimeRange};

/// Tenant whose keys are changed, with what bounds the caller in it.
pub(super) struct Scope {
    pub(super) tenant: TenantRecord,
    pub(super) policy: Option<Arc<Policy>>,
}

/// Keys that are selected: identifiers, or a filter and the place in its list.
pub(super) enum Selection {
    Ids(std::vec::IntoIter<KeyId>),
    List { filter: Box<KeyFilter>, rest: Box<KeysFilter>, after: Option<Position>, done: bool },
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
        self.check_names(caller, &tenant, request).await?;
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        let unused = TimeRange { until: request.unused_since, ..TimeRange::default() };
        let filter = KeyFilter {
            tenant: Some(tenant.id),
            kind: some(&request.kind),
            environments: some(&request.environment).into_iter().collect(),
            states: request.state.map(|state| (vec![state], management.parts.clock.now().wall)),
            bindings: request.bindings.clone(),
            created_by: some(&request.created_by),
            created: unused,
            last_used: EventFilter { time: unused, never: request.unused_since.is_some() },
            ..KeyFilter::default()
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
            filter: Box::new(filter),
            rest: Box::new(request.clone()),
            after: None,
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
            let text = management.not_found(ObjectType::Key, &names[n]).to_string();
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
            Selection::List { filter, rest, after, done } => loop {
                if *done {
                    return Ok(Vec::new());
                }
                let limit = u32::try_from(BATCH).unwrap_or(u32::MAX);
                let range = ListRange::newest(after.take(), limit);
                let part = self.management.parts.store.keys(filter, &range).await?;
                (*done, *after) = (part.next.is_none(), part.next);
                let keys = self.unused(rest, part.items).await?;
                if !keys.is_empty() {
                    return Ok(keys);
                }
            },
        }
    }

    /// Returns the keys that are unused also by uses that are not stored yet.
    async fn unused(
        &self,
        filter: &KeysFilter,
        keys: Vec<KeyRecord>,
    ) -> Result<Vec<KeyRecord>, ManagementError> {
        let Some(since) = filter.unused_since else { return Ok(keys) };
        let uses = self.usage.summaries(&keys).await?;
        let unused =
            keys.into_iter().zip(uses).filter(|(key, used)| used.last.unwrap_or(key.created) < since);
        Ok(unused.map(|(key, _)| key).collect())
    }
}
