//! Changes of kinds of keys: keys whose values no kind matches any more, and rights that keys of a kind gain.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_core::key_kind::{BASE62, Encoding, KeyKind, Prefixes, checksum};
use latchkey_core::profile_change::{AffectedKeys, AffectedRecords, ChangeEffect, KeyGroup, ProfileChange};
use latchkey_core::scope::ScopeSet;

use super::{Versions, list};

pub(super) fn changes(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let mut changes = if versions.old.policy.accepts.key && !versions.new.policy.accepts.key {
        let text = "API keys are not accepted any more: no key works";
        vec![stops("credential.accepts".to_owned(), text.to_owned(), Vec::new())]
    } else {
        invalid_keys(versions)
    };
    if versions.new.policy.accepts.key {
        changes.extend(imported_keys(versions));
        changes.extend(returning_keys(versions));
    }
    for old in &versions.old.policy.kinds {
        let Some(new) = versions.new.policy.kind(&old.name) else { continue };
        changes.extend(rights(versions, old, new));
    }
    changes
}

fn stops(field: String, text: String, groups: Vec<KeyGroup>) -> ProfileChange {
    let keys = AffectedRecords::Keys(AffectedKeys { groups, ..AffectedKeys::default() });
    ProfileChange::new(ChangeEffect::StopsWorking, field, text).affecting([keys]).taking_away()
}

/// Finds the keys that work before the change and not afterwards, grouped by the cause.
fn invalid_keys(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let mut causes: BTreeMap<(String, String), Vec<KeyGroup>> = BTreeMap::new();
    let old = &versions.old.policy;
    if !old.accepts.key {
        return Vec::new();
    }
    for kind in &old.kinds {
        for group in groups(kind, &old.environments) {
            let Some(cause) = cause(versions, kind, &group) else { continue };
            causes.entry(cause).or_default().push(group);
        }
    }
    causes.into_iter().map(|((field, text), groups)| stops(field, text, groups)).collect()
}

/// Finds the keys of an earlier version, stored with a kind, an environment and a prefix that the version before the change
/// does not have together: they work again.
fn returning_keys(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let (old, new) = (&versions.old.policy, &versions.new.policy);
    let kinds = if old.accepts.key { old.kinds.as_slice() } else { &[] };
    let before: Vec<KeyGroup> = kinds.iter().flat_map(|kind| groups(kind, &old.environments)).collect();
    let with = |keys: AffectedKeys, what: String| {
        let text = format!("keys of an earlier version {what} work again; revoke those that must not");
        let change = ProfileChange::new(ChangeEffect::GrantsMore, "", text);
        change.affecting([AffectedRecords::Keys(keys)]).only_if_affected()
    };
    let change = |kind: &KeyKind| {
        let name = &kind.name;
        if kind.imports.only {
            let keys = AffectedKeys { kinds: vec![name.clone()], ..AffectedKeys::default() };
            let is_new = kinds.iter().all(|other| other.name != *name);
            return is_new.then(|| with(keys, format!("with the kind `{name}`")));
        }
        let mut returning = groups(kind, &new.environments);
        returning.retain(|group| !before.contains(group));
        let prefixes: BTreeSet<&str> = returning.iter().map(|group| &*group.prefix).collect();
        let what = format!("with the kind `{name}` and the prefix {}", list(prefixes));
        let is_new = !returning.is_empty();
        let keys = AffectedKeys { groups: returning, ..AffectedKeys::default() };
        is_new.then(|| with(keys, what))
    };
    new.kinds.iter().filter_map(change).collect()
}

/// Returns the keys of a kind, one group for each environment and prefix.
fn groups(kind: &KeyKind, environments: &[Box<str>]) -> Vec<KeyGroup> {
    // A kind whose keys are imported only has no format of its own.
    if kind.imports.only {
        return Vec::new();
    }
    let group = |environment: &str, prefix: &str| KeyGroup {
        kind: kind.name.clone(),
        environment: environment.into(),
        prefix: prefix.into(),
    };
    match &kind.prefixes {
        Prefixes::Shared(prefix) => environments.iter().map(|name| group(name, prefix)).collect(),
        Prefixes::PerEnvironment(each) => each.iter().map(|(name, prefix)| group(name, prefix)).collect(),
    }
}

/// Returns the field and the reason why keys of a group do not work with the new version; `None` if they do.
fn cause(versions: &Versions<'_>, old: &KeyKind, group: &KeyGroup) -> Option<(String, String)> {
    let (policy, name) = (&versions.new.policy, &old.name);
    let Some(new) = policy.kind(name) else {
        let kept = list(policy.kinds.iter().map(|kind| &kind.name));
        let text = format!("the kind `{name}` is removed (kinds that remain: {kept})");
        return Some((format!("kinds[{name}]"), text));
    };
    if !policy.environments.contains(&group.environment) {
        let environment = &group.environment;
        let text = format!("the environment `{environment}` of keys of the kind `{name}` is removed");
        return Some((format!("kinds[{name}].prefixes.{environment}"), text));
    }
    if samples(old, &group.prefix).iter().all(|value| policy.matches_key_format(value)) {
        return None;
    }
    let now: Vec<&str> = new.prefixes.all().collect();
    if now.contains(&&*group.prefix) {
        let text = format!(
            "the form of values of the kind `{name}` changes from {} to {}: values of the old form are refused",
            form(old),
            form(new)
        );
        let same_secret = old.encoding.name() == new.encoding.name() && old.characters == new.characters;
        let field = if same_secret { "checksum" } else { "secret" };
        return Some((format!("kinds[{name}].{field}"), text));
    }
    let field = if matches!(new.prefixes, Prefixes::Shared(_)) { "prefix" } else { "prefixes" };
    // A prefix that all environments share changes in all of them at once.
    let place = match old.prefixes {
        Prefixes::Shared(_) => String::new(),
        Prefixes::PerEnvironment(_) => format!(" in `{}`", group.environment),
    };
    let before = &group.prefix;
    let text = match new.prefixes.of(&group.environment) {
        Some(after) => format!(
            "the prefix of the kind `{name}`{place} changes from `{before}` to `{after}`: keys with the old prefix are \
             refused"
        ),
        None => format!("the prefix `{before}` of the kind `{name}`{place} is removed"),
    };
    Some((format!("kinds[{name}].{field}"), text))
}

/// Returns valid values of a kind that together have every character that a value can have.
fn samples(kind: &KeyKind, prefix: &str) -> Vec<String> {
    let alphabet: Vec<u8> = match kind.encoding {
        Encoding::Hex => b"0123456789abcdef".to_vec(),
        Encoding::Base62 => BASE62.to_vec(),
        Encoding::Base64Url => [BASE62.as_slice(), b"-_"].concat(),
    };
    let length = kind.characters.max(1);
    let sample = |start: usize| {
        let random = alphabet.iter().cycle().skip(start).take(length).map(|byte| char::from(*byte));
        let mut value: String = prefix.chars().chain(random).collect();
        if kind.checksum {
            let sum = checksum(&value);
            value.extend(sum.iter().map(|byte| char::from(*byte)));
        }
        value
    };
    (0..alphabet.len()).step_by(length).map(sample).collect()
}

fn form(kind: &KeyKind) -> String {
    let sum = if kind.checksum { " with a checksum" } else { "" };
    format!("{} characters of {}{sum}", kind.characters, kind.encoding.name())
}

/// Finds formats and hashes of other systems whose imported keys do not work with the new version.
fn imported_keys(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let mut changes = Vec::new();
    for old in &versions.old.policy.kinds {
        let (imports, name) = (&old.imports, &old.name);
        let text = match versions.new.policy.kind(name).map(|new| &new.imports) {
            None if imports.only || imports.pattern.is_some() => {
                format!("the kind `{name}` is removed, which takes keys of another system")
            }
            Some(new)
                if (imports.pattern.is_some() && imports.pattern != new.pattern)
                    || imports.hashes.iter().any(|scheme| !new.hashes.contains(scheme)) =>
            {
                format!(
                    "the kind `{name}` no longer takes keys of another system with the format or the hash that it took"
                )
            }
            _ => continue,
        };
        let keys =
            AffectedRecords::Keys(AffectedKeys { kinds: vec![name.clone()], ..AffectedKeys::default() });
        let change = ProfileChange::new(ChangeEffect::StopsWorking, format!("kinds[{name}]"), text);
        changes.push(change.affecting([keys]).taking_away());
    }
    changes
}

/// Finds rights that keys of a kind gain or lose.
fn rights(versions: &Versions<'_>, old: &KeyKind, new: &KeyKind) -> Vec<ProfileChange> {
    let (name, mut changes) = (&old.name, Vec::new());
    let field = |field: &str| format!("kinds[{name}].{field}");
    let keys = || {
        let groups = groups(old, &versions.old.policy.environments);
        AffectedRecords::Keys(AffectedKeys { groups, ..AffectedKeys::default() })
    };
    let gained = |before: &ScopeSet, after: &ScopeSet| after.difference(&versions.renamed_set(before));
    let all = |kind: &KeyKind, scopes: &ScopeSet| kind.max_scopes == *scopes;
    let limited =
        !all(old, &versions.old.policy.scopes.all()) || !all(new, &versions.new.policy.scopes.all());
    let more = gained(&old.max_scopes, &new.max_scopes);
    if limited && !more.is_empty() {
        let text = format!("keys of the kind `{name}` can also be granted {}", versions.new_names(&more));
        changes.push(ProfileChange::new(ChangeEffect::GrantsMore, field("scopes"), text));
    }
    let fewer = versions.renamed_set(&old.max_scopes).difference(&new.max_scopes);
    if limited && !fewer.is_empty() {
        let text = format!(
            "new keys of the kind `{name}` cannot be granted {} any more; keys that have them keep them",
            versions.new_names(&fewer)
        );
        changes.push(ProfileChange::new(ChangeEffect::LosesAccess, field("scopes"), text));
    }
    let more = gained(&old.default_scopes, &new.default_scopes);
    if !more.is_empty() {
        let text = format!(
            "new keys of the kind `{name}` get {} where a request names no scopes",
            versions.new_names(&more)
        );
        changes.push(ProfileChange::new(ChangeEffect::GrantsMore, field("default_scopes"), text));
    }
    let reach = |kind: &KeyKind, from: &str, to: &str| kind.can_create_keys_in(from, to);
    for (from, others) in &new.creates_keys_in {
        let more: Vec<&str> = others.iter().map(AsRef::as_ref).filter(|to| !reach(old, from, to)).collect();
        if !more.is_empty() {
            let text = format!("keys of the kind `{name}` in `{from}` may create keys in {}", list(more));
            changes.push(ProfileChange::new(ChangeEffect::GrantsMore, field("makes_keys_in"), text));
        }
    }
    if new.retrievable && !old.retrievable {
        let text =
            format!("values of keys of the kind `{name}` that are created from now on can be read again");
        changes.push(ProfileChange::new(ChangeEffect::GrantsMore, field("retrievable"), text));
    }
    let fewer_bindings: Vec<_> = old.bindings.iter().filter(|name| !new.bindings.contains(name)).collect();
    if !fewer_bindings.is_empty() {
        let text = format!("new keys of the kind `{name}` need no binding to {}", list(fewer_bindings));
        changes
            .push(ProfileChange::new(ChangeEffect::GrantsMore, field("bindings"), text).affecting([keys()]));
    }
    changes
}
