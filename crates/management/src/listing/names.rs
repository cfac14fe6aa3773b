//! Names in a filter that selected nothing. A key can have a kind, an environment or a scope that its profile does not have
//! any more, and a binding that its profile does not read, so a name is refused only where nothing was selected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use latchkey_core::choices::{misspelt, not_one_of};
use latchkey_core::error::ManagementError;
use latchkey_core::excerpt::Quoted;
use latchkey_core::id::{KeyId, UserId};
use latchkey_core::operator;
use latchkey_core::policy::Policy;
use latchkey_core::record::TenantRecord;
use latchkey_core::scope::ScopeId;

use crate::field_validator::FieldValidator;
use crate::ports::{KeyFilter, ListRange};
use crate::{Caller, ManagementService};

/// Names in a filter of keys; empty ones select every key.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyNames<'r> {
    /// Kind.
    pub(crate) kind: &'r str,
    /// Environment.
    pub(crate) environment: &'r str,
    /// Subject that created the keys.
    pub(crate) created_by: &'r str,
}

/// Subject of keys that a server created when it started.
const SYSTEM: &str = "latchkey";
/// Beginning of subjects that are client certificates.
const CERTIFICATE: &str = "certificate ";

/// Rejects the name of something that no profile has.
pub(super) fn unknown<'n>(
    fields: &mut FieldValidator<'_>,
    (field, what): (&str, &str),
    name: &str,
    known: impl Iterator<Item = &'n str>,
) {
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    known.dedup();
    if !name.is_empty() && !known.contains(&name) {
        fields.reject(field, format!("the profile has no such {what}: {}", not_one_of(name, known)));
    }
}

/// Rejects an environment that none of the policies has.
pub(super) fn environment(fields: &mut FieldValidator<'_>, name: &str, policies: &[Arc<Policy>]) {
    let known = policies.iter().flat_map(|policy| &policy.environments).map(|name| &**name);
    unknown(fields, ("environment", "environment"), name, known);
}

/// Returns true if a text can be the subject of an action: the identifier of a key or a user, a certificate's name, or the
/// name by which a server acts on its own.
pub(crate) fn is_subject(text: &str) -> bool {
    let is_id = text.parse::<KeyId>().is_ok() || text.parse::<UserId>().is_ok();
    is_id || text == SYSTEM || text.starts_with(CERTIFICATE)
}

/// Rejects names of keys that none of the policies has, and a creator that can be no subject.
pub(crate) fn check_key_names(
    fields: &mut FieldValidator<'_>,
    names: KeyNames<'_>,
    policies: &[Arc<Policy>],
) {
    let kinds = policies.iter().flat_map(|policy| &policy.kinds).map(|kind| &*kind.name);
    unknown(fields, ("kind", "kind"), names.kind, kinds);
    environment(fields, names.environment, policies);
    if !(names.created_by.is_empty() || is_subject(names.created_by)) {
        fields.reject(
            "created_by",
            "no key was created by it: it must be the id of a key (key_…) or of a user (user_…), or \
             \"certificate NAME\"",
        );
    }
}

impl ManagementService {
    /// Returns the policy of a tenant; without a tenant, those of all.
    pub(crate) async fn policies_of(
        &self,
        tenant: Option<&TenantRecord>,
    ) -> Result<Vec<Arc<Policy>>, ManagementError> {
        if let Some(tenant) = tenant {
            return Ok(vec![self.policy_of(tenant)?]);
        }
        let profiles = self.parts.store.profiles().await?;
        let in_force = profiles.iter().filter_map(|profile| self.parts.policies.named(&profile.name));
        Ok(in_force.chain([operator::policy()]).collect())
    }

    /// Adds all names of the scopes to a filter of keys: a key keeps the names that it was granted, and the profile can have
    /// them as aliases now. In a list of one tenant, the scopes get their canonical names. A profile that is not in force
    /// has no other names.
    pub(super) async fn with_names_of_scopes(
        &self,
        mut filter: KeyFilter,
        tenant: Option<&TenantRecord>,
    ) -> Result<KeyFilter, ManagementError> {
        if filter.scopes.is_empty() {
            return Ok(filter);
        }
        let policies = match self.policies_of(tenant).await {
            Ok(policies) => policies,
            Err(ManagementError::Request(_)) => return Ok(filter),
            Err(error) => return Err(error),
        };
        for scope in std::mem::take(&mut filter.scopes) {
            let found = policies.iter().filter_map(|policy| Some((policy, policy.scopes.find(&scope)?)));
            let found: Vec<(&Arc<Policy>, ScopeId)> = found.collect();
            let all: BTreeSet<&str> =
                found.iter().flat_map(|(policy, id)| policy.scopes.all_names(*id)).collect();
            let canonical = found.first().filter(|_| tenant.is_some());
            let name = canonical.map_or_else(|| scope.clone(), |(p, id)| p.scopes.name(*id).to_owned());
            let others = all.into_iter().filter(|other| **other != *name).map(str::to_owned).collect();
            filter.other_names.insert(name.clone(), others);
            filter.scopes.push(name);
        }
        Ok(filter)
    }

    /// Rejects each binding whose name is a misspelling of one that a policy reads, if the caller manages no key with the
    /// binding and has no such binding itself. Any other name is valid: services can name the resource in their Checks.
    pub(crate) async fn check_binding_names(
        &self,
        caller: &Caller,
        tenant: Option<&TenantRecord>,
        bindings: &BTreeMap<String, String>,
        policies: &[Arc<Policy>],
        fields: &mut FieldValidator<'_>,
    ) -> Result<(), ManagementError> {
        let known: Vec<&str> = policies.iter().flat_map(|policy| policy.binding_names()).collect();
        let is_known = |name: &str| known.contains(&name) || caller.bindings().get(name).is_some();
        let is_wrong = |name: &str| !is_known(name) && misspelt(name, &known).is_some();
        let others: Vec<(&String, &String)> = bindings.iter().filter(|(name, _)| is_wrong(name)).collect();
        for (name, value) in others {
            let filter = KeyFilter {
                tenant: tenant.map(|tenant| tenant.id),
                bindings: BTreeMap::from([(name.clone(), value.clone())]),
                ..KeyFilter::default()
            };
            if !self.selects_key(caller, tenant, filter).await? {
                let field = format!("bindings[{}]", Quoted(name));
                unknown(fields, (&field, "binding"), name, known.iter().copied());
            }
        }
        Ok(())
    }

    /// Returns whether a filter selects a key that the caller manages, or can select one that was not compared yet.
    pub(crate) async fn selects_key(
        &self,
        caller: &Caller,
        tenant: Option<&TenantRecord>,
        filter: KeyFilter,
    ) -> Result<bool, ManagementError> {
        let Some(filter) = self.confined(caller, tenant, filter)? else { return Ok(false) };
        let part = self.parts.store.keys(&filter, &ListRange::newest(None, 1)).await?;
        Ok(!part.items.is_empty() || part.next.is_some())
    }

    /// Rejects the name of a profile that does not exist. A caller of a tenant learns of its own profile alone.
    pub(crate) async fn check_profile(&self, caller: &Caller, name: &str) -> Result<(), ManagementError> {
        if name.is_empty() || name == operator::SLUG {
            return Ok(());
        }
        let known: Vec<Box<str>> = if let Some(own) = caller.principal() {
            vec![own.tenant.profile.clone()]
        } else {
            let profiles = self.parts.store.profiles().await?;
            profiles.into_iter().map(|profile| profile.name).collect()
        };
        let mut fields = FieldValidator::new("");
        if !known.iter().any(|known| **known == *name) {
            let choices = not_one_of(name, known.iter().map(|name| &**name));
            fields.reject("profile", format!("there is no such profile: {choices}"));
        }
        Ok(fields.finish()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_creator_is_the_identifier_of_a_subject() {
        let problems = |created_by: &str| {
            let mut fields = FieldValidator::new("");
            check_key_names(&mut fields, KeyNames { created_by, ..KeyNames::default() }, &[]);
            fields.into_violations().len()
        };
        let id = "00000000000070008000000000000000";
        for subject in [&format!("key_{id}"), &format!("user_{id}"), "certificate ops", "latchkey", ""] {
            assert_eq!(problems(subject), 0, "{subject}");
        }
        for wrong in ["ada", "key_1", "user", id] {
            assert_eq!(problems(wrong), 1, "{wrong}");
        }
    }
}
