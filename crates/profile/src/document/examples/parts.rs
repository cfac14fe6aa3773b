//! Senders of an example's request: a key, or a user with a role.

use std::collections::BTreeMap;

use latchkey_core::policy::Policy;

use super::texts;
use crate::document::scopes::undeclared;
use crate::examples::{FixtureState, KeyFixture, Sender, TENANT, UserFixture};
use crate::reader::{Section, Text};

/// Reads the sender of a request.
pub(super) fn sender(mut section: Section<'_>, policy: &Policy) -> Sender {
    match section.text("user") {
        Some(email) => Sender::User(user(section, &email, policy)),
        None => Sender::Key(key(section, policy)),
    }
}

fn user(mut section: Section<'_>, email: &Text<'_>, policy: &Policy) -> UserFixture {
    let password = section.required_text("password");
    let role = section.required_text("role");
    if let Some(role) = role.as_ref().filter(|role| !policy.roles.contains_key(role.value)) {
        role.report(format!("there is no role \"{}\"", role.value));
    }
    let user = UserFixture {
        email: email.value.into(),
        password: password.map_or_else(Box::default, |text| text.value.into()),
        role: role.map_or_else(Box::default, |text| text.value.into()),
        bindings: bindings(&mut section),
        tenant: section.text("tenant").map_or(TENANT, |text| text.value).into(),
    };
    section.close();
    user
}

fn bindings(section: &mut Section<'_>) -> BTreeMap<String, String> {
    texts(section, "bindings").into_iter().map(|(n, v)| (n.into(), v.into())).collect()
}

/// Reads a key.
pub(super) fn key(mut section: Section<'_>, policy: &Policy) -> KeyFixture {
    let label = section.text("name").map_or("example", |text| text.value);
    let kind = section.text("kind");
    let environment = section.text("environment");
    let scopes = section.optional_texts("scopes");
    let bindings = bindings(&mut section);
    let plan = section.text("plan");
    let tenant = section.text("tenant").map_or(TENANT, |text| text.value);
    let state = section.text("state");
    let default = policy.default_kind().map_or("", |kind| &kind.name);
    let name = kind.as_ref().map_or(default, |text| text.value);
    let first = policy.environments.first().map_or("live", |name| name);
    let environment_name = environment.as_ref().map_or(first, |text| text.value);
    match policy.kind(name) {
        None => section.report(format!("there is no kind \"{name}\"")),
        Some(kind) if kind.prefixes.of(environment_name).is_none() => {
            section.report(format!("there are no {name} keys in \"{environment_name}\""));
        }
        Some(_) => {}
    }
    if let Some(plan) = plan.as_ref().filter(|plan| !policy.plans.contains_key(plan.value)) {
        plan.report(format!("there is no plan \"{}\"", plan.value));
    }
    for scope in scopes.iter().flatten().filter(|scope| policy.scopes.find(scope).is_none()) {
        scope.report(undeclared(scope.value, &policy.scopes));
    }
    section.close();
    KeyFixture {
        name: label.into(),
        kind: name.into(),
        environment: environment_name.into(),
        scopes: scopes.map(|all| all.iter().map(|text| text.value.into()).collect()),
        bindings,
        plan: plan.map(|text| text.value.into()),
        tenant: tenant.into(),
        state: state.map_or(FixtureState::Active, |text| parse_state(&text)),
    }
}

fn parse_state(text: &Text<'_>) -> FixtureState {
    match text.value {
        "active" => FixtureState::Active,
        "revoked" => FixtureState::Revoked,
        "expired" => FixtureState::Expired,
        "disabled" => FixtureState::Disabled,
        other => {
            text.report(format!(
                "\"{other}\" is none of \"active\", \"revoked\", \"expired\" and \"disabled\""
            ));
            FixtureState::Active
        }
    }
}
