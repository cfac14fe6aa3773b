//! Changes between two documents of a profile, by their effect on callers. The parts that decide about calls are
//! compared as they are compiled, so that two spellings of a rule are no change; everything else is compared field by
//! field.

mod access;
mod affected;
mod checks;
mod credentials;
mod document;
mod hosts;
mod kinds;
mod limits;
mod requirements;
mod routes;
mod scopes;
mod tokens;

use latchkey_core::profile_change::{ChangeEffect, ProfileChange};
use latchkey_core::scope::{ScopeId, ScopeSet};

use crate::error::Errors;
use crate::profile::Profile;

/// The two versions of a profile.
struct Versions<'a> {
    old: &'a Profile,
    new: &'a Profile,
    old_text: &'a str,
    new_text: &'a str,
}

/// Finds the changes from one document of a profile to another, ordered by their effect. Without an earlier
/// document, there are none, because a new profile takes no access away.
///
/// # Errors
///
/// Returns the mistakes of the new document if it does not compile.
pub fn diff(old: Option<&str>, new: &str) -> Result<Vec<ProfileChange>, Errors> {
    let compiled = Profile::compile(new, 0)?;
    let Some(old_text) = old.filter(|old| *old != new) else { return Ok(Vec::new()) };
    let old = match Profile::compile(old_text, 0) {
        Ok(old) => old,
        Err(errors) => {
            let text = format!(
                "the version so far is not in force, because it has mistakes ({}); its keys work again if the new \
                 document has their format",
                errors.0.first().map(ToString::to_string).unwrap_or_default()
            );
            return Ok(vec![ProfileChange::new(ChangeEffect::GrantsMore, "", text)]);
        }
    };
    let versions = Versions { old: &old, new: &compiled, old_text, new_text: new };
    let mut changes = kinds::changes(&versions);
    changes.extend(scopes::changes(&versions));
    changes.extend(access::changes(&versions));
    changes.extend(checks::changes(&versions));
    changes.extend(hosts::changes(&versions));
    changes.extend(tokens::changes(&versions));
    changes.extend(limits::changes(&versions));
    changes.extend(routes::changes(&versions));
    changes.extend(document::changes(&versions, &changes));
    changes.sort_by_key(|change| change.effect);
    Ok(changes)
}

impl Versions<'_> {
    /// Returns the scope of the new version that an old one has become, by its name or an alias.
    fn renamed(&self, scope: ScopeId) -> Option<ScopeId> {
        self.new.policy.scopes.find(self.old.policy.scopes.name(scope))
    }

    /// Returns the scopes of the new version that a set of old ones has become. Removed scopes are left out.
    fn renamed_set(&self, set: &ScopeSet) -> ScopeSet {
        set.iter().filter_map(|scope| self.renamed(scope)).collect()
    }

    /// Returns the names of scopes of the new version.
    fn new_names(&self, set: &ScopeSet) -> String {
        list(self.new.policy.scopes.names(set))
    }
}

/// Returns names in backticks, at most ten of them.
fn list<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match names.get(..10) {
        Some(first) if names.len() > 10 => format!("{} and {} more", first.join(", "), names.len() - 10),
        _ => names.join(", "),
    }
}

/// Returns the noun with an `s` unless there is one thing.
fn plural(noun: &str, count: usize) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}
