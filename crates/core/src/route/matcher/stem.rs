//! Paths with a suffix of the last segment, which some servers drop.

use super::fold::fold;
use super::{RouteMatch, RouteRefusal, Routes};
use crate::route::Route;
use crate::route::pattern::Part;
use crate::route::segments;
use crate::route::suffix::{may_have_suffix, stems};

impl Routes {
    /// Returns the route of a path. It must be the same for a server that drops the suffix of the path.
    pub(super) fn find_with_suffix(&self, method: &str, path: &str) -> RouteMatch<'_> {
        let found = self.find_whole(method, path);
        if self.distinguishes_suffix || !may_have_suffix(path) || found.refused_for_path() {
            return found;
        }
        let other = |stem| self.leads_elsewhere(found, path, stem, self.find_whole(method, stem));
        if stems(path).into_iter().any(other) { RouteMatch::Refused(RouteRefusal::Suffix) } else { found }
    }

    /// Returns true if a server that drops the suffix of a path chooses another route, with other requirements. A route
    /// that lists the path with its suffix is meant for it.
    fn leads_elsewhere(&self, found: RouteMatch<'_>, path: &str, stem: &str, behind: RouteMatch<'_>) -> bool {
        match (found, behind) {
            _ if self.has_no_page(found, behind, stem) => false,
            (RouteMatch::Found(_, route), behind) => {
                let last = segments(path).count().saturating_sub(1);
                let listed = match route.pattern.parts.get(last) {
                    Some(Part::Literal(_)) => true,
                    Some(Part::Affixed(affixes, _)) if affixes.has_format_suffix() => {
                        !self.names_last_segment(stem, last, behind)
                    }
                    Some(Part::Affixed(..) | Part::Any(_) | Part::Rest) | None => false,
                };
                !listed && !found.same(behind)
            }
            (RouteMatch::Refused(_), behind) => !found.same(behind),
            (RouteMatch::Unmatched, _) => true,
        }
    }

    /// Returns true if a path may have a route that names its last segment. `/docs/{name}.html` lists the pages of
    /// `/docs/{name}`, and not that of `/docs/admin`.
    fn names_last_segment(&self, path: &str, last: usize, found: RouteMatch<'_>) -> bool {
        let names = |route: &Route| matches!(route.pattern.parts.get(last), Some(Part::Literal(_)));
        match found {
            RouteMatch::Refused(refusal) if refusal != RouteRefusal::Method => true,
            RouteMatch::Unmatched => true,
            RouteMatch::Found(..) | RouteMatch::Refused(_) if self.case_sensitive => {
                self.having(&self.tree, path).any(names)
            }
            RouteMatch::Found(..) | RouteMatch::Refused(_) => {
                let tree = self.folded.as_ref().unwrap_or(&self.tree);
                self.having(tree, fold(path).as_str()).any(names)
            }
        }
    }
}
