//! Changes of rules that apply to all calls: enforcement of the whole profile, calls without a route, sources of the
//! credential, the tenant, environments and passwords.

use latchkey_core::policy::UnmatchedRoute;
use latchkey_core::profile_change::{AffectedKeys, AffectedRecords, ChangeEffect, ProfileChange};
use latchkey_core::route::Routes;

use super::affected::{AffectedSet, SENT, measured};
use super::document::texts;
use super::{Versions, list};
use crate::parsed_request::Conflict;
use crate::source::Source;
use crate::template_context::CredentialFormat;

pub(super) fn changes(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let mut changes = switches(versions);
    changes.extend(sources(versions));
    changes.extend(formats(versions));
    changes.extend(environments(versions));
    changes
}

/// Describes a rule that is either strict or open, before and afterwards.
struct Switch {
    field: &'static str,
    /// True if the rule is open, before and afterwards.
    open: (bool, bool),
    /// Values before and afterwards of the change that opens the rule.
    values: (&'static str, &'static str),
    /// Effect of the change that opens the rule.
    opened: &'static str,
    /// Effect of the change that closes the rule.
    closed: &'static str,
    /// True if the rule is about the calls of every key and user, and not only about calls of a certain content.
    affects_all: bool,
}

fn switches(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let (old, new) = (&versions.old.policy, &versions.new.policy);
    let (before, after) = (&versions.old.rules.credential, &versions.new.rules.credential);
    let all = [
        Switch {
            field: "enforce",
            open: (old.enforce.is_shadow(), new.enforce.is_shadow()),
            values: ("on", "shadow"),
            opened: "nothing is enforced any more (shadow): every call passes, even with a revoked key or without one",
            closed: "the profile is enforced: calls that passed in shadow alone are denied",
            affects_all: true,
        },
        Switch {
            field: "unmatched_routes",
            open: (
                old.unmatched == UnmatchedRoute::Authenticate,
                new.unmatched == UnmatchedRoute::Authenticate,
            ),
            values: ("deny", "authenticate"),
            opened: "calls that match no route pass with any valid credential, whatever its scopes are",
            closed: "calls that match no route are denied",
            affects_all: true,
        },
        Switch {
            field: "tenant.required",
            open: (!old.tenant_required, !new.tenant_required),
            values: ("true", "false"),
            opened: "calls need not name their tenant",
            closed: "calls that do not name their tenant are denied",
            affects_all: false,
        },
        Switch {
            field: "credential.conflict",
            open: (before.conflict == Conflict::First, after.conflict == Conflict::First),
            values: ("deny", "first"),
            opened: "calls with several different credentials pass with the first one",
            closed: "calls with several different credentials are denied",
            affects_all: false,
        },
        Switch {
            field: "credential.forward",
            open: (before.forward, after.forward),
            values: ("false", "true"),
            opened: "the credential is forwarded to the upstream",
            closed: "the credential is not forwarded to the upstream",
            affects_all: true,
        },
    ];
    all.iter().chain(&path_switches(&old.routes, &new.routes)).filter_map(switch).collect()
}

/// Returns the switches of how paths are compared with routes.
fn path_switches(old: &Routes, new: &Routes) -> [Switch; 4] {
    [
        Switch {
            field: "paths",
            open: (old.is_case_sensitive(), new.is_case_sensitive()),
            values: ("unambiguous", "case_sensitive"),
            opened: "paths that match a route only in another letter case are not denied for it any more",
            closed: "paths that match a route only in another letter case are denied",
            affects_all: false,
        },
        Switch {
            field: "trailing_slash",
            open: (old.ignores_last_slash(), new.ignores_last_slash()),
            values: ("unambiguous", "ignore"),
            opened: "paths that end with a slash are the paths without it, also where another route would take them",
            closed: "paths that end with a slash are denied where another route would take them",
            affects_all: false,
        },
        Switch {
            field: "format_suffix",
            open: (old.distinguishes_suffix(), new.distinguishes_suffix()),
            values: ("unambiguous", "distinct"),
            opened: "paths that match a narrower route but for a suffix such as `.json` are not denied for it any more",
            closed: "paths that match a narrower route but for a suffix such as `.json` are denied",
            affects_all: false,
        },
        Switch {
            field: "path_info",
            open: (old.distinguishes_path_info(), new.distinguishes_path_info()),
            values: ("unambiguous", "distinct"),
            opened: "paths that match a narrower route behind a script such as `/index.php` are not denied for it any more",
            closed: "paths that match a narrower route behind a script such as `/index.php` are denied",
            affects_all: false,
        },
    ]
}

fn switch(switch: &Switch) -> Option<ProfileChange> {
    let Switch { field, open, values, opened, closed, affects_all } = switch;
    let change = match open {
        (false, true) => {
            ProfileChange::new(ChangeEffect::GrantsMore, *field, *opened).values(values.0, values.1)
        }
        (true, false) => {
            ProfileChange::new(ChangeEffect::LosesAccess, *field, *closed).values(values.1, values.0)
        }
        (false, false) | (true, true) => return None,
    };
    Some(measured(change, if *affects_all { AffectedSet::all() } else { AffectedSet::Uncounted(SENT) }))
}

/// Finds sources of the credential that are read no more, from now on, or in another order.
fn sources(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let (before, after) = (&versions.old.rules.credential, &versions.new.rules.credential);
    let names = |text: &str, sources: &[Source], others: &[Source]| -> Vec<String> {
        let missing =
            written_sources(text).into_iter().zip(sources).filter(|(_, source)| !others.contains(source));
        missing.map(|(name, _)| name).collect()
    };
    let removed = names(versions.old_text, &before.sources, &after.sources);
    let added = names(versions.new_text, &after.sources, &before.sources);
    let mut changes = Vec::new();
    let field = "credential.sources";
    if !removed.is_empty() {
        let text = format!(
            "credentials in {} are not read any more: clients that send them there are denied",
            list(&removed)
        );
        let all = [
            AffectedRecords::Keys(AffectedKeys::default()),
            AffectedRecords::Users { roles: Vec::new(), environment: None },
        ];
        let change = ProfileChange::new(ChangeEffect::StopsWorking, field, text);
        changes.push(change.affecting(all).taking_away());
    }
    if !added.is_empty() {
        let text = format!("credentials are also read from {}", list(&added));
        changes.push(ProfileChange::new(ChangeEffect::Other, field, text));
    }
    let kept = |sources: &[Source], others: &[Source]| -> Vec<Source> {
        sources.iter().filter(|source| others.contains(source)).cloned().collect()
    };
    let reordered = kept(&before.sources, &after.sources) != kept(&after.sources, &before.sources);
    if reordered && [before.conflict, after.conflict] == [Conflict::First; 2] {
        let text = "calls with several different credentials pass with that of another source, which is listed first";
        changes.push(ProfileChange::new(ChangeEffect::Other, field, text));
    }
    changes
}

/// Finds sources of the credential that take keys or JWTs no more, or from now on.
fn formats(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let (before, after) = (&versions.old.rules.credential, &versions.new.rules.credential);
    let mut changes = Vec::new();
    for (name, source) in written_sources(versions.new_text).into_iter().zip(&after.sources) {
        if !before.sources.contains(source) {
            continue;
        }
        for (format, what) in [(CredentialFormat::Key, "keys"), (CredentialFormat::Jwt, "JWTs")] {
            let name = list(std::slice::from_ref(&name));
            let (effect, text) = match (before.takes(source, format), after.takes(source, format)) {
                (true, false) => (ChangeEffect::LosesAccess, format!("{what} in {name} are denied")),
                (false, true) => (ChangeEffect::GrantsMore, format!("{what} in {name} are accepted")),
                (true, true) | (false, false) => continue,
            };
            let change = ProfileChange::new(effect, "credential.only", text);
            changes.push(measured(change, AffectedSet::Uncounted(SENT)));
        }
    }
    changes
}

/// Returns the sources of the credential as a document writes them.
fn written_sources(text: &str) -> Vec<String> {
    let written = texts(text, "credential", "sources");
    if written.is_empty() { vec!["header:authorization Bearer".to_owned()] } else { written }
}

/// Finds environments that are removed, whose keys are found with the kinds, and those that are added: they are open to
/// users that were created without an environment, who may have been meant for the earlier environments alone.
fn environments(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let (old, new) = (&versions.old.policy.environments, &versions.new.policy.environments);
    let gone = old.iter().filter(|name| !new.contains(name)).map(|name| {
        let text =
            format!("the environment `{name}` is removed: users that are confined to it can do nothing");
        let users = AffectedRecords::Users { roles: Vec::new(), environment: Some(name.clone()) };
        ProfileChange::new(ChangeEffect::StopsWorking, "", text).affecting([users]).taking_away()
    });
    let added = new.iter().filter(|name| !old.contains(name)).map(|name| {
        let text = format!(
            "the environment `{name}` is added: users without an environment of their own have access to it too; \
             confine those that are meant for the others with `latchkey user update ID --environment NAME`"
        );
        ProfileChange::new(ChangeEffect::GrantsMore, "", text).affecting([AffectedRecords::UnconfinedUsers])
    });
    gone.chain(added).collect()
}
