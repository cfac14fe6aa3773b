//! Parts of a request that Envoy must send for a profile, for the generation of Envoy's configuration.

mod patterns;
mod upstream;

use std::collections::BTreeSet;

use latchkey_core::route::Route;

use self::patterns::{regex, replace_placeholders};
use crate::hosts::HostPattern;
use crate::profile::Profile;
use crate::route_values::RESOURCE;
use crate::source::Source;

/// Parts of a request that a profile reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a requirement of its own")]
pub struct EnvoyRequirements {
    /// Name of the profile.
    pub name: String,
    /// Names of headers in lower case. Other spellings need not be sent where Envoy lets none of them pass.
    pub headers: BTreeSet<String>,
    /// Names of the headers that identify the principal to the upstream, in lower case.
    pub identity_headers: BTreeSet<String>,
    /// True if the profile reads request bodies.
    pub body: bool,
    /// Names of resources that are read from the body.
    pub body_resources: Vec<String>,
    /// Names of scopes, with their other names.
    pub scopes: Vec<String>,
    /// Names of rate classes.
    pub rate_classes: Vec<String>,
    /// Names of environments; empty if keys are not divided by environment.
    pub environments: Vec<String>,
    /// Names of resources that a request can name, or that a key can be bound to.
    pub resources: BTreeSet<String>,
    /// Hosts with the environment that each one serves, in the order of the document; empty if hosts do not decide
    /// the environment.
    pub hosts: Vec<(String, Option<String>)>,
    /// True if a route takes paths with encoded slashes.
    pub encoded_slashes: bool,
    /// True if the profile reads values from handshakes of WebSocket.
    pub websocket: bool,
    /// Number of trusted proxies in front of Envoy.
    pub trusted_hops: usize,
    /// True if the credential is forwarded to the upstream.
    pub forwards_credential: bool,
    /// Headers that hold the credential, in lower case.
    pub credential_headers: BTreeSet<String>,
    /// Query parameters that hold the credential, in lower case.
    pub credential_parameters: BTreeSet<String>,
    /// Paths that Latchkey's HTTP port serves.
    pub endpoints: Vec<EndpointPath>,
    /// Requests that the service behind Envoy serves, one for each route that is no endpoint: method and path.
    pub upstream_requests: Vec<(String, String)>,
    /// True if the product's denials leave the status 503 to Envoy's own responses.
    pub replies_to_outages: bool,
}

/// Path of a product's endpoints, as Envoy selects a route by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPath {
    /// Pattern in the document.
    pub pattern: String,
    /// Regular expression (RE2) of the whole path.
    pub regex: String,
    /// Path that the expression matches.
    pub sample: String,
    /// Methods of the path's endpoints.
    pub methods: BTreeSet<String>,
    /// True if a route of the document has some of the paths for other methods, which the service behind Envoy serves: also
    /// a wider one, such as one for preflights of browsers.
    pub shared: bool,
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
            name: self.name().to_owned(),
            identity_headers: rules.upstream.iter().map(|header| header.name.to_string()).collect(),
            endpoints: self.endpoint_paths(),
            upstream_requests: self.upstream_requests(),
            replies_to_outages: self.envoy_replies(0).iter().any(|reply| reply.status == 503),
            trusted_hops: rules.address.trusted_hops,
            forwards_credential: rules.credential.forward,
            hosts: self.hosts_with_environment(),
            scopes: self.scope_names(),
            rate_classes: self.policy.classes.names().map(str::to_owned).collect(),
            environments: self.policy.environments.iter().map(ToString::to_string).collect(),
            resources: self.resource_names(),
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
        for source in &*rules.credential.sources {
            requirements.credential_headers.extend(source.header().map(str::to_owned));
            if let Source::Query(name) = source {
                requirements.credential_parameters.insert(name.to_string());
            }
        }
        for source in sources {
            if let Some(header) = source.header() {
                requirements.headers.insert(header.to_owned());
            }
            requirements.body |= matches!(source, Source::Body(_));
            requirements.websocket |= matches!(source, Source::Subprotocol(_));
        }
        let in_body = rules.resources.iter().filter(|(_, source)| matches!(source, Source::Body(_)));
        requirements.body_resources = in_body.map(|(name, _)| name.to_string()).collect();
        if requirements.body {
            requirements.headers.extend(BODY_HEADERS.map(str::to_owned));
        }
        requirements
    }

    /// Returns the names of all scopes, with their other names.
    fn scope_names(&self) -> Vec<String> {
        let entries = self.policy.scopes.entries().iter();
        let names = entries.flat_map(|scope| std::iter::once(&scope.name).chain(&scope.aliases));
        names.map(ToString::to_string).collect()
    }

    /// Returns the names of resources that a request can name, or that a key can be bound to.
    fn resource_names(&self) -> BTreeSet<String> {
        let names = self.rules.resource_names.iter();
        names.filter_map(|name| name.strip_prefix(RESOURCE)).map(str::to_owned).collect()
    }

    /// Returns the paths of the endpoints, in the order of the document.
    fn endpoint_paths(&self) -> Vec<EndpointPath> {
        let (endpoints, routes) = (&self.rules.endpoints.routes, &self.policy.routes);
        let mut paths: Vec<EndpointPath> = Vec::new();
        for route in (0..).map_while(|index| endpoints.get(index)) {
            let pattern = route.pattern.text();
            let methods = route.methods.iter().map(ToString::to_string);
            let methods = methods.flat_map(|method| {
                let head = (method == "GET").then(|| "HEAD".to_owned());
                [Some(method), head].into_iter().flatten()
            });
            match paths.iter_mut().find(|path| path.pattern == pattern) {
                Some(path) => path.methods.extend(methods),
                None => paths.push(EndpointPath {
                    pattern: pattern.to_owned(),
                    regex: regex(pattern),
                    sample: replace_placeholders(pattern, "x", "x"),
                    methods: methods.collect(),
                    shared: false,
                }),
            }
        }
        for path in &mut paths {
            let mut own = (0..).map_while(|index| endpoints.get(index)).map(|route| &route.pattern);
            let Some(own) = own.find(|pattern| pattern.text() == path.pattern) else { continue };
            let other = |route: &&Route| route.methods.iter().any(|one| !path.methods.contains(&**one));
            let mut others = (0..).map_while(|index| routes.get(index)).filter(other);
            path.shared = others.any(|route| route.pattern.covers(own) || own.covers(&route.pattern));
        }
        paths
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
        assert!(!requirements.websocket);
        let websocket = document.replace("'cookie:k'", "'websocket:bearer'");
        let profile = Profile::compile(&websocket, 1).unwrap_or_else(|e| panic!("{e}"));
        assert!(profile.envoy_requirements().websocket);
    }

    #[test]
    fn the_paths_of_endpoints_are_listed_with_their_methods() {
        let endpoint = |method: &str, path: &str| {
            format!(
                "[[endpoints]]\nmethod = '{method}'\npath = '{path}'\nrpc = 'ListKeys'\nanswer = '{{}}'\n"
            )
        };
        let document = [
            "name = 'p'\n[credential]\nsources = ['header:X-Api-Key', 'query:Key']\n[[kinds]]\nname = 'k'\nprefix = 'k_'\n\
             [[routes]]\npath = '/v1.0/keys'\nmethods = ['PUT']\n",
            &endpoint("GET", "/v1.0/keys"),
            &endpoint("POST", "/v1.0/keys"),
            &endpoint("GET", "/shops/{shop}/keys"),
        ];
        let profile = Profile::compile(&document.concat(), 1).unwrap_or_else(|e| panic!("{e}"));
        let requirements = profile.envoy_requirements();
        let [first, second] = &requirements.endpoints[..] else { panic!("{requirements:?}") };
        assert_eq!((first.regex.as_str(), first.shared), (r"/v1\.0/keys/?", true));
        assert_eq!(first.methods, ["GET", "HEAD", "POST"].map(str::to_owned).into());
        assert_eq!((second.regex.as_str(), second.shared), (r"/shops/[^/]+/keys/?", false));
        assert_eq!(second.sample, "/shops/x/keys");
        for (route, shared) in [
            ("OPTIONS']\npath = '/**'", true),
            ("DELETE']\npath = '/shops/{id}/keys'", true),
            ("PUT']\npath = '/shops/main/keys'", true),
            ("GET']\npath = '/shops/{shop}/keys'", false),
            ("DELETE']\npath = '/shops/{shop}'", false),
        ] {
            let document = document.concat() + &format!("[[routes]]\nmethods = ['{route}\n");
            let profile = Profile::compile(&document, 1).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(profile.envoy_requirements().endpoints[1].shared, shared, "{route}");
        }
        assert_eq!(requirements.credential_headers, ["x-api-key".to_owned()].into());
        assert_eq!(requirements.credential_parameters, ["key".to_owned()].into());
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
