//! `[[examples]]`: requests with the answers that the document promises for them. They are checked for form
//! when a document is applied, and run by whoever tests it; no call is judged by them.

use std::collections::BTreeMap;

use latchkey_core::policy::Policy;

use crate::examples::{Example, Expected, Life, Who};
use crate::reader::{Section, Text};

/// More help nobody, and each costs memory wherever the document is in force.
const MOST: usize = 200;
/// How often one may be sent.
const MOST_REPEATS: u64 = 10_000;

/// The examples in the order that they are declared in.
pub(super) fn read(root: &mut Section<'_>, policy: &Policy) -> Vec<Example> {
    let mut examples = Vec::new();
    for mut section in root.sections("examples") {
        let example = example(&mut section, policy);
        section.close();
        examples.extend(example);
    }
    if examples.len() > MOST {
        root.refuse(format!("{} examples are more than {MOST}", examples.len()));
    }
    examples
}

fn example(section: &mut Section<'_>, policy: &Policy) -> Option<Example> {
    let name = section.needed_text("name");
    let request = section.needed_text("request").and_then(|text| request(&text));
    let host = section.text("host").map(|text| text.value.into()).unwrap_or_default();
    let headers = texts(section, "headers");
    let body = section.text("body").map(|text| text.value.into());
    let who = section.section("who").map(|who| self::who(who, policy));
    let repeat = repeat(section);
    let expected = section.section("expect").map(expected);
    if expected.is_none() {
        section.refuse("the field \"expect\" is missing");
    }
    let (method, target) = request?;
    let expected = expected?;
    Some(Example { name: name?.value.into(), method, target, host, headers, body, who, repeat, expected })
}

/// `METHOD /path?query`.
fn request(text: &Text<'_>) -> Option<(Box<str>, Box<str>)> {
    let parts = text.split_once(' ').filter(|(method, target)| !method.is_empty() && target.starts_with('/'));
    if parts.is_none() {
        text.refuse(format!("\"{}\" is not a request; write \"GET /v1/things\"", text.value));
    }
    parts.map(|(method, target)| (method.into(), target.into()))
}

fn repeat(section: &mut Section<'_>) -> u32 {
    let Some(value) = section.value("repeat") else { return 1 };
    let count = value.count().unwrap_or(1);
    if !(1..=MOST_REPEATS).contains(&count) {
        value.refuse(format!("a request is sent 1 to {MOST_REPEATS} times"));
    }
    u32::try_from(count).unwrap_or(1)
}

/// Names with texts, the names in lower case.
fn texts(section: &mut Section<'_>, field: &'static str) -> Vec<(Box<str>, Box<str>)> {
    let entries = section.section(field).map(|table| table.entries()).unwrap_or_default();
    let pair = |(name, value): (Text<'_>, crate::reader::Value<'_>)| {
        Some((name.to_ascii_lowercase().into(), value.text()?.value.into()))
    };
    entries.into_iter().filter_map(pair).collect()
}

fn who(mut section: Section<'_>, policy: &Policy) -> Who {
    let kind = section.text("kind");
    let environment = section.text("environment");
    let scopes = section.given_texts("scopes");
    let bindings: BTreeMap<String, String> =
        texts(&mut section, "bindings").into_iter().map(|(n, v)| (n.into(), v.into())).collect();
    let plan = section.text("plan");
    let tenant = section.text("tenant").map_or("acme", |text| text.value);
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
    Who {
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

fn expected(mut section: Section<'_>) -> Expected {
    let status = section.needed("status").and_then(|value| value.count());
    let expected = Expected {
        status: status.and_then(|status| u16::try_from(status).ok()).unwrap_or_default(),
        body: section.text("body").map(|text| text.value.into()),
        headers: texts(&mut section, "headers"),
        upstream: texts(&mut section, "upstream"),
    };
    section.close();
    expected
}
