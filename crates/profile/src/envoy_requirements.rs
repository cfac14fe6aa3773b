//! Parts of a request that Envoy must send for a profile, for the generation of Envoy's configuration.

use std::collections::BTreeSet;

use crate::profile::Profile;
use crate::source::Source;

/// Parts of a request that a profile reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvoyRequirements {
    /// Names of headers in lower case.
    pub headers: BTreeSet<String>,
    /// True if the profile reads request bodies.
    pub body: bool,
    /// Number of trusted proxies in front of Envoy.
    pub trusted_hops: usize,
    /// True if the credential is forwarded to the upstream.
    pub forwards_credential: bool,
}

impl Profile {
    /// Returns the parts of a request that the profile reads.
    #[must_use]
    pub fn envoy_requirements(&self) -> EnvoyRequirements {
        let rules = &self.rules;
        let mut requirements = EnvoyRequirements {
            trusted_hops: rules.address.trusted_hops,
            forwards_credential: rules.credential.forward,
            ..EnvoyRequirements::default()
        };
        let mut require = |name: &str| requirements.headers.insert(name.to_owned());
        // Every product needs these.
        require("x-request-id");
        require("traceparent");
        if rules.address.trusted_hops > 0 {
            require("x-forwarded-for");
        }
        if let Some(header) = &rules.address.header {
            require(header);
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
    fn every_part_that_is_read_is_listed_and_nothing_else() {
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
