//! Calls that no route takes: the reasons of their denials, and the methods that their path has.

use super::fold::fold;
use super::tree::Search;
use super::{RouteMatch, RouteRefusal, Routes};
use crate::check_input::Path;
use crate::route::Route;

/// Reasons of the denials of calls that no route takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteErrors {
    /// The reason is the same for each, and does not show the routes.
    #[default]
    Forbidden,
    /// A caller with a valid credential learns whether the path has no route, or none for the method.
    AfterAuthentication,
    /// Every caller learns it.
    BeforeAuthentication,
}

impl Routes {
    /// Returns the routes with these reasons of the denials of calls that no route takes.
    #[must_use]
    pub fn with_errors(self, errors: RouteErrors) -> Self {
        Self { errors, ..self }
    }

    /// Returns the reasons of the denials of calls that no route takes.
    #[must_use]
    pub fn errors(&self) -> RouteErrors {
        self.errors
    }

    /// Returns true if a route has a path. A route for OPTIONS alone, such as one for the preflights of browsers at all
    /// paths, does not count, since it says nothing about what is there.
    #[must_use]
    pub fn has_path(&self, path: &Path<'_>) -> bool {
        let search = self.having_any_method(path);
        let for_any_method = search.best < self.declared.len();
        for_any_method || search.others.iter().any(|number| is_for_page(&self.declared[*number]))
    }

    /// Returns true if nothing is at another reading of a path: no route has it, or routes for OPTIONS alone have it and
    /// another route was found for the path. `behind` is the result for the reading `path`.
    pub(super) fn has_no_page(&self, found: RouteMatch<'_>, behind: RouteMatch<'_>, path: &str) -> bool {
        match (found, behind) {
            (_, RouteMatch::Unmatched) => true,
            (RouteMatch::Found(..), RouteMatch::Refused(RouteRefusal::Method)) if self.case_sensitive => {
                !self.having(&self.tree, path).any(is_for_page)
            }
            (RouteMatch::Found(..), RouteMatch::Refused(RouteRefusal::Method)) => {
                let tree = self.folded.as_ref().unwrap_or(&self.tree);
                !self.having(tree, fold(path).as_str()).any(is_for_page)
            }
            (RouteMatch::Found(..) | RouteMatch::Unmatched | RouteMatch::Refused(_), _) => false,
        }
    }

    /// Returns the methods that a path has, in the order of their declaration: each that a route of the path lists and that
    /// finds a route. HEAD follows GET.
    #[must_use]
    pub fn allowed_methods(&self, path: &Path<'_>) -> Vec<&str> {
        let mut numbers = self.having_any_method(path).others;
        numbers.sort_unstable();
        let listed = numbers.iter().flat_map(|number| &self.declared[*number].methods);
        let candidates = listed.flat_map(|method| [Some(&**method), (**method == *"GET").then_some("HEAD")]);
        let mut allowed: Vec<&str> = Vec::new();
        for method in candidates.flatten() {
            if !allowed.contains(&method) && self.resolve(method, path).found().is_some() {
                allowed.push(method);
            }
        }
        allowed
    }

    /// Searches the routes that have a path: those that list methods, and the first one for any method.
    fn having_any_method(&self, path: &Path<'_>) -> Search<'_> {
        let mut search = Search::new(&self.declared, "");
        self.tree.search(path.canonical().unwrap_or_default(), &mut search);
        search
    }
}

/// Returns true for a route of a page: one for any method, or for another one than OPTIONS.
fn is_for_page(route: &Route) -> bool {
    route.methods.is_empty() || route.methods.iter().any(|method| **method != *"OPTIONS")
}
