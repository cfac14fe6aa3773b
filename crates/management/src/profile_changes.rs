//! Changes of a profile with the numbers of keys, users and tenants that they affect, and the rule by which a change that
//! takes access away is refused.

use latchkey_core::error::{RequestError, SystemError};
use latchkey_core::profile_change::{AffectedRecords, ProfileChange};
use latchkey_core::time::Timestamp;

use crate::ports::ManagementStore;
use crate::ports::impact::Impact;

/// Largest number of changes that an error names.
const MAX_NAMED: usize = 5;
/// Largest number of examples that an error names for each change.
const MAX_EXAMPLES: usize = 2;

/// Change with the keys, users and tenants that it affects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasuredChange {
    /// The change.
    pub change: ProfileChange,
    /// Keys, users and tenants that are affected; none for a change that was not counted.
    pub impacts: Vec<Impact>,
}

impl MeasuredChange {
    /// Returns changes without counts, as they are without a database. Those that depend on what is stored are left out.
    #[must_use]
    pub fn uncounted(changes: Vec<ProfileChange>) -> Vec<Self> {
        let kept = changes.into_iter().filter(|change| !change.only_if_affected);
        kept.map(|change| Self { change, impacts: Vec::new() }).collect()
    }

    /// Returns true if the change takes access away from an existing key, user or tenant.
    #[must_use]
    pub fn requires_force(&self) -> bool {
        self.change.takes_away && self.impacts.iter().any(|impact| impact.count > 0)
    }

    /// Returns the change, and whom it affects, in a sentence.
    #[must_use]
    pub fn summary(&self) -> String {
        let affected: Vec<String> =
            self.impacts.iter().filter(|impact| impact.count > 0).map(describe).collect();
        match affected.as_slice() {
            [] => self.change.description.clone(),
            affected => format!("{} ({})", self.change.description, affected.join("; ")),
        }
    }
}

/// Returns a number and examples: `2 keys, for example key_1 "api" of acme`.
fn describe(impact: &Impact) -> String {
    let more = if impact.more { "more than " } else { "" };
    let examples: Vec<String> = impact
        .examples
        .iter()
        .take(MAX_EXAMPLES)
        .map(|example| format!("{} {:?} of {}", example.id, example.name, example.tenant))
        .collect();
    let noun = impact.affected.noun(impact.count);
    format!("{more}{} {noun}, for example {}", impact.count, examples.join(" and "))
}

/// Counts the keys, users and tenants that the changes of a profile affect. Those that several changes affect are counted
/// once.
pub async fn measure_changes(
    store: &dyn ManagementStore,
    profile: &str,
    changes: Vec<ProfileChange>,
    now: Timestamp,
) -> Result<Vec<MeasuredChange>, SystemError> {
    let (mut measured, mut counted): (Vec<_>, Vec<(AffectedRecords, Impact)>) = (Vec::new(), Vec::new());
    for change in changes {
        let mut impacts = Vec::new();
        for affected in &change.affected {
            let known = counted.iter().find(|(other, _)| other == affected).map(|(_, impact)| impact.clone());
            let impact = if let Some(impact) = known {
                impact
            } else {
                let impact = store.impact(profile, affected, now).await?;
                counted.push((affected.clone(), impact.clone()));
                impact
            };
            impacts.push(impact);
        }
        if !change.only_if_affected || impacts.iter().any(|impact| impact.count > 0) {
            measured.push(MeasuredChange { change, impacts });
        }
    }
    Ok(measured)
}

/// Returns the changes that take access away and must be forced, in a sentence; `None` if there are none.
#[must_use]
pub fn changes_to_force(changes: &[MeasuredChange]) -> Option<String> {
    let refused: Vec<String> =
        changes.iter().filter(|change| change.requires_force()).map(MeasuredChange::summary).collect();
    if refused.is_empty() {
        return None;
    }
    let mut named = refused.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join("; ");
    if refused.len() > MAX_NAMED {
        named = format!("{named}; and {} more changes", refused.len() - MAX_NAMED);
    }
    Some(named)
}

/// Returns the error of changes that take access away and are not forced.
pub fn refuse_taking_away(profile: &str, changes: &[MeasuredChange]) -> Result<(), RequestError> {
    changes_to_force(changes).map_or(Ok(()), |named| {
        Err(RequestError::FailedPrecondition(format!(
            "the document takes access away from keys, users or tenants of the profile {profile:?}, so nothing was \
             applied; correct the document, or set force (--force) to apply it all the same: {named}"
        )))
    })
}
