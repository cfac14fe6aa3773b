//! Names of resources that the caller of a Check sends. A name that nothing reads is compared with nothing, so that a misspelt
//! one would let a confined credential use any identifier of the resource that is meant.

use crate::cached_key::StringMapRef;
use crate::choices::misspelt;
use crate::policy::Policy;

/// Returns the first of the names that is a misspelling, with the right one: a name that the profile reads or that the
/// credential is bound in. For the latter, a name is also wrong that has a prefix or an ending more ([`is_same_word`]).
/// Other names are those of services, which no profile reads.
pub(super) fn misspelt_name<'n>(
    names: impl Iterator<Item = &'n str>,
    policy: &Policy,
    bindings: StringMapRef<'_>,
) -> Option<(&'n str, String)> {
    let mut unknown = names.filter(|name| bindings.get(name).is_none() && !is_read(policy, name)).peekable();
    unknown.peek()?;
    let bound: Vec<&str> = bindings.iter().map(|(name, _)| name).collect();
    let known: Vec<&str> = bound.iter().copied().chain(policy.binding_names()).collect();
    unknown.find_map(|name| {
        let same_word = || bound.iter().copied().find(|bound| is_same_word(name, bound));
        let meant = misspelt(name, &known).or_else(same_word)?;
        Some((name, meant.to_owned()))
    })
}

/// Returns whether the profile reads a resource of this name, or a kind of key requires a binding of it.
fn is_read(policy: &Policy, name: &str) -> bool {
    let of_kinds = policy.kinds.iter().flat_map(|kind| &kind.bindings);
    of_kinds.map(|known| &**known).chain(policy.resource_names()).any(|known| known == name)
}

/// Returns whether two names are the same word or a misspelling of it, apart from the prefix `resource.`, which names of
/// Envoy's route have, and an ending such as `_id`.
fn is_same_word(one: &str, other: &str) -> bool {
    misspelt(&word(one), &[word(other).as_str()]).is_some()
}

fn word(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let bare = name.strip_prefix("resource.").unwrap_or(&name);
    bare.strip_suffix("id").filter(|rest| !rest.is_empty()).unwrap_or(bare).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::tests::fixture::policy;

    fn meant(name: &str, bindings: &[(Box<str>, Box<str>)]) -> Option<String> {
        let policy = Policy { resources: vec!["shop".into()], ..policy() };
        let bindings = StringMapRef::Pairs(bindings);
        misspelt_name(std::iter::once(name), &policy, bindings).map(|(_, meant)| meant)
    }

    #[test]
    fn a_misspelling_of_a_name_that_is_read_is_found_for_every_credential() {
        for (name, right) in
            [("Shop", "shop"), ("shops", "shop"), ("Merchant", "merchant"), ("mechant", "merchant")]
        {
            assert_eq!(meant(name, &[]).as_deref(), Some(right), "{name}");
        }
        for name in ["shop", "merchant", "store", "merchant_id", "region"] {
            assert_eq!(meant(name, &[]), None, "{name}");
        }
    }

    #[test]
    fn a_bound_credential_knows_other_spellings_of_its_own_names() {
        let bindings: [(Box<str>, Box<str>); 2] =
            [("merchant", "m_1"), ("gate_id", "g_1")].map(|(name, value)| (name.into(), value.into()));
        for (name, right) in [
            ("Merchant", "merchant"),
            ("merchant_id", "merchant"),
            ("merchantId", "merchant"),
            ("resource.merchant", "merchant"),
            ("Gate_ID", "gate_id"),
            ("gate", "gate_id"),
        ] {
            assert_eq!(meant(name, &bindings).as_deref(), Some(right), "{name}");
        }
        for name in ["merchant", "gate_id", "shop", "region", "id"] {
            assert_eq!(meant(name, &bindings), None, "{name}");
        }
    }
}
