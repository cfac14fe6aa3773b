//! Details of audit entries that say what a change of a key, a user or a tenant grants and takes away.

use std::collections::BTreeMap;
use std::fmt::Display;

use latchkey_core::limit::LimitOverrides;
use latchkey_core::record::{KeyRecord, TenantRecord};
use latchkey_core::user::UserRecord;

use crate::ports::AuditEntry;

impl AuditEntry {
    /// Adds what a new key can do, and what confines it. Bounds that it does not have are left out.
    pub(crate) fn with_new_key(self, key: &KeyRecord) -> Self {
        let KeyRecord { kind, environment, scopes, bindings, networks, limits, expires, .. } = key;
        self.with_detail("kind", &**kind)
            .with_detail("environment", &**environment)
            .with_detail("scopes", scopes.join(" "))
            .with_detail("bindings", pairs(bindings).join(", "))
            .with_detail("allowed_networks", texts(networks.iter()).join(", "))
            .with_detail("rate_limits", limit_texts(limits).join(", "))
            .with_detail("expire_time", expires.map(|at| at.to_string()).unwrap_or_default())
    }

    /// Adds the profile, the plan and the limits of a new tenant.
    pub(crate) fn with_new_tenant(self, tenant: &TenantRecord) -> Self {
        self.with_detail("profile", &*tenant.profile)
            .with_detail("plan", tenant.plan.as_deref().unwrap_or_default())
            .with_detail("rate_limits", limit_texts(&tenant.limits).join(", "))
    }

    /// Adds what a new user can do, and what confines it.
    pub(crate) fn with_new_user(self, user: &UserRecord) -> Self {
        self.with_detail("role", &*user.role)
            .with_detail("bindings", pairs(&user.bindings).join(", "))
            .with_detail("environment", user.environment.as_deref().unwrap_or_default())
    }

    /// Adds what a change of a user replaces: role, bindings, environment, and whether the user is disabled.
    #[must_use]
    pub fn with_change_of_user(self, before: &UserRecord, after: &UserRecord) -> Self {
        let switched =
            if before.disabled == after.disabled { String::new() } else { after.disabled.to_string() };
        self.with_change("role", &before.role, &after.role)
            .with_change("bindings", &listed(&pairs(&before.bindings)), &listed(&pairs(&after.bindings)))
            .with_change("environment", environment(before), environment(after))
            .with_detail("disabled", switched)
    }

    /// Adds what a change of a tenant replaces: the plan and the limits.
    #[must_use]
    pub fn with_change_of_tenant(self, before: &TenantRecord, after: &TenantRecord) -> Self {
        self.with_change("plan", plan(before), plan(after))
            .with_change_of_limits(&before.limits, &after.limits)
    }

    /// Adds the networks and the limits of a key that a change replaces.
    pub(super) fn with_bounds_of_key(self, before: &KeyRecord, after: &KeyRecord) -> Self {
        let networks = |key: &KeyRecord| listed(&texts(key.networks.iter()));
        self.with_change("allowed_networks", &networks(before), &networks(after))
            .with_change_of_limits(&before.limits, &after.limits)
    }

    fn with_change_of_limits(self, before: &LimitOverrides, after: &LimitOverrides) -> Self {
        self.with_change("rate_limits", &listed(&limit_texts(before)), &listed(&limit_texts(after)))
    }

    fn with_change(self, name: &str, before: &str, after: &str) -> Self {
        if before == after { self } else { self.with_detail(name, format!("{before} -> {after}")) }
    }
}

fn plan(tenant: &TenantRecord) -> &str {
    tenant.plan.as_deref().unwrap_or("none")
}

fn environment(user: &UserRecord) -> &str {
    user.environment.as_deref().unwrap_or("all")
}

/// Returns each limit, and whether it holds beside those of the tenant, its plan and the class.
fn limit_texts(limits: &LimitOverrides) -> Vec<String> {
    let of_class = limits.0.iter().flat_map(|(class, all)| {
        let sort = if limits.replaces(class) { "" } else { " beside others" };
        all.iter().map(move |(per, limit)| format!("{class}={} {limit}{sort}", per.name()))
    });
    of_class.collect()
}

fn pairs(map: &BTreeMap<String, String>) -> Vec<String> {
    map.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn texts(items: impl Iterator<Item = impl Display>) -> Vec<String> {
    items.map(|item| item.to_string()).collect()
}

fn listed(items: &[String]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use latchkey_core::id::UserId;
    use latchkey_core::limit::{BucketOwner, parse_key_limit};
    use latchkey_core::secret::PlainKey;
    use latchkey_core::time::Timestamp;
    use rand::SeedableRng;

    use super::*;
    use crate::operators;
    use crate::ports::AuditAction;

    fn entry() -> AuditEntry {
        AuditEntry {
            time: Timestamp(1_000),
            tenant: None,
            actor: String::new(),
            caller: None,
            action: AuditAction::UserUpdate,
            target: String::new(),
            request_id: String::new(),
            details: BTreeMap::new(),
        }
    }

    fn details_of(entry: &AuditEntry) -> Vec<String> {
        entry.details.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    fn of_key(limit: &str) -> LimitOverrides {
        let limit = (BucketOwner::Key, parse_key_limit(limit).unwrap());
        LimitOverrides(BTreeMap::from([("default".into(), vec![limit])]), BTreeSet::new())
    }

    #[test]
    fn an_event_says_what_a_user_gains_and_loses() {
        let mut random = rand::rngs::StdRng::from_seed([5; 32]);
        let before = UserRecord {
            id: UserId::new(Timestamp(1), &mut random),
            tenant: operators::tenant(Timestamp(1), &mut random).id,
            email: "ada@example.dev".into(),
            role: "clerk".into(),
            bindings: BTreeMap::from([("shop".into(), "s_1".into())]),
            environment: Some("live".into()),
            disabled: true,
            generation: 1,
            created: Timestamp(1),
            revision: 1,
        };
        let same = UserRecord { generation: 2, ..before.clone() };
        assert!(details_of(&entry().with_change_of_user(&before, &same)).is_empty());
        let after = UserRecord {
            role: "boss".into(),
            bindings: BTreeMap::new(),
            environment: None,
            disabled: false,
            ..before.clone()
        };
        let expected =
            ["bindings=shop=s_1 -> none", "disabled=false", "environment=live -> all", "role=clerk -> boss"];
        assert_eq!(details_of(&entry().with_change_of_user(&before, &after)), expected);
    }

    #[test]
    fn an_event_says_which_plan_and_limits_a_tenant_gets() {
        let mut random = rand::rngs::StdRng::from_seed([5; 32]);
        let before = operators::tenant(Timestamp(1), &mut random);
        let after = TenantRecord { plan: Some("gold".into()), limits: of_key("9/min"), ..before.clone() };
        let expected = ["plan=none -> gold", "rate_limits=none -> default=key 9/min"];
        assert_eq!(details_of(&entry().with_change_of_tenant(&before, &after)), expected);
        let profile = format!("profile={}", after.profile);
        let expected = ["plan=gold", profile.as_str(), "rate_limits=default=key 9/min"];
        assert_eq!(details_of(&entry().with_new_tenant(&after)), expected);
    }

    #[test]
    fn an_event_says_if_a_limit_begins_to_replace_others() {
        let mut random = rand::rngs::StdRng::from_seed([5; 32]);
        let tenant = operators::tenant(Timestamp(1), &mut random);
        let value = PlainKey::new("x".repeat(40));
        let key = operators::root_key(&value, tenant.id, Timestamp(1), &mut random);
        let after = KeyRecord { limits: of_key("9/min"), ..key };
        let limits = LimitOverrides(after.limits.0.clone(), BTreeSet::from(["default".into()]));
        let before = KeyRecord { limits, ..after.clone() };
        let expected = ["rate_limits=default=key 9/min beside others -> default=key 9/min"];
        assert_eq!(details_of(&entry().with_change_of_key(&before, &after)), expected);
    }

    #[test]
    fn an_event_says_which_networks_and_limits_a_key_gets() {
        let mut random = rand::rngs::StdRng::from_seed([5; 32]);
        let tenant = operators::tenant(Timestamp(1), &mut random);
        let value = PlainKey::new("x".repeat(40));
        let after = operators::root_key(&value, tenant.id, Timestamp(1), &mut random);
        let before = KeyRecord {
            networks: vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            limits: of_key("9/min burst 3"),
            ..after.clone()
        };
        let expected = [
            "allowed_networks=192.0.2.0/24, 2001:db8::/32 -> none",
            "rate_limits=default=key 9/min burst 3 -> none",
        ];
        assert_eq!(details_of(&entry().with_change_of_key(&before, &after)), expected);
    }

    #[test]
    fn an_event_says_what_a_new_key_can_do() {
        let mut random = rand::rngs::StdRng::from_seed([5; 32]);
        let tenant = operators::tenant(Timestamp(1), &mut random);
        let value = PlainKey::new("x".repeat(40));
        let key = operators::root_key(&value, tenant.id, Timestamp(1), &mut random);
        let plain = ["environment=live", "kind=operator", "scopes=latchkey.admin"];
        assert_eq!(details_of(&entry().with_new_key(&key)), plain);
        let bound = KeyRecord {
            bindings: BTreeMap::from([("shop".into(), "s_1".into())]),
            expires: Some(Timestamp(1_000)),
            ..key
        };
        let details = details_of(&entry().with_new_key(&bound));
        assert_eq!(
            details[..3],
            ["bindings=shop=s_1", "environment=live", "expire_time=1970-01-01T00:00:01Z"]
        );
    }
}
