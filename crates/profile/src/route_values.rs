//! Values that Envoy's route can set (`context_extensions`): which names there are, and which values deny every request.

use latchkey_core::choices::not_one_of;

use crate::envoy_requirements::EnvoyRequirements;

/// Names of values besides those of resources.
pub(crate) const NAMES: [&str; 4] = ["profile", "scopes", "rate_class", "environment"];
/// Beginning of the name of a value that names a resource.
pub(crate) const RESOURCE: &str = "resource.";

/// Returns the description of a name that no value of Envoy's route has; `None` for a name that is read.
///
/// ```
/// use latchkey_profile::unknown_route_value;
///
/// assert_eq!(unknown_route_value("scopes"), None);
/// assert_eq!(
///     unknown_route_value("scope").as_deref(),
///     Some(r#""scope" is not one of profile, scopes, rate_class, environment, resource.NAME; did you mean scopes?"#)
/// );
/// ```
#[must_use]
pub fn unknown_route_value(name: &str) -> Option<String> {
    if is_resource_value(name) || NAMES.contains(&name) {
        return None;
    }
    Some(not_one_of(name, NAMES.into_iter().chain(["resource.NAME"])))
}

/// Returns whether the name is that of a value for a resource: `resource.` and a label.
pub(crate) fn is_resource_value(name: &str) -> bool {
    let is_label = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    name.strip_prefix(RESOURCE).is_some_and(is_label)
}

impl EnvoyRequirements {
    /// Returns the description of a value of Envoy's route that the profile does not have; `None` for one that it has. The
    /// name of the profile is not compared.
    #[must_use]
    pub fn unknown_in_route_value(&self, name: &str, value: &str) -> Option<String> {
        let missing = |what: &str, one: &str, known: &[String]| {
            let names = || not_one_of(one, known.iter().map(String::as_str));
            (!known.iter().any(|known| known == one)).then(|| format!("the {what} {}", names()))
        };
        match name {
            "scopes" => {
                let mut listed = value.split(',').map(str::trim).filter(|one| !one.is_empty());
                listed.find_map(|one| missing("scope", one, &self.scopes))
            }
            "rate_class" => missing("rate class", value, &self.rate_classes),
            "environment" if self.environments.is_empty() => None,
            "environment" => missing("environment", value, &self.environments),
            // A profile that names no resource takes any.
            _ if self.resources.is_empty() => None,
            _ => {
                let resources: Vec<String> = self.resources.iter().cloned().collect();
                missing("resource", name.strip_prefix(RESOURCE)?, &resources)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Profile;

    #[test]
    fn a_value_of_a_route_is_compared_with_the_names_of_the_profile() {
        let document = "name = 'p'\n[resource]\nshop = 'header:x-shop'\n\
            [[scopes]]\nname = 'orders.read'\naliases = ['read']\n\
            [[kinds]]\nname = 'k'\nprefixes = { live = 'k_live_', test = 'k_test_' }\nbindings = ['merchant']\n\
            [rate_limits]\nheavy = [{ per = 'key', rate = '10/min' }]\n\
            [[routes]]\npath = '/gates/{gate}'\nresource = { gate = '{gate}' }\n";
        let profile = Profile::compile(document, 1).unwrap_or_else(|e| panic!("{e}"));
        let own = profile.envoy_requirements();
        for (name, value) in [
            ("scopes", "orders.read, read"),
            ("rate_class", "heavy"),
            ("environment", "live"),
            ("resource.shop", "-"),
            ("resource.merchant", "m_1"),
            ("resource.gate", "g"),
            ("profile", "other"),
        ] {
            assert_eq!(own.unknown_in_route_value(name, value), None, "{name}: {value}");
        }
        for (name, value, words) in [
            ("scopes", "orders.read,orders.raed", "the scope \"orders.raed\""),
            ("rate_class", "nope", "the rate class \"nope\""),
            ("environment", "Live", "did you mean live?"),
            ("resource.Shop", "-", "did you mean shop?"),
        ] {
            let error = own.unknown_in_route_value(name, value).unwrap_or_default();
            assert!(error.contains(words), "{name}: {value}: {error}");
        }
    }

    #[test]
    fn a_misspelt_name_of_a_value_is_described_with_the_right_one() {
        for (name, near) in [("scope", "scopes"), ("enviroment", "environment"), ("Profile", "profile")] {
            let error = unknown_route_value(name).unwrap_or_default();
            assert!(error.ends_with(&format!("did you mean {near}?")), "{name}: {error}");
        }
        assert_eq!(unknown_route_value("resource.x-1"), None);
        for wrong in ["resource.", "resource.a b", "resource.é", "resources.x"] {
            assert!(unknown_route_value(wrong).is_some(), "{wrong}");
        }
    }
}
