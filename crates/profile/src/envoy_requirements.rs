//! Parts of a request that Envoy must send for a profile, for the generation of Envoy's configuration.

use std::collections::BTreeSet;

use crate::hosts::HostPattern;
use crate::profile::Profile;
use crate::source::Source;

/// Parts of a request that a profile reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvoyRequirements {
    /// Names of headers in lower case. Other spellings need not be sent, because they are removed from each request.
    pub headers: BTreeSet<String>,
    /// True if the profile reads request bodies.
    pub body: bool,
    /// Names of resources that are read from the body.
    pub body_resources: Vec<String>,
    /// Hosts with the environment that each one serves, in the order of the document; empty if hosts do not decide
    /// the environment.
    pub hosts: Vec<(String, Option<String>)>,
    /// True if a route takes paths with encoded slashes.
    pub encoded_slashes: bool,
    /// Number of trusted proxies in front of Envoy.
    pub trusted_hops: usize,
    /// True if the credential is forwarded to the upstream.
    pub forwards_credential: bool,
}

/// Headers that say how a body is to be read.
const BODY_HEADERS: [&str; 4] =
    ["content-encoding", "content-length", "transfer-encoding", "x-envoy-auth-partial-body"];

impl Profile {
    /// Returns the parts of a request that the profile reads.
    #[must_use]
    pub fn envoy_requirements(&self) -> EnvoyRequirements {
        let rules = &self.rules;
        let mut requirements = EnvoyRequirements {
            trusted_hops: rules.address.trusted_hops,
            forwards_credential: rules.credential.forward,
            hosts: self.hosts_with_environment(),
            encoded_slashes: self.policy.routes.permits_encoded_slash(),
            ..EnvoyRequirements::default()
        };
        let mut require = |name: &str| requirements.headers.insert(name.to_owned());
        // Every product needs these. The content type says whether a denial must be one of gRPC.
        require("x-request-id");
        require("traceparent");
        require("content-type");
        if rules.address.trusted_hops > 0 {
            require("x-forwarded-for");
        }
        if let Some(header) = &rules.address.header {
            require(header);
        }
        let resources = rules.resources.iter().map(|(_, source)| source);
        let sources = rules.credential.sources.iter().chain(&rules.tenant).chain(resources);
        for source in sources {
            if let Some(header) = source.header() {
                requirements.headers.insert(header.to_owned());
            }
            requirements.body |= matches!(source, Source::Body(_));
        }
        let in_body = rules.resources.iter().filter(|(_, source)| matches!(source, Source::Body(_)));
        requirements.body_resources = in_body.map(|(name, _)| name.to_string()).collect();
        if requirements.body {
            requirements.headers.extend(BODY_HEADERS.map(str::to_owned));
        }
        requirements
    }

    /// Returns the hosts, each with the environment of the first declared host that covers it, as calls of it get.
    fn hosts_with_environment(&self) -> Vec<(String, Option<String>)> {
        let mut hosts: Vec<_> = self.rules.hosts.entries().collect();
        hosts.sort_by_key(|(_, host)| host.index);
        if hosts.iter().all(|(_, host)| host.environment.is_none()) {
            return Vec::new();
        }
        let environment = |pattern: &HostPattern| {
            let (_, first) = hosts.iter().find(|(other, _)| other.covers(pattern))?;
            first.environment.as_deref().map(str::to_owned)
        };
        hosts.iter().map(|(pattern, _)| (pattern.to_string(), environment(pattern))).collect()
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
                "content-encoding",
                "content-length",
                "content-type",
                "cookie",
                "traceparent",
                "transfer-encoding",
                "x-api-key",
                "x-envoy-auth-partial-body",
                "x-forwarded-for",
                "x-org",
                "x-request-id"
            ]
        );
        assert!(requirements.body && requirements.trusted_hops == 2 && !requirements.forwards_credential);
    }

    #[test]
    fn a_host_has_the_environment_of_the_first_host_that_covers_it() {
        let document = "name = 'p'\n[[hosts]]\nhost = '*.a.dev'\nenvironment = 'test'\n\
            [[hosts]]\nhost = 'api.a.dev'\nenvironment = 'live'\n[[hosts]]\nhost = 'b.dev'\n";
        let profile = Profile::compile(document, 1).unwrap_or_else(|e| panic!("{e}"));
        let hosts = profile.envoy_requirements().hosts;
        let expected = [("*.a.dev", Some("test")), ("api.a.dev", Some("test")), ("b.dev", None)];
        assert_eq!(hosts, expected.map(|(host, name)| (host.to_owned(), name.map(str::to_owned))));
    }
}
