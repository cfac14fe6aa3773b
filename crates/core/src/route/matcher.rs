//! Which route a call takes. Patterns stand in a tree by segment, so that finding one costs by the
//! length of the path and not by the number of routes; among those that match, the first declared wins.

use std::collections::HashMap;

use super::{Route, canonical, segments};

/// A path with places for segments: `/v1/payments/{id}`, `/v1/**`.
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

/// A pattern that can't be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Not in the form that calls are brought into before they are matched.
    #[error("{0:?} is not a path in canonical form; no call could ever match it")]
    NotCanonical(String),
    /// `**` before the end.
    #[error("{0:?} has a \"**\" that is not its last segment")]
    RestInside(String),
    /// Braces that are no whole segment, or hold no name.
    #[error("{0:?} has braces that do not hold a name and make up a whole segment")]
    Braces(String),
    /// One name for two segments.
    #[error("{0:?} names two segments {1:?}")]
    DuplicateName(String, String),
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let bad = |kind: fn(String) -> PatternError| kind(text.to_owned());
        let plain: String = text.chars().map(|c| if matches!(c, '{' | '}') { '_' } else { c }).collect();
        if canonical(&plain).as_deref() != Ok(plain.as_str()) {
            return Err(bad(PatternError::NotCanonical));
        }
        let mut parts: Vec<Part> = Vec::new();
        for segment in segments(text) {
            if parts.last() == Some(&Part::Rest) {
                return Err(bad(PatternError::RestInside));
            }
            let inner = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
            let part = match inner {
                _ if segment == "**" => Part::Rest,
                Some(name) if is_name(name) => Part::Any(name.into()),
                None if !segment.contains(['{', '}', '*']) => Part::Literal(segment.into()),
                _ => return Err(bad(PatternError::Braces)),
            };
            if matches!(part, Part::Any(_)) && parts.contains(&part) {
                return Err(PatternError::DuplicateName(text.to_owned(), segment.to_owned()));
            }
            parts.push(part);
        }
        Ok(Self { text: text.into(), parts })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place of the segment of this name.
    #[must_use]
    pub fn segment_index(&self, name: &str) -> Option<usize> {
        self.parts.iter().position(|p| matches!(p, Part::Any(n) if **n == *name))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A profile's routes, ready to be matched.
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
    /// Routes in the order that they were declared in.
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

    /// The first route that takes this method and canonical path.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Option<(usize, &Route)> {
        let mut best = usize::MAX;
        if let Some(root) = self.nodes.first() {
            let rest = path.strip_prefix('/').unwrap_or(path);
            self.walk(root, method, rest, &mut best);
        }
        self.routes.get(best).map(|route| (best, route))
    }

    /// The route of this number.
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
        let takes = |r: &Route| r.methods.is_empty() || r.methods.iter().any(|m| **m == *method);
        if let Some(first) = numbers.iter().find(|n| **n >= *best || takes(&self.routes[**n])) {
            *best = (*best).min(*first);
        }
    }
}

fn step(nodes: &mut Vec<Node>, at: usize, literal: Option<&str>) -> usize {
    let next = nodes.len();
    let node = &mut nodes[at];
    let found = match literal {
        Some(name) => *node.literal.entry(name.into()).or_insert(next),
        None => *node.any.get_or_insert(next),
    };
    if found == next {
        nodes.push(Node::default());
    }
    found
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
    fn the_first_declared_wins_whatever_is_more_particular() {
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
    fn nothing_matches_where_nothing_fits() {
        let routes = routes(&[("GET", "/v1/x"), ("GET", "/v1/{id}/z")]);
        for (method, path) in [("POST", "/v1/x"), ("GET", "/v1/x/y"), ("GET", "/v1"), ("get", "/v1/x")] {
            assert!(routes.find(method, path).is_none(), "{method} {path}");
        }
        assert!(routes.find("GET", "/v1/x/z").is_some());
    }

    #[test]
    fn bad_patterns_are_refused() {
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
    fn ten_thousand_routes_are_told_apart() {
        let all: Vec<String> = (0..10_000).map(|n| format!("/v1/r{n}/{{id}}")).collect();
        let pairs: Vec<(&str, &str)> = all.iter().map(|p| ("GET", p.as_str())).collect();
        let routes = routes(&pairs);
        assert_eq!(routes.find("GET", "/v1/r9999/x").map(|(n, _)| n), Some(9_999));
        assert!(routes.find("GET", "/v1/r10000/x").is_none());
    }
}
