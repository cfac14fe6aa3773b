//! What a profile must be shown of a request: whoever sets up the proxy in front sends that, and no more.

use std::collections::BTreeSet;

use crate::profile::Profile;
use crate::source::Source;

/// What a profile looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
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
    pub fn needs(&self) -> Needs {
        let customs = &self.customs;
        let mut needs = Needs {
            trusted_hops: customs.address.trusted_hops,
            forwards_credential: customs.credential.forward,
            ..Needs::default()
        };
        let mut want = |name: &str| needs.headers.insert(name.to_owned());
        // Carried from call to call, whatever the product.
        want("x-request-id");
        want("traceparent");
        if customs.address.trusted_hops > 0 {
            want("x-forwarded-for");
        }
        if let Some(header) = &customs.address.header {
            want(header);
        }
        let resources = customs.resources.iter().map(|(_, source)| source);
        let sources = customs.credential.sources.iter().chain(&customs.tenant).chain(resources);
        for source in sources {
            let header = match source {
                Source::Header(name) | Source::Scheme(name, _) => &**name,
                Source::Cookie(_) => "cookie",
                Source::Query(_) => continue,
                Source::Body(_) => {
                    needs.body = true;
                    continue;
                }
            };
            needs.headers.insert(header.to_owned());
        }
        if needs.body {
            needs.headers.insert("x-envoy-auth-partial-body".to_owned());
        }
        needs
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
        let needs = Profile::compile(document, 1).unwrap_or_else(|e| panic!("{e}")).needs();
        let headers: Vec<&str> = needs.headers.iter().map(String::as_str).collect();
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
        assert!(needs.body && needs.trusted_hops == 2 && !needs.forwards_credential);
    }
}
