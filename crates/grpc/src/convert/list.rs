//! Conversion of requests for lists of keys, tenants and users.

use latchkey_core::record::KeyState;
use latchkey_management::ports::{EventFilter, TimeRange};
use latchkey_management::{ListKeys, ListTenants, ListUsers};
use latchkey_proto::v1;
use prost_types::Timestamp;

use super::time::timestamp_from_proto;
use super::{Violations, to_btree_map};

/// Largest number of states in a request. There are fewer, and each unknown one costs an error of its own.
const MAX_STATES: usize = 16;

/// Converts the request to list keys.
pub(crate) fn keys(request: v1::ListKeysRequest, violations: &mut Violations) -> ListKeys {
    let mut states = Vec::new();
    let one = [("state".to_owned(), request.state)];
    violations.check_count("states", request.states.len(), MAX_STATES);
    let several = (0..).zip(&request.states).take(MAX_STATES);
    let several = several.map(|(n, state)| (format!("states[{n}]"), *state));
    for (field, number) in one.into_iter().chain(several) {
        if let Some(state) = key_state(&field, number, violations).filter(|state| !states.contains(state)) {
            states.push(state);
        }
    }
    let last_used = (request.last_used_after, request.last_used_before);
    let expires = (request.expires_after, request.expires_before);
    ListKeys {
        tenant: request.tenant,
        all_tenants: request.all_tenants,
        page_size: request.page_size,
        page_token: request.page_token,
        kind: request.kind,
        environment: request.environment,
        states,
        bindings: to_btree_map(request.bindings),
        name_contains: request.name_contains,
        hint: request.hint,
        created_by: request.created_by,
        scopes: request.scopes,
        created: range("created", (request.created_after, request.created_before), violations),
        last_used: EventFilter { time: range("last_used", last_used, violations), never: request.never_used },
        expires: EventFilter { time: range("expires", expires, violations), never: request.never_expires },
        order_by: request.order_by,
        violations: Vec::new(),
    }
}

/// Converts a state; `None` for the unspecified one, and for an unknown one, which is a violation.
pub(crate) fn key_state(field: &str, number: i32, violations: &mut Violations) -> Option<KeyState> {
    match v1::KeyState::try_from(number) {
        Ok(v1::KeyState::Unspecified) => None,
        Ok(v1::KeyState::Active) => Some(KeyState::Active),
        Ok(v1::KeyState::Expired) => Some(KeyState::Expired),
        Ok(v1::KeyState::Revoked) => Some(KeyState::Revoked),
        Ok(v1::KeyState::Disabled) => Some(KeyState::Disabled),
        Err(_) => {
            let choices = "KEY_STATE_ACTIVE, KEY_STATE_EXPIRED, KEY_STATE_REVOKED and KEY_STATE_DISABLED";
            violations.add(field, format!("{number} is not a state of a key: the states are {choices}"));
            None
        }
    }
}

/// Converts the request to list tenants.
pub(crate) fn tenants(request: v1::ListTenantsRequest, violations: &mut Violations) -> ListTenants {
    let suspended = match v1::TenantState::try_from(request.state) {
        Ok(v1::TenantState::Unspecified) => None,
        Ok(state) => Some(state == v1::TenantState::Suspended),
        Err(_) => {
            let choices = "TENANT_STATE_ACTIVE and TENANT_STATE_SUSPENDED";
            let text = format!("{} is not a state of a tenant: the states are {choices}", request.state);
            violations.add("state", text);
            None
        }
    };
    ListTenants {
        page_size: request.page_size,
        page_token: request.page_token,
        name_contains: request.name_contains,
        suspended,
        profile: request.profile,
        plan: request.plan,
        created: range("created", (request.created_after, request.created_before), violations),
        order_by: request.order_by,
        violations: Vec::new(),
    }
}

/// Converts the request to list users.
pub(crate) fn users(request: v1::ListUsersRequest, violations: &mut Violations) -> ListUsers {
    let disabled = match v1::UserState::try_from(request.state) {
        Ok(v1::UserState::Unspecified) => None,
        Ok(state) => Some(state == v1::UserState::Disabled),
        Err(_) => {
            let choices = "USER_STATE_ACTIVE and USER_STATE_DISABLED";
            violations.add(
                "state",
                format!("{} is not a state of a user: the states are {choices}", request.state),
            );
            None
        }
    };
    ListUsers {
        tenant: request.tenant,
        all_tenants: request.all_tenants,
        page_size: request.page_size,
        page_token: request.page_token,
        email_contains: request.email_contains,
        role: request.role,
        environment: request.environment,
        disabled,
        created: range("created", (request.created_after, request.created_before), violations),
        order_by: request.order_by,
        violations: Vec::new(),
    }
}

/// Converts the fields `{name}_after` and `{name}_before`.
fn range(
    name: &str,
    (after, before): (Option<Timestamp>, Option<Timestamp>),
    violations: &mut Violations,
) -> TimeRange {
    TimeRange {
        from: timestamp_from_proto(&format!("{name}_after"), after, violations),
        until: timestamp_from_proto(&format!("{name}_before"), before, violations),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_joined_and_an_unknown_one_is_named() {
        let mut violations = Violations::default();
        let states = vec![v1::KeyState::Revoked.into(), v1::KeyState::Active.into(), 9];
        let request =
            v1::ListKeysRequest { state: v1::KeyState::Active.into(), states, ..Default::default() };
        assert_eq!(keys(request, &mut violations).states, [KeyState::Active, KeyState::Revoked]);
        let unknown = v1::ListKeysRequest { state: 9, ..Default::default() };
        assert_eq!(keys(unknown, &mut violations).states, []);
        let _ = tenants(v1::ListTenantsRequest { state: 9, ..Default::default() }, &mut violations);
        let _ = users(v1::ListUsersRequest { state: -1, ..Default::default() }, &mut violations);
        let fields: Vec<String> = violations.into_violations().into_iter().map(|v| v.field).collect();
        assert_eq!(fields, ["states[2]", "state", "state", "state"]);
        let many = v1::ListKeysRequest { states: vec![9; 1_000_000], ..Default::default() };
        let mut violations = Violations::default();
        let _ = keys(many, &mut violations);
        assert_eq!(violations.into_violations().len(), 1 + MAX_STATES);
    }

    #[test]
    fn a_time_that_no_message_can_hold_is_named_by_its_field() {
        let never = Some(Timestamp { seconds: i64::MAX, nanos: 0 });
        let request = v1::ListKeysRequest {
            created_after: never,
            last_used_before: never,
            expires_after: never,
            ..Default::default()
        };
        let mut violations = Violations::default();
        keys(request, &mut violations);
        let fields: Vec<String> = violations.into_violations().into_iter().map(|v| v.field).collect();
        assert_eq!(fields, ["created_after", "last_used_before", "expires_after"]);
    }
}
