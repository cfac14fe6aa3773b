//! Paths and routes. A path is brought into one form before anything is matched, and what can't be is
//! denied: servers behind a proxy disagree about `//`, `..`, `%2f` and `;x`, and each disagreement is a way in.

mod canonical;
mod matcher;

pub use canonical::{PathError, canonical};
pub use matcher::{Pattern, PatternError, Routes};

use crate::enforcement::Enforcement;
use crate::limit::RateClassId;
use crate::scope::ScopeSet;

/// A route of a profile. The first that matches a call counts.
#[derive(Clone, Debug)]
pub struct Route {
    /// The path that it takes.
    pub pattern: Pattern,
    /// Methods in upper case; none: any.
    pub methods: Vec<Box<str>>,
    /// All of these are needed.
    pub scopes: ScopeSet,
    /// And at least one of these, if there are any.
    pub any_scopes: ScopeSet,
    /// Kinds of keys that may use it; none: any.
    pub kinds: Vec<Box<str>>,
    /// Resources that the path names: the resource, and the place of its segment.
    pub resource: Vec<(Box<str>, usize)>,
    /// The rate class; none: the default.
    pub class: Option<RateClassId>,
    /// Whether it passes without a credential.
    pub public: bool,
    /// Whether denials of its calls are enforced.
    pub enforce: Enforcement,
}

impl Route {
    /// Its methods and its path, for people.
    #[must_use]
    pub fn label(&self) -> String {
        if self.methods.is_empty() {
            return self.pattern.text().to_owned();
        }
        format!("{} {}", self.methods.join(","), self.pattern.text())
    }
}

/// The segment of a canonical path at a place.
#[must_use]
pub fn segment(path: &str, place: usize) -> Option<&str> {
    segments(path).nth(place)
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').skip(1).filter(|s| !s.is_empty())
}
