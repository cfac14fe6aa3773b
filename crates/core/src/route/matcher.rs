//! Matching of calls to routes. Patterns are kept in a tree by segment, so that the cost of a lookup depends
//! on the length of the path and not on the number of routes. Among the routes that match, the first declared
//! one wins. A call for which another server could choose another route is refused.

mod errors;
mod fold;
mod route_match;
mod stem;
mod tree;

#[cfg(test)]
mod tests;

pub use self::errors::RouteErrors;
use self::fold::fold;
pub use self::route_match::{RouteMatch, RouteRefusal};
use self::tree::{Search, Tree};
use super::canonical::decode_segment;
use super::path_info::{InnerPath, inner_paths, is_hidden, may_have_path_info};
use super::pattern::Part;
use super::readings::{PathReadings, Reading};
use super::{ParameterPlace, Route};
use crate::check_input::Path;

/// Routes of a profile, prepared for matching.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the document, or a fact about the routes"
)]
pub struct Routes {
    declared: Vec<Route>,
    tree: Tree,
    /// The tree with literal segments without letter case, if it is not the same as `tree`.
    folded: Option<Tree>,
    case_sensitive: bool,
    ignores_last_slash: bool,
    distinguishes_suffix: bool,
    distinguishes_path_info: bool,
    permits_encoded_slash: bool,
    errors: RouteErrors,
}

impl Routes {
    /// Returns the routes in the order of their declaration.
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        let patterns = || routes.iter().map(|route| &route.pattern);
        let tree = Tree::new(patterns(), |literal| literal.into());
        let folds = patterns().any(|pattern| fold(pattern.text()) != *pattern.text());
        let folded = folds.then(|| Tree::new(patterns(), |literal| fold(literal).as_str().into()));
        let permits_encoded_slash = routes.iter().any(|route| route.encoded_slash);
        Self {
            declared: routes,
            tree,
            folded,
            case_sensitive: false,
            ignores_last_slash: false,
            distinguishes_suffix: false,
            distinguishes_path_info: false,
            permits_encoded_slash,
            errors: RouteErrors::default(),
        }
    }

    /// Returns the routes with paths that differ in the case of letters as different paths.
    #[must_use]
    pub fn case_sensitive(self, case_sensitive: bool) -> Self {
        Self { case_sensitive, ..self }
    }

    /// Returns true if paths that differ in the case of letters are different paths.
    #[must_use]
    pub fn is_case_sensitive(&self) -> bool {
        self.case_sensitive
    }

    /// Returns the routes with a path that ends with a slash as the path without it.
    #[must_use]
    pub fn ignore_last_slash(self, ignores_last_slash: bool) -> Self {
        Self { ignores_last_slash, ..self }
    }

    /// Returns true if a path that ends with a slash is the path without it, to the service behind too.
    #[must_use]
    pub fn ignores_last_slash(&self) -> bool {
        self.ignores_last_slash
    }

    /// Returns the routes with paths that differ in a suffix of the last segment as different paths.
    #[must_use]
    pub fn distinguish_suffix(self, distinguishes_suffix: bool) -> Self {
        Self { distinguishes_suffix, ..self }
    }

    /// Returns true if paths that differ in a suffix of the last segment are different paths, to the service behind
    /// too.
    #[must_use]
    pub fn distinguishes_suffix(&self) -> bool {
        self.distinguishes_suffix
    }

    /// Returns the routes with a path behind a script, such as `/index.php/v1`, as another path than what follows it.
    #[must_use]
    pub fn distinguish_path_info(self, distinguishes_path_info: bool) -> Self {
        Self { distinguishes_path_info, ..self }
    }

    /// Returns true if a path behind a script is another path than what follows it, to the service behind too.
    #[must_use]
    pub fn distinguishes_path_info(&self) -> bool {
        self.distinguishes_path_info
    }

    /// Returns true if a route takes paths with encoded slashes.
    #[must_use]
    pub fn permits_encoded_slash(&self) -> bool {
        self.permits_encoded_slash
    }

    /// Returns true if a route reads this resource from its path.
    #[must_use]
    pub fn read_from_path(&self, resource: &str) -> bool {
        self.declared.iter().flat_map(|route| &route.resource).any(|(name, _)| **name == *resource)
    }

    /// Returns the route of this index.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&Route> {
        self.declared.get(number)
    }

    /// Returns the route of a call. It must be the same for all readings of the path.
    #[must_use]
    pub fn resolve(&self, method: &str, path: &Path<'_>) -> RouteMatch<'_> {
        match path {
            Path::Canonical(path) => self.find(method, path),
            Path::Ambiguous(readings) => self.find_for_all(method, readings),
            Path::Absent | Path::ScopesOnly => RouteMatch::Unmatched,
            Path::NonCanonical(error) => RouteMatch::Refused(RouteRefusal::NonCanonical(*error)),
        }
    }

    /// Returns the first declared route that takes this method and canonical path. HEAD is a GET without a
    /// body.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> RouteMatch<'_> {
        let found = self.find_with_suffix(method, path);
        if self.distinguishes_path_info || !may_have_path_info(path) || found.refused_for_path() {
            return found;
        }
        let other = |inner: &InnerPath| self.leads_inside(method, found, path, inner);
        let read_otherwise = inner_paths(path).is_none_or(|all| all.iter().any(other));
        if read_otherwise { RouteMatch::Refused(RouteRefusal::PathInfo) } else { found }
    }

    /// Returns true if a server that takes an inner path for a path chooses another route or resource. A route that has the
    /// script literally is meant for it.
    fn leads_inside(&self, method: &str, found: RouteMatch<'_>, path: &str, inner: &InnerPath) -> bool {
        let part = found.found().and_then(|(_, route)| route.pattern.parts.get(inner.dropped));
        if matches!(part, Some(Part::Literal(_))) {
            return false;
        }
        let behind = self.find_with_suffix(method, &inner.path);
        let same = found.same(behind) && same_resources(found, path, &inner.path);
        if same || self.has_no_page(found, behind, &inner.path) {
            return false;
        }
        let (RouteMatch::Found(number, route), Some(Part::Any(_) | Part::Affixed(..))) = (found, part) else {
            return true;
        };
        let hides = |behind: &Route| is_hidden(behind, route, path);
        match behind {
            RouteMatch::Found(other, behind) => other == number || hides(behind),
            RouteMatch::Refused(RouteRefusal::Method) if self.case_sensitive => {
                self.having(&self.tree, &inner.path).any(hides)
            }
            RouteMatch::Refused(RouteRefusal::Method) => {
                let tree = self.folded.as_ref().unwrap_or(&self.tree);
                self.having(tree, fold(&inner.path).as_str()).any(hides)
            }
            RouteMatch::Refused(_) | RouteMatch::Unmatched => true,
        }
    }

    fn find_whole(&self, method: &str, path: &str) -> RouteMatch<'_> {
        let exact = self.find_by_method(method, path);
        if self.case_sensitive || exact.refused_for_path() {
            return exact;
        }
        let folded = match &self.folded {
            Some(folded) => self.search(folded, method, fold(path).as_str()),
            None if fold::has_case(path) => self.search(&self.tree, method, fold(path).as_str()),
            None => return exact,
        };
        if exact.same(folded) { exact } else { RouteMatch::Refused(RouteRefusal::LetterCase) }
    }

    /// Searches the route of a path in this letter case. Methods are case-sensitive (RFC 9110 section 9.1), and some servers
    /// read `delete` as DELETE all the same. Such a call passes only if both lead to the same requirements.
    fn find_by_method(&self, method: &str, path: &str) -> RouteMatch<'_> {
        let exact = self.search(&self.tree, method, path);
        if exact.refused() || !method.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return exact;
        }
        let upper = self.search(&self.tree, &method.to_ascii_uppercase(), path);
        if exact.same(upper) { exact } else { RouteMatch::Refused(RouteRefusal::Method) }
    }

    fn find_for_all(&self, method: &str, readings: &PathReadings) -> RouteMatch<'_> {
        let first = self.find(method, readings.canonical());
        let possible = |form: &&Reading| !(self.ignores_last_slash && form.keeps_last_slash);
        let differs = readings.forms().iter().skip(1).filter(possible).any(|form| {
            let found = self.find(method, &form.path);
            let no_page = form.keeps_last_slash && self.has_no_page(first, found, &form.path);
            !no_page && (!found.same(first) || !same_resources(first, readings.canonical(), &form.path))
        });
        match first {
            RouteMatch::Found(_, route) if readings.has_encoded_slash() && !route.encoded_slash => {
                RouteMatch::Refused(RouteRefusal::EncodedSlash)
            }
            // Scopes of Envoy's route can replace a route that takes the method, but make no path unambiguous.
            RouteMatch::Unmatched if readings.has_encoded_slash() => {
                RouteMatch::Refused(RouteRefusal::EncodedSlash)
            }
            RouteMatch::Refused(RouteRefusal::Method)
                if readings.has_encoded_slash() && self.refuses_encoded_slash(readings.canonical()) =>
            {
                RouteMatch::Refused(RouteRefusal::EncodedSlash)
            }
            RouteMatch::Found(..) | RouteMatch::Unmatched | RouteMatch::Refused(RouteRefusal::Method)
                if differs =>
            {
                RouteMatch::Refused(RouteRefusal::Readings)
            }
            _ => first,
        }
    }

    /// Returns true if a route that has the path, for whatever method, does not permit an encoded slash.
    fn refuses_encoded_slash(&self, path: &str) -> bool {
        self.having(&self.tree, path).any(|route| !route.encoded_slash)
    }

    /// Returns the routes that have a path, up to the first one for any method.
    fn having(&self, tree: &Tree, path: &str) -> impl Iterator<Item = &Route> {
        let mut search = Search::new(&self.declared, "");
        tree.search(path, &mut search);
        let Search { best, others, .. } = search;
        others.into_iter().chain([best]).filter_map(move |number| self.declared.get(number))
    }

    fn search(&self, tree: &Tree, method: &str, path: &str) -> RouteMatch<'_> {
        let mut search = Search::new(&self.declared, method);
        tree.search(path, &mut search);
        let Search { best, others, .. } = search;
        match self.declared.get(best) {
            Some(route) if route.methods.is_empty() && self.is_elsewhere_for_any(route, best, &others) => {
                RouteMatch::Refused(RouteRefusal::Method)
            }
            Some(route) => RouteMatch::Found(best, route),
            None if others.is_empty() => RouteMatch::Unmatched,
            None => RouteMatch::Refused(RouteRefusal::Method),
        }
    }

    /// Returns true if the pattern of an earlier route does not cover that of a route for any method: it is narrower, or has
    /// some of the paths in common. The author has listed the methods of these paths.
    fn is_elsewhere_for_any(&self, route: &Route, number: usize, others: &[usize]) -> bool {
        others.iter().any(|other| *other < number && !self.declared[*other].pattern.covers(&route.pattern))
    }
}

fn same_resources(found: RouteMatch<'_>, one: &str, two: &str) -> bool {
    let Some((_, route)) = found.found() else { return true };
    let text = |path, place: &ParameterPlace| place.value(path).map(decode_segment);
    route.resource.iter().all(|(_, place)| text(one, place) == text(two, place))
}
