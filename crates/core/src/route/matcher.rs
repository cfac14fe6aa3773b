//! Matching of calls to routes. Patterns are kept in a tree by segment, so that the cost of a lookup depends
//! on the length of the path and not on the number of routes. Among the routes that match, the first declared
//! one wins.

use std::collections::HashMap;

use super::{Route, canonical, segments};

/// Pattern of a path with placeholders for segments: `/v1/payments/{id}`, `/v1/**`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    Any(Box<str>),
    Rest,
}

/// Error of an invalid pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The pattern is not in canonical form, so that no call could match it.
    #[error("{0:?} is not a path in canonical form; no call could ever match it")]
    NotCanonical(String),
    /// A `**` is not the last segment.
    #[error("{0:?} has a \"**\" that is not its last segment")]
    RestInside(String),
    /// Braces do not make up a whole segment, or hold no name.
    #[error("{0:?} has braces that do not hold a name and make up a whole segment")]
    Braces(String),
    /// Two segments have the same name.
    #[error("{0:?} names two segments {1:?}")]
    DuplicateName(String, String),
}

impl Pattern {
    /// Parses a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let error = |kind: fn(String) -> PatternError| kind(text.to_owned());
        let plain: String = text.chars().map(|c| if matches!(c, '{' | '}') { '_' } else { c }).collect();
        if canonical(&plain).as_deref() != Ok(plain.as_str()) {
            return Err(error(PatternError::NotCanonical));
        }
        let mut parts: Vec<Part> = Vec::new();
        for segment in segments(text) {
            if parts.last() == Some(&Part::Rest) {
                return Err(error(PatternError::RestInside));
            }
            let inner = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
            let part = match inner {
                _ if segment == "**" => Part::Rest,
                Some(name) if is_name(name) => Part::Any(name.into()),
                None if !segment.contains(['{', '}', '*']) => Part::Literal(segment.into()),
                _ => return Err(error(PatternError::Braces)),
            };
            if matches!(part, Part::Any(_)) && parts.contains(&part) {
                return Err(PatternError::DuplicateName(text.to_owned(), segment.to_owned()));
            }
            parts.push(part);
        }
        Ok(Self { text: text.into(), parts })
    }

    /// Returns the pattern as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the index of the segment of this name.
    #[must_use]
    pub fn segment_index(&self, name: &str) -> Option<usize> {
        self.parts.iter().position(|p| matches!(p, Part::Any(n) if **n == *name))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Routes of a profile, prepared for matching.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    routes: Vec<Route>,
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    literal: HashMap<Box<str>, usize, foldhash::fast::RandomState>,
    any: Option<usize>,
    here: Vec<usize>,
    rest: Vec<usize>,
}

impl Routes {
    /// Returns the routes in the order of their declaration.
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        let mut nodes = vec![Node::default()];
        for (number, route) in routes.iter().enumerate() {
            let mut at = 0;
            let mut rest = false;
            for part in &route.pattern.parts {
                match part {
                    Part::Rest => rest = true,
                    Part::Any(_) => at = step(&mut nodes, at, None),
                    Part::Literal(name) => at = step(&mut nodes, at, Some(name)),
                }
            }
            let node = &mut nodes[at];
            if rest { node.rest.push(number) } else { node.here.push(number) }
        }
        Self { routes, nodes }
    }

    /// Returns the first route that matches this method and canonical path, with its index.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Option<(usize, &Route)> {
        let mut best = usize::MAX;
        if let Some(root) = self.nodes.first() {
            let rest = path.strip_prefix('/').unwrap_or(path);
            self.walk(root, method, rest, &mut best);
        }
        self.routes.get(best).map(|route| (best, route))
    }

    /// Returns the route of this index.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&Route> {
        self.routes.get(number)
    }

    fn walk(&self, node: &Node, method: &str, path: &str, best: &mut usize) {
        self.consider(&node.rest, method, best);
        if path.is_empty() {
            self.consider(&node.here, method, best);
            return;
        }
        if node.literal.is_empty() && node.any.is_none() {
            return;
        }
        let (segment, rest) = path.split_once('/').unwrap_or((path, ""));
        for next in [node.literal.get(segment), node.any.as_ref()].into_iter().flatten() {
            self.walk(&self.nodes[*next], method, rest, best);
        }
    }

    fn consider(&self, numbers: &[usize], method: &str, best: &mut usize) {
        let matches = |r: &Route| r.methods.is_empty() || r.methods.iter().any(|m| **m == *method);
        if let Some(first) = numbers.iter().find(|n| **n >= *best || matches(&self.routes[**n])) {
            *best = (*best).min(*first);
        }
    }
}

fn step(nodes: &mut Vec<Node>, at: usize, literal: Option<&str>) -> usize {
    let next = nodes.len();
    let node = &mut nodes[at];
    let child = match literal {
        Some(name) => *node.literal.entry(name.into()).or_insert(next),
        None => *node.any.get_or_insert(next),
    };
    if child == next {
        nodes.push(Node::default());
    }
    child
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enforcement::Enforcement;
    use crate::scope::ScopeSet;

    fn routes(all: &[(&str, &str)]) -> Routes {
        let route = |(method, path): &(&str, &str)| Route {
            pattern: Pattern::parse(path).unwrap(),
            methods: if method.is_empty() { vec![] } else { vec![(*method).into()] },
            scopes: ScopeSet::default(),
            any_scopes: ScopeSet::default(),
            kinds: vec![],
            resource: vec![],
            class: None,
            public: false,
            enforce: Enforcement::Enforced,
        };
        Routes::new(all.iter().map(route).collect())
    }

    #[test]
    fn the_first_declared_route_wins_even_over_a_more_specific_one() {
        let routes = routes(&[("GET", "/v1/{any}"), ("", "/v1/x"), ("", "/v1/**"), ("", "/**")]);
        let found = |method, path| routes.find(method, path).map(|(n, _)| n);
        assert_eq!(found("GET", "/v1/x"), Some(0));
        assert_eq!(found("POST", "/v1/x"), Some(1));
        assert_eq!(found("POST", "/v1/y"), Some(2));
        assert_eq!(found("GET", "/v1"), Some(2));
        assert_eq!(found("GET", "/v1/x/y"), Some(2));
        assert_eq!(found("GET", "/"), Some(3));
        assert_eq!(found("GET", "/V1/x"), Some(3));
    }

    #[test]
    fn a_call_that_fits_no_route_matches_none() {
        let routes = routes(&[("GET", "/v1/x"), ("GET", "/v1/{id}/z")]);
        for (method, path) in [("POST", "/v1/x"), ("GET", "/v1/x/y"), ("GET", "/v1"), ("get", "/v1/x")] {
            assert!(routes.find(method, path).is_none(), "{method} {path}");
        }
        assert!(routes.find("GET", "/v1/x/z").is_some());
    }

    #[test]
    fn invalid_patterns_are_refused() {
        for text in [
            "",
            "v1",
            "/v1/",
            "/v1//x",
            "/v1/../x",
            "/v1/**/x",
            "/v1/{}",
            "/v1/{a}b",
            "/v1/*",
            "/v1/{a}/{a}",
            "/v1/x?y",
            "/v1/%61",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(Pattern::parse("/v1/{a}/x/{b}").unwrap().segment_index("b"), Some(3));
    }

    #[test]
    fn ten_thousand_routes_are_distinguished() {
        let all: Vec<String> = (0..10_000).map(|n| format!("/v1/r{n}/{{id}}")).collect();
        let pairs: Vec<(&str, &str)> = all.iter().map(|p| ("GET", p.as_str())).collect();
        let routes = routes(&pairs);
        assert_eq!(routes.find("GET", "/v1/r9999/x").map(|(n, _)| n), Some(9_999));
        assert!(routes.find("GET", "/v1/r10000/x").is_none());
    }
}
