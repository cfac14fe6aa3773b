//! Paths and routes. A path is brought into canonical form before it is matched, and a path without one is
//! denied: servers behind a proxy disagree about `//`, `..`, `%2f` and `;x`, and each disagreement is a way
//! to bypass a rule.

mod canonical;
mod matcher;
mod parameter;
mod path_info;
mod pattern;
mod readings;
mod suffix;

pub use canonical::decode_segment;
pub use canonical::{PathError, canonical};
pub use matcher::{RouteErrors, RouteMatch, RouteRefusal, Routes};
pub use parameter::ParameterPlace;
pub use pattern::{Pattern, PatternError};
pub use readings::{PathReadings, parse};

use crate::enforcement::Enforcement;
use crate::limit::RateClassId;
use crate::scope::ScopeSet;

/// A route of a profile. The first declared route that matches a call applies.
#[derive(Clone, Debug)]
pub struct Route {
    /// Pattern of the path.
    pub pattern: Pattern,
    /// Methods in upper case; empty for any.
    pub methods: Vec<Box<str>>,
    /// Scopes of which all are needed.
    pub scopes: ScopeSet,
    /// Scopes of which at least one is needed, if there are any.
    pub any_scopes: ScopeSet,
    /// Kinds of keys that may use the route; empty for all keys and users.
    pub kinds: Vec<Box<str>>,
    /// Resources that the path names, each with its place.
    pub resource: Vec<(Box<str>, ParameterPlace)>,
    /// The rate class; `None` for the default.
    pub class: Option<RateClassId>,
    /// True if calls pass without a credential.
    pub public: bool,
    /// True if the path may have encoded slashes, each as a part of its segment.
    pub encoded_slash: bool,
    /// Enforcement of the denials of the route's calls.
    pub enforce: Enforcement,
}

impl Route {
    /// Returns the methods and the path for display.
    #[must_use]
    pub fn label(&self) -> String {
        if self.methods.is_empty() {
            return self.pattern.text().to_owned();
        }
        format!("{} {}", self.methods.join(","), self.pattern.text())
    }
}

impl Route {
    /// Returns true if a call of `other` needs nothing else than a call of this route. A route that reads a
    /// resource from the path differs from every other one.
    fn requires_same(&self, other: &Self) -> bool {
        self.scopes == other.scopes
            && self.any_scopes == other.any_scopes
            && self.kinds == other.kinds
            && self.resource.is_empty()
            && other.resource.is_empty()
            && self.class == other.class
            && self.public == other.public
            && self.encoded_slash == other.encoded_slash
            && self.enforce == other.enforce
    }
}

/// Returns the segment of a canonical path at this index.
fn segment(path: &str, index: usize) -> Option<&str> {
    segments(path).nth(index)
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').skip(1).filter(|s| !s.is_empty())
}
