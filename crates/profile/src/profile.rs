//! A product's document, compiled: the policy for the gate, and the rules that map HTTP to it and back.

use std::sync::Arc;

use latchkey_core::imported_hash::HashSecret;
use latchkey_core::policy::Policy;
use latchkey_core::scope::ScopeSet;
use latchkey_core::token::TokenRules;

use crate::document;
use crate::endpoint::Endpoints;
use crate::error::Errors;
use crate::examples::Example;
use crate::hosts::HostMap;
use crate::parsed_request::{ClientAddress, Credential, RequestIds};
use crate::rate_limit_view::UnknownLimits;
use crate::response::{CustomDenials, RemovalPlan};
use crate::source::Source;
use crate::template::Template;

/// A product, as its document describes it.
#[derive(Debug)]
pub struct Profile {
    /// Rules that the gate decides by.
    pub policy: Arc<Policy>,
    pub(crate) rules: ProductRules,
}

/// Rules of a product besides the policy: how to read requests and render responses.
#[derive(Debug)]
pub(crate) struct ProductRules {
    pub(crate) hosts: HostMap<Host>,
    pub(crate) credential: Credential,
    pub(crate) tenant: Option<Source>,
    pub(crate) resources: Vec<(Box<str>, Source)>,
    /// Names of values of Envoy's route for resources (`resource.shop`).
    pub(crate) resource_names: Vec<Box<str>>,
    pub(crate) address: ClientAddress,
    pub(crate) request_ids: RequestIds,
    pub(crate) upstream: Vec<HeaderTemplate>,
    pub(crate) removals: RemovalPlan,
    pub(crate) response: Vec<HeaderTemplate>,
    pub(crate) unknown_limits: UnknownLimits,
    pub(crate) denials: CustomDenials,
    pub(crate) examples: Vec<Example>,
    pub(crate) endpoints: Endpoints,
}

/// A host of a product.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// The environment that the host serves; `None` stands for any.
    pub(crate) environment: Option<Box<str>>,
    /// The index of the host in the document.
    pub(crate) index: usize,
}

/// A header with a value that depends on the call.
#[derive(Debug)]
pub(crate) struct HeaderTemplate {
    /// The header's name in lower case.
    pub(crate) name: Box<str>,
    pub(crate) value: Template,
}

impl Profile {
    /// Parses a document, validates it as a whole and compiles it.
    ///
    /// # Errors
    ///
    /// Returns all mistakes of the document, each with its line and column.
    ///
    /// # Examples
    ///
    /// ```
    /// use latchkey_profile::Profile;
    ///
    /// let document = r#"
    ///     name = "paykore"
    ///
    ///     [[kinds]]
    ///     name = "secret"
    ///     prefixes = { live = "sk_live_", test = "sk_test_" }
    ///
    ///     [[routes]]
    ///     path = "/v1/**"
    /// "#;
    /// let profile = Profile::compile(document, 1)?;
    /// assert_eq!(profile.name(), "paykore");
    ///
    /// let errors = Profile::compile("name = 'paykore'\nunmatched_routes = 'allow'", 1).unwrap_err();
    /// assert_eq!(errors.0.len(), 1);
    /// assert_eq!((errors.0[0].line, errors.0[0].field.as_str()), (2, "unmatched_routes"));
    /// # Ok::<(), latchkey_profile::Errors>(())
    /// ```
    pub fn compile(text: &str, version: u64) -> Result<Self, Errors> {
        document::compile(text, version)
    }

    /// Returns the product's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.policy.name
    }

    /// Sets the secrets that the kinds name. `find` returns the secret of a name, if it is set.
    pub fn set_hash_secrets(&mut self, find: impl Fn(&str) -> Option<HashSecret>) {
        let schemes =
            Arc::make_mut(&mut self.policy).kinds.iter_mut().flat_map(|kind| &mut kind.imports.hashes);
        for scheme in schemes.filter(|scheme| !scheme.secret_name.is_empty()) {
            scheme.secret = find(&scheme.secret_name);
        }
    }

    /// Returns the rules for JWTs of this product, if it has any.
    #[must_use]
    pub fn tokens(&self) -> Option<&TokenRules> {
        self.policy.tokens.as_ref()
    }

    /// Returns the scopes of users with this role.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&ScopeSet> {
        self.policy.roles.get(name)
    }
}
