//! Who takes part in an example: a key, or a user with a role.

use std::collections::BTreeMap;

use latchkey_core::policy::Policy;

use super::texts;
use crate::examples::{KeyPart, Life, TENANT, UserPart, Who};
use crate::reader::{Section, Text};

/// The sender.
pub(super) fn who(mut section: Section<'_>, policy: &Policy) -> Who {
    match section.text("user") {
        Some(email) => Who::User(user(section, &email, policy)),
        None => Who::Key(key(section, policy)),
    }
}

fn user(mut section: Section<'_>, email: &Text<'_>, policy: &Policy) -> UserPart {
    let password = section.needed_text("password");
    let role = section.needed_text("role");
    if let Some(role) = role.as_ref().filter(|role| !policy.roles.contains_key(role.value)) {
        role.refuse(format!("there is no role \"{}\"", role.value));
    }
    let part = UserPart {
        email: email.value.into(),
        password: password.map_or_else(Box::default, |text| text.value.into()),
        role: role.map_or_else(Box::default, |text| text.value.into()),
        bindings: bindings(&mut section),
        tenant: section.text("tenant").map_or(TENANT, |text| text.value).into(),
    };
    section.close();
    part
}

fn bindings(section: &mut Section<'_>) -> BTreeMap<String, String> {
    texts(section, "bindings").into_iter().map(|(n, v)| (n.into(), v.into())).collect()
}

/// A key.
pub(super) fn key(mut section: Section<'_>, policy: &Policy) -> KeyPart {
    let label = section.text("name").map_or("example", |text| text.value);
    let kind = section.text("kind");
    let environment = section.text("environment");
    let scopes = section.given_texts("scopes");
    let bindings = bindings(&mut section);
    let plan = section.text("plan");
    let tenant = section.text("tenant").map_or(TENANT, |text| text.value);
    let state = section.text("state");
    let default = policy.default_kind().map_or("", |kind| &kind.name);
    let name = kind.as_ref().map_or(default, |text| text.value);
    let first = policy.environments.first().map_or("live", |name| name);
    let place = environment.as_ref().map_or(first, |text| text.value);
    match policy.kind(name) {
        None => section.refuse(format!("there is no kind \"{name}\"")),
        Some(kind) if kind.prefixes.of(place).is_none() => {
            section.refuse(format!("there are no {name} keys in \"{place}\""));
        }
        Some(_) => {}
    }
    if let Some(plan) = plan.as_ref().filter(|plan| !policy.plans.contains_key(plan.value)) {
        plan.refuse(format!("there is no plan \"{}\"", plan.value));
    }
    for scope in scopes.iter().flatten().filter(|scope| policy.scopes.find(scope).is_none()) {
        scope.refuse(format!("the catalogue has no scope \"{}\"", scope.value));
    }
    section.close();
    KeyPart {
        name: label.into(),
        kind: name.into(),
        environment: place.into(),
        scopes: scopes.map(|all| all.iter().map(|text| text.value.into()).collect()),
        bindings,
        plan: plan.map(|text| text.value.into()),
        tenant: tenant.into(),
        life: state.map_or(Life::Active, |text| life(&text)),
    }
}

fn life(text: &Text<'_>) -> Life {
    match text.value {
        "active" => Life::Active,
        "revoked" => Life::Revoked,
        "expired" => Life::Expired,
        "disabled" => Life::Disabled,
        other => {
            text.refuse(format!(
                "\"{other}\" is none of \"active\", \"revoked\", \"expired\" and \"disabled\""
            ));
            Life::Active
        }
    }
}
