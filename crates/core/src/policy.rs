//! Policy: a profile as the gate sees it, with its kinds of keys, scopes, routes and limits. Texts and
//! headers of a product are not part of it; the profile crate has them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::enforcement::Enforcement;
use crate::imported_hash::ImportedHashes;
use crate::key_kind::KeyKind;
use crate::limit::{NameMap, Plan, RateClasses};
use crate::route::Routes;
use crate::scope::{ScopeRegistry, ScopeSet};
use crate::secret::KeyHash;
use crate::token::TokenRules;

/// Least length of a user's password in characters, if the profile sets none.
pub const DEFAULT_PASSWORD_LENGTH: usize = 15;
/// Smallest value, in characters, that a profile may set for the least length of a password.
pub const LEAST_PASSWORD_LENGTH: usize = 8;

/// Treatment of a call that matches no route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnmatchedRoute {
    /// The call is denied.
    #[default]
    Deny,
    /// The call is allowed with any valid credential.
    Authenticate,
}

/// Credentials that a profile accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptedCredentials {
    /// API keys.
    pub key: bool,
    /// JWTs.
    pub jwt: bool,
}

/// Rules of one product, compiled from its profile document.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The profile's name.
    pub name: Arc<str>,
    /// The version of the document.
    pub version: u64,
    /// Enforcement of the profile's denials.
    pub enforce: Enforcement,
    /// Credentials that the profile accepts.
    pub accepts: AcceptedCredentials,
    /// True if a request must name its tenant.
    pub tenant_required: bool,
    /// Environments that keys can belong to.
    pub environments: Vec<Box<str>>,
    /// Kinds of keys.
    pub kinds: Vec<KeyKind>,
    /// Scopes.
    pub scopes: ScopeRegistry,
    /// Routes.
    pub routes: Routes,
    /// Treatment of a call that matches no route.
    pub unmatched: UnmatchedRoute,
    /// Rate classes.
    pub classes: RateClasses,
    /// Plans by name.
    pub plans: NameMap<Plan>,
    /// Rules of JWTs, if the profile has any.
    pub tokens: Option<TokenRules>,
    /// Roles of users, with the scopes that each one grants.
    pub roles: HashMap<Box<str>, ScopeSet>,
    /// Least length of a user's password in characters.
    pub min_password_length: usize,
    /// Names of the resources that sources of a request have, besides those in the paths of routes.
    pub resources: Vec<Box<str>>,
    /// Prefix of the identifiers that are generated for requests; `None` for none.
    pub request_id_prefix: Option<Box<str>>,
}

impl Policy {
    /// Returns the names of bindings that the profile reads: those that its kinds require, and those that resources of
    /// requests are compared with. Sorted, each once.
    #[must_use]
    pub fn binding_names(&self) -> Vec<&str> {
        let of_kinds = self.kinds.iter().flat_map(|kind| &kind.bindings);
        let mut names: Vec<&str> = of_kinds.map(|name| &**name).chain(self.resource_names()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Returns the names of the resources of requests, in sources and in the paths of routes.
    pub fn resource_names(&self) -> impl Iterator<Item = &str> {
        let routes = (0..).map_while(|number| self.routes.get(number));
        let in_paths = routes.flat_map(|route| &route.resource).map(|(name, _)| &**name);
        self.resources.iter().map(|name| &**name).chain(in_paths)
    }

    /// Returns the kind of this name.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<&KeyKind> {
        self.kinds.iter().find(|k| *k.name == *name)
    }

    /// Returns the kind that is used when a request names none.
    #[must_use]
    pub fn default_kind(&self) -> Option<&KeyKind> {
        self.kinds.iter().find(|k| k.default)
    }

    /// Returns whether the profile accepts keys, and a value has the format of one of its kinds.
    #[must_use]
    pub fn accepts_key(&self, value: &str) -> bool {
        self.accepts.key && self.matches_key_format(value)
    }

    /// Returns whether a value has the format of one of the kinds.
    #[must_use]
    pub fn matches_key_format(&self, value: &str) -> bool {
        self.kinds.iter().any(|kind| kind.matches_format(value))
    }

    /// Returns whether a value that begins with `prefix` may have the format of one of the kinds. An empty prefix says
    /// nothing about a value.
    #[must_use]
    pub fn may_begin_with(&self, prefix: &str) -> bool {
        prefix.is_empty() || self.kinds.iter().any(|kind| kind.may_begin_with(prefix))
    }

    /// Returns the hashes, besides SHA-256, by which a key of this value may be stored. There are none unless a kind
    /// declares hashes of another system.
    #[must_use]
    pub fn imported_hashes(&self, value: &str) -> ImportedHashes {
        let mut hashes = ImportedHashes::new();
        self.kinds.iter().for_each(|kind| kind.add_imported_hashes(value, &mut hashes));
        // If several keys have the value, the first that is not in force decides: by an order that no document changes.
        hashes.sort_unstable();
        hashes
    }

    /// Returns whether the profile finds the key of a value that is stored by SHA-256 of the value, or by this imported
    /// hash.
    #[must_use]
    pub fn finds_by_hash(&self, value: &str, imported: Option<&KeyHash>) -> bool {
        imported.is_none_or(|hash| self.imported_hashes(value).contains(hash))
    }
}
