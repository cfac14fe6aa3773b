//! Bounds on the numbers of entries in lists of requests. Each wrong entry costs an error of its own, with the choices and the
//! nearest of them, so that a list of hundreds of thousands would occupy a thread for seconds.

use latchkey_core::error::RequestError;
use latchkey_core::policy::Policy;

/// Largest number of scopes in a request, as for a Check, unless the profile has more.
const MAX_SCOPES: usize = 256;
/// Number of violations of a key or another object from which on unknown names are described without the choices.
pub(crate) const MOST_DESCRIBED: usize = 16;
/// Number of violations of the earlier keys of an import from which on the same holds.
pub(crate) const MOST_DESCRIBED_BEFORE: usize = 64;
/// Largest number of fields that a request names.
const MAX_FIELDS: usize = 64;
/// Largest number of limits in a request, unless the profile has more rate classes.
const MAX_LIMITS: usize = 64;

/// Returns the largest number of scopes in a request for a tenant of a profile.
pub(crate) fn most_scopes(policy: &Policy) -> usize {
    policy.scopes.entries().len().max(MAX_SCOPES)
}

/// Returns the largest number of limits in a request for a tenant of a profile.
pub(crate) fn most_limits(policy: &Policy) -> usize {
    policy.classes.names().count().max(MAX_LIMITS)
}

/// Returns the description of a list that has more entries than it may have.
pub(crate) fn too_many(most: usize, count: usize) -> String {
    format!("must have at most {most} entries, and has {count}")
}

/// Returns an error for a list of scopes that has more of them than it may have.
pub(crate) fn check_scopes(names: &[String], policy: &Policy) -> Result<(), RequestError> {
    check("scopes", names.len(), most_scopes(policy))
}

/// Returns an error for a mask that names more fields than it may name.
pub(crate) fn check_mask(fields: &[String]) -> Result<(), RequestError> {
    check("update_mask", fields.len(), MAX_FIELDS)
}

fn check(field: &str, count: usize, most: usize) -> Result<(), RequestError> {
    if count <= most { Ok(()) } else { Err(RequestError::field(field, too_many(most, count))) }
}

#[cfg(test)]
mod tests {
    use latchkey_core::operator;
    use latchkey_profile::Profile;

    use super::*;

    #[test]
    fn a_list_has_a_bound_and_one_error() {
        let names = |count: usize| vec!["x".to_owned(); count];
        assert_eq!(check_scopes(&names(256), &operator::policy()), Ok(()));
        assert_eq!(check_mask(&names(64)), Ok(()));
        let scopes = RequestError::field("scopes", "must have at most 256 entries, and has 257");
        assert_eq!(check_scopes(&names(257), &operator::policy()), Err(scopes));
        let mask = RequestError::field("update_mask", "must have at most 64 entries, and has 65");
        assert_eq!(check_mask(&names(65)), Err(mask));
    }

    #[test]
    fn a_request_can_have_a_limit_for_each_class() {
        assert_eq!(most_limits(&operator::policy()), 64);
        let class = |n: usize| format!("class{n} = [{{ per = \"key\", rate = \"9/h\" }}]\n");
        let classes: Vec<String> = (0..65).map(class).collect();
        let document = format!("name = \"p\"\n[rate_limits]\n{}", classes.concat());
        let profile = Profile::compile(&document, 1).unwrap();
        assert!(most_limits(&profile.policy) >= 65);
    }
}
