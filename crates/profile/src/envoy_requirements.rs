//! What a profile must be shown of a request: whoever sets up the proxy in front sends that, and no more.

use std::collections::BTreeSet;

use crate::profile::Profile;
use crate::source::Source;

/// What a profile looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvoyRequirements {
    /// Headers, in lower case.
    pub headers: BTreeSet<String>,
    /// Whether it looks into bodies.
    pub body: bool,
    /// Proxies in front of the one that asks, whose word about the client counts.
    pub trusted_hops: usize,
    /// Whether the upstream is meant to see the credential.
    pub forwards_credential: bool,
}

impl Profile {
    /// What it looks at.
    #[must_use]
    pub fn envoy_requirements(&self) -> EnvoyRequirements {
        let rules = &self.rules;
        let mut requirements = EnvoyRequirements {
            trusted_hops: rules.address.trusted_hops,
            forwards_credential: rules.credential.forward,
            ..EnvoyRequirements::default()
        };
        let mut want = |name: &str| requirements.headers.insert(name.to_owned());
        // Carried from call to call, whatever the product.
        want("x-request-id");
        want("traceparent");
        if rules.address.trusted_hops > 0 {
            want("x-forwarded-for");
        }
        if let Some(header) = &rules.address.header {
            want(header);
        }
        let resources = rules.resources.iter().map(|(_, source)| source);
        let sources = rules.credential.sources.iter().chain(&rules.tenant).chain(resources);
        for source in sources {
            let header = match source {
                Source::Header(name) | Source::Scheme(name, _) => &**name,
                Source::Cookie(_) => "cookie",
                Source::Query(_) => continue,
                Source::Body(_) => {
                    requirements.body = true;
                    continue;
                }
            };
            requirements.headers.insert(header.to_owned());
        }
        if requirements.body {
            requirements.headers.insert("x-envoy-auth-partial-body".to_owned());
        }
        requirements
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_that_is_looked_at_is_named_and_nothing_else() {
        let document = "name = 'p'\n\
            [credential]\nsources = ['header:X-Api-Key', 'header:authorization Bearer', 'query:key', 'cookie:k']\n\
            [tenant]\nsource = 'header:X-Org'\n\
            [resource]\nmerchant = 'body:/merchant'\n\
            [client_address]\ntrusted_hops = 2\n\
            [[kinds]]\nname = 'k'\nprefix = 'k_'\n";
        let requirements =
            Profile::compile(document, 1).unwrap_or_else(|e| panic!("{e}")).envoy_requirements();
        let headers: Vec<&str> = requirements.headers.iter().map(String::as_str).collect();
        assert_eq!(
            headers,
            [
                "authorization",
                "cookie",
                "traceparent",
                "x-api-key",
                "x-envoy-auth-partial-body",
                "x-forwarded-for",
                "x-org",
                "x-request-id"
            ]
        );
        assert!(requirements.body && requirements.trusted_hops == 2 && !requirements.forwards_credential);
    }
}
