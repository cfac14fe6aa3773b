//! A product's document, compiled: the rules for the gate, and the customs that only its callers see.

use std::sync::Arc;

use latchkey_core::policy::Policy;
use latchkey_core::scope::ScopeSet;
use latchkey_core::token::TokenRules;

use crate::document;
use crate::endpoint::Endpoints;
use crate::error::Errors;
use crate::examples::Example;
use crate::hosts::HostMap;
use crate::parsed_request::{ClientAddress, Credential, RequestIds};
use crate::response::{CustomDenials, RemovalPlan};
use crate::source::Source;
use crate::template::Template;

/// One product.
#[derive(Debug)]
pub struct Profile {
    /// The rules.
    pub policy: Arc<Policy>,
    pub(crate) rules: ProductRules,
}

/// What differs between products besides the rules.
#[derive(Debug)]
pub(crate) struct ProductRules {
    pub(crate) hosts: HostMap<Host>,
    pub(crate) credential: Credential,
    pub(crate) tenant: Option<Source>,
    pub(crate) resources: Vec<(Box<str>, Source)>,
    pub(crate) address: ClientAddress,
    pub(crate) request_ids: RequestIds,
    pub(crate) upstream: Vec<HeaderTemplate>,
    pub(crate) removals: RemovalPlan,
    pub(crate) response: Vec<HeaderTemplate>,
    pub(crate) denials: CustomDenials,
    pub(crate) examples: Vec<Example>,
    pub(crate) endpoints: Endpoints,
}

/// What a host means.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// The environment that it serves; none: any.
    pub(crate) environment: Option<Box<str>>,
    /// The how-manieth host it is.
    pub(crate) index: usize,
}

/// A header with a value that depends on the call.
#[derive(Debug)]
pub(crate) struct HeaderTemplate {
    /// In lower case.
    pub(crate) name: Box<str>,
    pub(crate) value: Template,
}

impl Profile {
    /// Parses a document, validates it as a whole and compiles it.
    pub fn compile(text: &str, version: u64) -> Result<Self, Errors> {
        document::compile(text, version)
    }

    /// The product's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.policy.name
    }

    /// What JWTs of this product look like, where it has any.
    #[must_use]
    pub fn tokens(&self) -> Option<&TokenRules> {
        self.policy.tokens.as_ref()
    }

    /// What a user with this role may do.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&ScopeSet> {
        self.policy.roles.get(name)
    }
}
