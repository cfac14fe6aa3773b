//! Disclosure of the values of keys whose kind is retrievable.

use std::collections::BTreeMap;

use latchkey_core::choices::not_one_of;
use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::key_kind::KeyKind;
use latchkey_core::policy::Policy;
use latchkey_core::principal::Principal;
use latchkey_core::record::{KeyRecord, KeyState, TenantRecord};
use latchkey_core::secret::PlainKey;

use super::field_validator::FieldValidator;
use super::grants::Grants;
use super::key_builder::DEFAULT_ENVIRONMENT;
use super::{CallContext, Caller, ManagementService};
use crate::ports::{KeyFilter, ListRange};

/// Request for a publishable key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetPublishableKey {
    /// Tenant by id or slug; empty for the caller's own.
    pub tenant: String,
    /// Environment; empty for the caller's own, or `live` for a caller of every environment.
    pub environment: String,
    /// Kind; empty for any retrievable kind.
    pub kind: String,
    /// Bindings that the key must have; it can have others as well.
    pub bindings: BTreeMap<String, String>,
}

/// Retrievable key with its value.
#[derive(Clone, Debug)]
pub struct PublishableKeyValue {
    /// The key.
    pub key: KeyRecord,
    /// Value of the key.
    pub value: PlainKey,
}

/// Keys that are read at a time in search of one that the caller can grant.
const BATCH: u32 = 200;
/// Most batches that are read for one kind.
const MAX_BATCHES: u32 = 50;

impl ManagementService {
    /// Returns the newest active key of a retrievable kind that the caller could grant and whose value has a form that
    /// the profile takes, with its value.
    pub async fn publishable_key(
        &self,
        caller: &Caller,
        request: GetPublishableKey,
        _call: &CallContext,
    ) -> Result<PublishableKeyValue, ManagementError> {
        let tenant = self.managed_tenant(caller, &request.tenant).await?;
        let policy = self.policy_of(&tenant)?;
        let own = caller.bounded_in(&tenant).and_then(Principal::environment);
        let environment = match &*request.environment {
            "" => own.unwrap_or(DEFAULT_ENVIRONMENT),
            named => named,
        };
        let mut fields = FieldValidator::new("");
        if !policy.environments.iter().any(|e| **e == *environment) {
            let known = policy.environments.iter().map(|name| &**name);
            fields.reject("environment", not_one_of(environment, known));
        }
        let retrievable =
            |kind: &&KeyKind| kind.retrievable && (request.kind.is_empty() || *kind.name == *request.kind);
        if !request.kind.is_empty() && !policy.kinds.iter().any(|kind| retrievable(&kind)) {
            let known = policy.kinds.iter().filter(|kind| kind.retrievable).map(|kind| &*kind.name);
            let text = format!("{} (kinds whose values can be read again)", not_one_of(&request.kind, known));
            fields.reject("kind", text);
        }
        fields.labels("bindings", &request.bindings);
        fields.finish()?;
        let mut newest: Option<KeyRecord> = None;
        for kind in policy.kinds.iter().filter(retrievable) {
            let filter = KeyFilter {
                kind: Some(kind.name.to_string()),
                environments: vec![environment.to_owned()],
                states: Some((vec![KeyState::Active], self.parts.clock.now().wall)),
                bindings: request.bindings.clone(),
                tenant: Some(tenant.id),
                ..KeyFilter::default()
            };
            let found = self.newest_that_can_be_granted(caller, &tenant, &policy, filter).await?;
            newest = newest.into_iter().chain(found).max_by_key(|key| key.id);
        }
        let key = newest.ok_or(RequestError::no_such("key"))?;
        let value = self.unseal_value(&key)?;
        Ok(PublishableKeyValue { key, value })
    }

    /// Returns the newest key of a filter that the caller could grant as a whole, with a form that the profile takes.
    async fn newest_that_can_be_granted(
        &self,
        caller: &Caller,
        tenant: &TenantRecord,
        policy: &Policy,
        filter: KeyFilter,
    ) -> Result<Option<KeyRecord>, ManagementError> {
        let filter = match caller.bounded_in(tenant) {
            None => filter,
            Some(own) => match Grants::of(own, policy).confine(filter) {
                Some(filter) => filter,
                None => return Ok(None),
            },
        };
        let mut range = ListRange::newest(None, BATCH);
        for _ in 0..MAX_BATCHES {
            let part = self.parts.store.keys(&filter, &range).await?;
            let grantable = |key: &KeyRecord| self.check_grants(caller, tenant, policy, key).is_ok();
            // A key of an earlier form is refused by Check. A value that cannot be opened is an error of its own.
            let accepted = |key: &KeyRecord| {
                policy.may_begin_with(&key.prefix)
                    && self.unseal_value(key).map_or(true, |value| policy.matches_key_format(value.reveal()))
            };
            if let Some(key) = part.items.into_iter().find(|key| grantable(key) && accepted(key)) {
                return Ok(Some(key));
            }
            if part.next.is_none() {
                return Ok(None);
            }
            range.after = part.next;
        }
        let text = "there are too many keys that the caller can't grant or that the profile no longer accepts: name \
                    bindings to find one";
        Err(RequestError::FailedPrecondition(text.into()).into())
    }

    fn unseal_value(&self, key: &KeyRecord) -> Result<PlainKey, SystemError> {
        let sealed = key
            .sealed
            .as_ref()
            .ok_or_else(|| SystemError::Internal(format!("{} has no sealed value", key.id)))?;
        let opened = self.parts.sealer.open(sealed, &key.id.to_string());
        opened.map_err(|error| SystemError::Internal(format!("{}: {error}", key.id)))
    }
}
