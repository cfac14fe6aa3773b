//! Changes of scopes and roles: scopes that keys and users lose, and those that users gain.

use std::collections::BTreeMap;

use latchkey_core::profile_change::{AffectedKeys, AffectedRecords, ChangeEffect, ProfileChange};
use latchkey_core::scope::{ScopeEntry, ScopeSet};

use super::affected::{AffectedSet, LACKING, measured};
use super::{Versions, list, plural};

/// Largest number of removed scopes that are counted one by one; more are counted together.
const MAX_COUNTED: usize = 10;

pub(super) fn changes(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let mut changes = lost_scopes(versions);
    changes.extend(returning_scopes(versions));
    changes.extend(merged_scopes(versions));
    changes.extend(enforcement(versions));
    changes.extend(roles(versions));
    changes.extend(added_roles(versions));
    changes
}

/// Returns the names by which keys have an old scope, and lose it with the new version.
fn lost_names<'a>(versions: &Versions<'a>, entry: &'a ScopeEntry) -> Vec<&'a str> {
    let scopes = &versions.new.policy.scopes;
    let kept = scopes.find(&entry.name);
    let lost = |name: &&str| {
        let found = scopes.find(name);
        found.is_none() || (kept.is_some() && found != kept)
    };
    std::iter::once(&entry.name).chain(&entry.aliases).map(AsRef::as_ref).filter(lost).collect()
}

fn lost_scopes(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let entries = versions.old.policy.scopes.entries().iter();
    let lost: Vec<(&ScopeEntry, Vec<&str>)> = entries
        .map(|entry| (entry, lost_names(versions, entry)))
        .filter(|(_, names)| !names.is_empty())
        .collect();
    let keys = |names: Vec<&str>| {
        let scopes = names.into_iter().map(Into::into).collect();
        AffectedRecords::Keys(AffectedKeys { scopes, ..AffectedKeys::default() })
    };
    if lost.len() > MAX_COUNTED {
        let text = format!(
            "{} {} removed and taken away from the keys that have them: {}",
            lost.len(),
            plural("scope", lost.len()) + if lost.len() == 1 { " is" } else { " are" },
            list(lost.iter().map(|(entry, _)| &entry.name))
        );
        let names = lost.into_iter().flat_map(|(_, names)| names).collect();
        return vec![
            ProfileChange::new(ChangeEffect::LosesAccess, "scopes", text)
                .affecting([keys(names)])
                .taking_away(),
        ];
    }
    let change = |(entry, names): (&ScopeEntry, Vec<&str>)| {
        let text = if names.contains(&&*entry.name) {
            format!(
                "the scope `{0}` is removed and taken away from the keys that have it; if it has a new name, list `{0}` \
                 in the new scope's `aliases`",
                entry.name
            )
        } else {
            format!("the scope `{}` loses the {} {}", entry.name, plural("name", names.len()), list(&names))
        };
        ProfileChange::new(ChangeEffect::LosesAccess, format!("scopes[{}]", entry.name), text)
            .affecting([keys(names)])
            .taking_away()
    };
    lost.into_iter().map(change).collect()
}

/// Finds names of scopes that are added, also as aliases, and that keys of an earlier version are stored with: these keys
/// have the scopes again.
fn returning_scopes(versions: &Versions<'_>) -> Option<ProfileChange> {
    let old = &versions.old.policy.scopes;
    let entries = versions.new.policy.scopes.entries().iter();
    let names = entries.flat_map(|entry| std::iter::once(&entry.name).chain(&entry.aliases));
    let added: Vec<Box<str>> = names.filter(|name| old.find(name).is_none()).cloned().collect();
    if added.is_empty() {
        return None;
    }
    let text =
        format!("keys of an earlier version that are stored with {} have the scope again", list(&added));
    let keys = AffectedKeys { scopes: added, ..AffectedKeys::default() };
    let change = ProfileChange::new(ChangeEffect::GrantsMore, "", text);
    Some(change.affecting([AffectedRecords::Keys(keys)]).only_if_affected())
}

/// Finds scopes that become names of one scope: a key or user with one of them has all that it permits.
fn merged_scopes(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let old = &versions.old.policy;
    let change = |new: &ScopeEntry| {
        let names = std::iter::once(&new.name).chain(&new.aliases);
        let merged: ScopeSet = names.filter_map(|name| old.scopes.find(name)).collect();
        // One scope, or none, is not merged with another.
        let _ = merged.iter().nth(1)?;
        let registry = &versions.new.policy.scopes;
        let entries = merged.iter().filter_map(|scope| old.scopes.entries().get(usize::from(scope.0)));
        let names = entries.flat_map(|entry| std::iter::once(&entry.name).chain(&entry.aliases));
        let scopes: Vec<Box<str>> =
            names.filter(|name| registry.find(name) == registry.find(&new.name)).cloned().collect();
        let text = format!(
            "{} are names of one scope, `{}`: keys and users that have one of them can do what each of them permitted",
            list(&scopes),
            new.name
        );
        let keys = AffectedKeys { scopes, ..AffectedKeys::default() };
        let mut roles: Vec<Box<str>> = old
            .roles
            .iter()
            .filter(|(_, granted)| granted.intersects(&merged) && !granted.covers(&merged))
            .map(|(role, _)| role.clone())
            .collect();
        roles.sort_unstable();
        let users = (!roles.is_empty()).then_some(AffectedRecords::Users { roles, environment: None });
        let field = format!("scopes[{}].aliases", new.name);
        let change = ProfileChange::new(ChangeEffect::GrantsMore, field, text);
        Some(change.affecting([AffectedRecords::Keys(keys)]).affecting(users))
    };
    versions.new.policy.scopes.entries().iter().filter_map(change).collect()
}

/// Finds scopes that begin or cease to be enforced.
fn enforcement(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let mut changes = Vec::new();
    for old in versions.old.policy.scopes.entries() {
        let scopes = &versions.new.policy.scopes;
        let Some(new) = scopes.find(&old.name) else { continue };
        let shadow = scopes.shadow().contains(new);
        let (effect, text) = match (old.enforce.is_shadow(), shadow) {
            (false, true) => {
                (ChangeEffect::GrantsMore, "is not enforced any more (shadow): calls without it pass")
            }
            (true, false) => (ChangeEffect::LosesAccess, "is enforced: calls without it are denied"),
            (false, false) | (true, true) => continue,
        };
        let field = format!("scopes[{}].enforce", old.name);
        let change = ProfileChange::new(effect, field, format!("the scope `{}` {text}", old.name));
        changes.push(measured(change, AffectedSet::Uncounted(LACKING)));
    }
    changes
}

fn roles(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let mut changes = Vec::new();
    let old: BTreeMap<_, _> = versions.old.policy.roles.iter().collect();
    for (name, before) in old {
        let users = || AffectedRecords::Users { roles: vec![name.clone()], environment: None };
        let field = format!("roles[{name}]");
        let Some(after) = versions.new.role(name) else {
            let text = format!("the role `{name}` is removed: its users have no scope any more");
            changes.push(
                ProfileChange::new(ChangeEffect::StopsWorking, field, text)
                    .affecting([users()])
                    .taking_away(),
            );
            continue;
        };
        let gone: Vec<&str> = before
            .iter()
            .filter(|scope| versions.renamed(*scope).is_none_or(|scope| !after.contains(scope)))
            .map(|scope| versions.old.policy.scopes.name(scope))
            .collect();
        if !gone.is_empty() {
            let text = format!("users with the role `{name}` lose {}", list(gone));
            changes.push(
                ProfileChange::new(ChangeEffect::LosesAccess, field.clone(), text)
                    .affecting([users()])
                    .taking_away(),
            );
        }
        let gained = after.difference(&versions.renamed_set(before));
        if !gained.is_empty() {
            let text = format!("users with the role `{name}` gain {}", versions.new_names(&gained));
            changes.push(ProfileChange::new(ChangeEffect::GrantsMore, field, text).affecting([users()]));
        }
    }
    changes
}

/// Finds roles that are added. Users can have a role already that the version before did not.
fn added_roles(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let (old, new) = (&versions.old.policy.roles, &versions.new.policy.roles);
    let mut added: Vec<_> = new.iter().filter(|(name, _)| !old.contains_key(*name)).collect();
    added.sort_unstable_by_key(|(name, _)| *name);
    let changes = added.into_iter().map(|(name, granted)| {
        let scopes = if granted.is_empty() { "no scope".to_owned() } else { versions.new_names(granted) };
        let text = format!("the role `{name}` is added: its users have {scopes}");
        let users = AffectedRecords::Users { roles: vec![name.clone()], environment: None };
        ProfileChange::new(ChangeEffect::GrantsMore, format!("roles[{name}]"), text).affecting([users])
    });
    changes.collect()
}
