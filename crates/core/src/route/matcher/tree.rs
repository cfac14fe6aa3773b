//! Tree of patterns by segment.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::route::Route;
use crate::route::pattern::{Part, Pattern};
use crate::route::readings::EMPTY_SEGMENT;

/// Patterns by segment.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    literal: HashMap<Box<str>, usize, foldhash::fast::RandomState>,
    any: Option<usize>,
    here: Vec<usize>,
    rest: Vec<usize>,
}

/// State of a search for the route of a call.
pub(super) struct Search<'s> {
    routes: &'s [Route],
    method: &'s str,
    /// GET for HEAD.
    safe_method: &'s str,
    /// Index of the first declared route that takes the call.
    pub(super) best: usize,
    /// Indexes of routes that have the path and do not take the method.
    pub(super) others: SmallVec<[usize; 4]>,
}

impl<'s> Search<'s> {
    pub(super) fn new(routes: &'s [Route], method: &'s str) -> Self {
        let safe_method = if method == "HEAD" { "GET" } else { method };
        Self { routes, method, safe_method, best: usize::MAX, others: SmallVec::new() }
    }

    fn consider(&mut self, numbers: &[usize]) {
        for number in numbers {
            if *number >= self.best {
                return;
            }
            let methods = &self.routes[*number].methods;
            if methods.is_empty() || methods.iter().any(|m| **m == *self.method || **m == *self.safe_method) {
                self.best = *number;
                return;
            }
            self.others.push(*number);
        }
    }
}

impl Tree {
    /// Creates the tree of patterns, whose literal segments are written by `literal`.
    pub(super) fn new<'p>(
        patterns: impl Iterator<Item = &'p Pattern>,
        literal: impl Fn(&str) -> Box<str>,
    ) -> Self {
        let mut nodes = vec![Node::default()];
        for (number, pattern) in patterns.enumerate() {
            let mut at = 0;
            let mut rest = false;
            for part in &pattern.parts {
                match part {
                    Part::Rest => rest = true,
                    Part::Any(_) => at = step(&mut nodes, at, None),
                    Part::Literal(name) => at = step(&mut nodes, at, Some(literal(name))),
                }
            }
            let node = &mut nodes[at];
            if rest { node.rest.push(number) } else { node.here.push(number) }
        }
        Self { nodes }
    }

    /// Considers every route that has this path.
    pub(super) fn search(&self, path: &str, search: &mut Search<'_>) {
        if let Some(root) = self.nodes.first() {
            self.walk(root, path.strip_prefix('/').unwrap_or(path), search);
        }
    }

    fn walk(&self, node: &Node, path: &str, search: &mut Search<'_>) {
        search.consider(&node.rest);
        if path.is_empty() {
            search.consider(&node.here);
            return;
        }
        if node.literal.is_empty() && node.any.is_none() {
            return;
        }
        let (segment, rest) = path.split_once('/').unwrap_or((path, ""));
        let any = node.any.as_ref().filter(|_| segment != EMPTY_SEGMENT);
        for next in [node.literal.get(segment), any].into_iter().flatten() {
            self.walk(&self.nodes[*next], rest, search);
        }
    }
}

fn step(nodes: &mut Vec<Node>, at: usize, literal: Option<Box<str>>) -> usize {
    let next = nodes.len();
    let node = &mut nodes[at];
    let child = match literal {
        Some(name) => *node.literal.entry(name).or_insert(next),
        None => *node.any.get_or_insert(next),
    };
    if child == next {
        nodes.push(Node::default());
    }
    child
}
