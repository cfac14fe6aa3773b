//! Changes of checks that confine calls and keys: the tenant and the resources that a call names, the address of the
//! client, and the lifetimes of keys.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_core::key_kind::{KeyKind, in_largest_unit};
use latchkey_core::profile_change::{ChangeEffect, ProfileChange};

use super::document::{names, value};
use super::{Versions, list};
use crate::profile::Profile;
use crate::source::Source;

pub(super) fn changes(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let mut changes = names_in_calls(versions);
    changes.extend(client_address(versions));
    changes.extend(upstream_headers(versions));
    for old in &versions.old.policy.kinds {
        let new = versions.new.policy.kind(&old.name);
        changes.extend(new.into_iter().flat_map(|new| lifetimes(old, new)));
    }
    changes
}

/// Returns the sources of the tenant and of resources, by their fields.
fn sources(profile: &Profile) -> BTreeMap<String, &Source> {
    let tenant = profile.rules.tenant.iter().map(|source| ("tenant.source".to_owned(), source));
    let resources = profile.rules.resources.iter().map(|(name, source)| (format!("resource.{name}"), source));
    tenant.chain(resources).collect()
}

/// Compares the sources of the tenant and of resources. A call is checked by what it names there, and by nothing if it
/// names none.
fn names_in_calls(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let (old, new) = (sources(versions.old), sources(versions.new));
    let fields: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    for field in fields {
        let what = match field.strip_prefix("resource.") {
            Some(name) => format!("resource `{name}`"),
            None => "tenant".to_owned(),
        };
        let (before, after) = (old.get(field), new.get(field));
        let (effect, text) = match (before, after) {
            _ if before == after => continue,
            (Some(_), None) => {
                let text = format!(
                    "the {what} that calls name is not compared with that of the credential any more"
                );
                (ChangeEffect::GrantsMore, text)
            }
            (None, _) => {
                let text = format!("calls that name another {what} than that of their credential are denied");
                (ChangeEffect::LosesAccess, text)
            }
            (Some(_), Some(_)) => {
                let text = format!(
                    "the {what} of calls is read from another source: one in the former source confines no call"
                );
                (ChangeEffect::GrantsMore, text)
            }
        };
        let (before, after) = (value(versions.old_text, field), value(versions.new_text, field));
        changes.push(ProfileChange::new(effect, field, text).values(before, after));
    }
    changes
}

/// Finds headers for the service that are not set any more. They are not removed from requests either, so that a client can
/// send them.
fn upstream_headers(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let table = "upstream_headers";
    // Every spelling of a header that is set is removed.
    let plain = |name: &String| name.to_ascii_lowercase().replace(['_', '.'], "-");
    let kept: Vec<String> = names(versions.new_text, table).iter().map(plain).collect();
    let gone = names(versions.old_text, table).into_iter().filter(|name| !kept.contains(&plain(name)));
    let change = |name: String| {
        let field = format!("{table}.{name}");
        let before = value(versions.old_text, &field);
        let text = format!(
            "the header `{name}` of a client reaches the service: it is neither set nor removed any more"
        );
        ProfileChange::new(ChangeEffect::GrantsMore, field, text).values(before, "")
    };
    gone.map(change).collect()
}

/// Compares how the client's address is found, which networks of keys and limits per address depend on.
fn client_address(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let (before, after) = (&versions.old.rules.address, &versions.new.rules.address);
    let mut changes = Vec::new();
    let mut add = |field: &str, text: String| {
        let field = format!("client_address.{field}");
        let (before, after) = (value(versions.old_text, &field), value(versions.new_text, &field));
        changes.push(ProfileChange::new(ChangeEffect::GrantsMore, field, text).values(before, after));
    };
    let differs = [
        ("trusted_hops", before.trusted_hops != after.trusted_hops),
        ("header", before.header != after.header),
    ];
    for (field, _) in differs.iter().filter(|(_, differs)| *differs) {
        let text = "the address of the client is found in another way: networks that keys are confined to, and limits \
                    per address, apply to that one";
        add(field, text.to_owned());
    }
    let more = after.envoys.iter().filter(|own| !before.envoys.iter().any(|known| known.contains(*own)));
    let more: Vec<String> = more.map(ToString::to_string).collect();
    if !more.is_empty() {
        add("envoys", format!("Envoys in {} are trusted to name the address of the client", list(more)));
    }
    changes
}

/// Finds bounds of the lifetimes of a kind's keys that are removed or wider.
fn lifetimes(old: &KeyKind, new: &KeyKind) -> Vec<ProfileChange> {
    let (before, after, name) = (&old.lifetime, &new.lifetime, &old.name);
    let mut changes = Vec::new();
    let mut add = |field: &str, text: String, values: (String, String)| {
        let field = format!("kinds[{name}].{field}");
        let change = ProfileChange::new(ChangeEffect::GrantsMore, field, text);
        changes.push(change.values(values.0, values.1));
    };
    let written =
        |before, after: Option<_>| (in_largest_unit(before), after.map(in_largest_unit).unwrap_or_default());
    if let Some(max) = before.max
        && after.max.is_none_or(|now| now > max)
    {
        add("max_ttl", format!("keys of the kind `{name}` can be valid for longer"), written(max, after.max));
    }
    if before.expiry_required && !after.requires_expiry() {
        let values = (true.to_string(), false.to_string());
        add("require_expiry", format!("keys of the kind `{name}` need not expire"), values);
    }
    // Without a default, a request that names no expiry is refused if one is required.
    if let Some(default) = before.default
        && after.default.map_or(!after.requires_expiry(), |now| now > default)
    {
        let text =
            format!("new keys of the kind `{name}` are valid for longer where a request names no expiry");
        add("default_ttl", text, written(default, after.default));
    }
    changes
}
