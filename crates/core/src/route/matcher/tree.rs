//! Tree of patterns by segment.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::route::Route;
use crate::route::parameter::Affixes;
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
    open: Open,
    here: Vec<usize>,
    rest: Vec<usize>,
}

/// Nodes for segments with a parameter.
#[derive(Clone, Debug, Default)]
enum Open {
    #[default]
    None,
    /// A parameter that is the whole segment.
    Any(usize),
    /// Parameters between literal texts, and one that is the whole segment.
    Affixed(Vec<(Affixes, usize)>, Option<usize>),
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
                    Part::Any(_) => at = step(&mut nodes, at, Node::any),
                    Part::Affixed(affixes, _) => {
                        let affixes = affixes.map(&literal);
                        at = step(&mut nodes, at, |node, next| node.affixed(affixes, next));
                    }
                    Part::Literal(name) => {
                        let name = literal(name);
                        at = step(&mut nodes, at, |node, next| *node.literal.entry(name).or_insert(next));
                    }
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
        if node.literal.is_empty() && matches!(node.open, Open::None) {
            return;
        }
        let (segment, rest) = path.split_once('/').unwrap_or((path, ""));
        let any = match &node.open {
            Open::None => None,
            Open::Any(next) => Some(next),
            Open::Affixed(all, any) => {
                for (_, next) in all.iter().filter(|(affixes, _)| affixes.fit(segment)) {
                    self.walk(&self.nodes[*next], rest, search);
                }
                any.as_ref()
            }
        };
        let any = any.filter(|_| segment != EMPTY_SEGMENT);
        for next in [node.literal.get(segment), any].into_iter().flatten() {
            self.walk(&self.nodes[*next], rest, search);
        }
    }
}

impl Node {
    /// Returns the node of a parameter that is the whole segment: `next` if there is none yet.
    fn any(&mut self, next: usize) -> usize {
        match &mut self.open {
            Open::None => {
                self.open = Open::Any(next);
                next
            }
            Open::Any(child) => *child,
            Open::Affixed(_, any) => *any.get_or_insert(next),
        }
    }

    /// Returns the node of a parameter between these texts: `next` if there is none yet.
    fn affixed(&mut self, affixes: Affixes, next: usize) -> usize {
        let (mut all, any) = match std::mem::take(&mut self.open) {
            Open::None => (Vec::new(), None),
            Open::Any(child) => (Vec::new(), Some(child)),
            Open::Affixed(all, any) => (all, any),
        };
        let known = all.iter().find(|(other, _)| *other == affixes).map(|(_, child)| *child);
        let child = known.unwrap_or(next);
        if known.is_none() {
            all.push((affixes, child));
        }
        self.open = Open::Affixed(all, any);
        child
    }
}

/// Returns the node after a segment. `child` returns the one that a node has for it, or the given number of a new one.
fn step(nodes: &mut Vec<Node>, at: usize, child: impl FnOnce(&mut Node, usize) -> usize) -> usize {
    let next = nodes.len();
    let child = child(&mut nodes[at], next);
    if child == next {
        nodes.push(Node::default());
    }
    child
}
