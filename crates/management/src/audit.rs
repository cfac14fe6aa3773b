//! Construction of audit log entries for management calls.

mod changes;

use std::collections::{BTreeMap, BTreeSet};

use latchkey_core::id::TenantId;
use latchkey_core::record::{KeyLifecycle, KeyRecord, KeyState};

use super::{CallContext, Caller, ManagementService};
use crate::ports::{AuditAction, AuditEntry};

impl ManagementService {
    /// Returns an entry for an action that the caller performs now.
    pub(super) fn audit_entry(&self, caller: &Caller, action: AuditAction, call: &CallContext) -> AuditEntry {
        AuditEntry {
            time: self.parts.clock.now().wall,
            tenant: None,
            actor: caller.subject.clone(),
            caller: action.grants().then(|| caller.acting()).flatten(),
            action,
            target: String::new(),
            request_id: call.request_id.clone(),
            details: BTreeMap::new(),
        }
    }
}

impl AuditEntry {
    /// Sets the tenant that the entry belongs to.
    pub(super) fn for_tenant(mut self, tenant: TenantId) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Sets the object that was acted on.
    pub(super) fn on_target(mut self, target: &impl ToString) -> Self {
        self.target = target.to_string();
        self
    }

    /// Sets the identifier of the request.
    pub(super) fn in_request(mut self, request_id: &str) -> Self {
        request_id.clone_into(&mut self.request_id);
        self
    }

    /// Adds the names of the fields that a request changes, each of them once.
    pub(super) fn with_fields(self, names: &[String]) -> Self {
        let mut seen = BTreeSet::new();
        let once: Vec<&str> = names.iter().map(String::as_str).filter(|name| seen.insert(*name)).collect();
        self.with_detail("fields", once.join(" "))
    }

    /// Adds the access that a change of a key grants and takes away: scopes, networks, limits, the expiry, and whether the
    /// key is disabled. A change that makes an expired key valid again is marked.
    #[must_use]
    pub fn with_change_of_key(self, before: &KeyRecord, after: &KeyRecord) -> Self {
        let missing = |from: &KeyRecord, of: &KeyRecord| {
            let scopes = of.scopes.iter().filter(|scope| !from.scopes.contains(scope));
            scopes.map(|scope| &**scope).collect::<Vec<_>>().join(" ")
        };
        let is_expired = |key: &KeyRecord| key.state(self.time) == KeyState::Expired;
        let end = |key: &KeyRecord| key.expires.map_or_else(|| "never".to_owned(), |at| at.to_string());
        let change = |same: bool, text: String| if same { String::new() } else { text };
        let expiry = change(before.expires == after.expires, format!("{} -> {}", end(before), end(after)));
        let disabled = |key: &KeyRecord| key.lifecycle == KeyLifecycle::Disabled;
        let switched = change(disabled(before) == disabled(after), disabled(after).to_string());
        let revives =
            is_expired(before) && matches!(after.state(self.time), KeyState::Active | KeyState::Disabled);
        let revived = change(!revives, "true".to_owned());
        let switched = if after.state(self.time) == KeyState::Revoked { String::new() } else { switched };
        self.with_detail("scopes_added", missing(before, after))
            .with_detail("scopes_removed", missing(after, before))
            .with_detail("expire_time", expiry)
            .with_detail("disabled", switched)
            .with_detail("revived", revived)
            .with_bounds_of_key(before, after)
    }

    /// Adds a detail. An empty value is left out.
    #[must_use]
    pub fn with_detail(mut self, name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.details.insert(name.to_owned(), value);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use latchkey_core::limit::LimitOverrides;
    use latchkey_core::secret::PlainKey;
    use latchkey_core::time::Timestamp;
    use rand::SeedableRng;

    use super::*;

    fn entry() -> AuditEntry {
        AuditEntry {
            time: Timestamp(1_000),
            tenant: None,
            actor: String::new(),
            caller: None,
            action: AuditAction::KeyUpdate,
            target: String::new(),
            request_id: String::new(),
            details: BTreeMap::new(),
        }
    }

    #[test]
    fn an_event_names_each_changed_field_once() {
        let names = ["name", "scopes", "name", "name"].map(str::to_owned);
        assert_eq!(entry().with_fields(&names).details["fields"], "name scopes");
    }

    fn details(change: impl FnOnce(&mut KeyRecord, &mut KeyRecord)) -> Vec<String> {
        let mut random = rand::rngs::StdRng::from_seed([5; 32]);
        let tenant = crate::operators::tenant(Timestamp(1), &mut random);
        let value = PlainKey::new("x".repeat(40));
        let mut before = crate::operators::root_key(&value, tenant.id, Timestamp(1), &mut random);
        before.limits = LimitOverrides::default();
        let mut after = before.clone();
        change(&mut before, &mut after);
        let entry = entry().with_change_of_key(&before, &after);
        entry.details.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn an_event_says_what_a_change_grants_and_takes_away() {
        assert_eq!(details(|_, after| after.name = "other".into()), Vec::<String>::new());
        let scopes = details(|before, after| {
            (before.scopes, after.scopes) = (vec!["a".into(), "b".into()], vec!["b".into(), "c".into()]);
        });
        assert_eq!(scopes, ["scopes_added=c", "scopes_removed=a"]);
        assert_eq!(details(|_, after| after.lifecycle = KeyLifecycle::Disabled), ["disabled=true"]);
        assert_eq!(details(|before, _| before.lifecycle = KeyLifecycle::Disabled), ["disabled=false"]);
    }

    #[test]
    fn an_event_says_that_an_expired_key_is_valid_again() {
        let revived = details(|before, _| before.expires = Some(Timestamp(999)));
        assert_eq!(revived, ["expire_time=1970-01-01T00:00:00.999Z -> never", "revived=true"]);
        let extended = details(|before, _| before.expires = Some(Timestamp(1_001)));
        assert_eq!(extended, ["expire_time=1970-01-01T00:00:01.001Z -> never"]);
    }
}
