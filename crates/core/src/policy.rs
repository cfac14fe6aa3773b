//! A profile as the law sees it: which kinds of keys there are, which scopes, which route needs what, how
//! often. What a product's texts and headers look like is no part of it (that is the profile crate's).

use std::collections::HashMap;
use std::sync::Arc;

use crate::enforcement::Enforcement;
use crate::key_kind::KeyKind;
use crate::limit::{NameMap, Plan, RateClasses};
use crate::route::Routes;
use crate::scope::{ScopeRegistry, ScopeSet};
use crate::token::TokenRules;

/// Least length of a user's password in characters, where the profile sets none.
pub const DEFAULT_PASSWORD_LENGTH: usize = 15;
/// Smallest value, in characters, that a profile may set for the least length of a password.
pub const LEAST_PASSWORD_LENGTH: usize = 8;

/// What becomes of a call that no route takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnmatchedRoute {
    /// It is denied.
    #[default]
    Deny,
    /// Any valid credential passes.
    Authenticate,
}

/// Which credentials a profile takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptedCredentials {
    /// API keys.
    pub key: bool,
    /// JWTs.
    pub jwt: bool,
}

/// The rules of one product, compiled from its document.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The profile's name.
    pub name: Arc<str>,
    /// The version of its document.
    pub version: u64,
    /// Whether its denials are enforced.
    pub enforce: Enforcement,
    /// Credentials that it takes.
    pub accepts: AcceptedCredentials,
    /// Whether a request must name its tenant.
    pub tenant_required: bool,
    /// Environments that keys can be of.
    pub environments: Vec<Box<str>>,
    /// Kinds of keys.
    pub kinds: Vec<KeyKind>,
    /// Scopes.
    pub scopes: ScopeRegistry,
    /// Routes.
    pub routes: Routes,
    /// Where no route matches.
    pub unmatched: UnmatchedRoute,
    /// Rate classes.
    pub classes: RateClasses,
    /// Plans.
    pub plans: NameMap<Plan>,
    /// Its tokens, where it has any.
    pub tokens: Option<TokenRules>,
    /// What a user with each role may do.
    pub roles: HashMap<Box<str>, ScopeSet>,
    /// The least length of a user's password, in characters.
    pub min_password_length: usize,
}

impl Policy {
    /// The kind of this name.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<&KeyKind> {
        self.kinds.iter().find(|k| *k.name == *name)
    }

    /// The kind that is meant where none is named.
    #[must_use]
    pub fn default_kind(&self) -> Option<&KeyKind> {
        self.kinds.iter().find(|k| k.default)
    }

    /// Whether a value has the form of one of the kinds.
    #[must_use]
    pub fn matches_key_format(&self, value: &str) -> bool {
        self.kinds.iter().any(|kind| kind.matches_format(value))
    }
}
