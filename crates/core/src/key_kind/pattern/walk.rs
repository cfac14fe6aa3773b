//! Walks through the table of a pattern: the number of its values, an example, and what it shares with another one.
//! They run when a profile is compiled or keys are imported; only [`state_after`] runs for a Check.

use std::collections::{BTreeMap, HashMap, HashSet};

use regex_automata::dfa::Automaton as _;
use regex_automata::util::primitives::StateID;

use super::{CompiledPattern, KeyPattern, is_key_byte};

/// Transition to a state, with one of its bytes and their number.
#[derive(Clone, Copy)]
struct Edge {
    to: StateID,
    byte: u8,
    bytes: u32,
}

/// Edges of the states that were visited.
struct Edges<'p> {
    pattern: &'p CompiledPattern,
    known: HashMap<StateID, Vec<Edge>>,
}

impl<'p> Edges<'p> {
    fn new(pattern: &'p CompiledPattern) -> Self {
        Self { pattern, known: HashMap::new() }
    }

    /// Returns the transitions by bytes that a key may contain.
    fn of(&mut self, from: StateID) -> &[Edge] {
        let table = &self.pattern.table;
        self.known.entry(from).or_insert_with(|| {
            let mut edges: Vec<Edge> = Vec::new();
            for byte in (0..=u8::MAX).filter(|byte| is_key_byte(*byte)) {
                let to = table.next_state(from, byte);
                if table.is_dead_state(to) {
                    continue;
                }
                match edges.iter_mut().find(|edge| edge.to == to) {
                    Some(edge) => edge.bytes += 1,
                    None => edges.push(Edge { to, byte, bytes: 1 }),
                }
            }
            edges
        })
    }

    fn accepts(&self, state: StateID) -> bool {
        let table = &self.pattern.table;
        table.is_match_state(table.next_eoi_state(state))
    }
}

/// States of one length, each with the state before it and the byte between the two.
type Origins = BTreeMap<StateID, (StateID, u8)>;

/// Returns the binary logarithm of the number of values of a pattern, and the first value that is found.
pub(super) fn survey(pattern: &KeyPattern) -> (f64, Option<String>) {
    let compiled = &*pattern.0;
    let mut edges = Edges::new(compiled);
    let mut counts: BTreeMap<StateID, f64> = BTreeMap::from([(compiled.start, 1.0)]);
    let mut origins: Vec<Origins> = Vec::new();
    let (mut total, mut example) = (0.0, None);
    for length in 0..=compiled.longest {
        if length >= compiled.shortest {
            for (state, count) in counts.iter().filter(|(state, _)| edges.accepts(**state)) {
                total += count;
                example.get_or_insert_with(|| value_to(*state, &origins));
            }
        }
        let mut next: BTreeMap<StateID, f64> = BTreeMap::new();
        let mut from = Origins::new();
        for (state, count) in &counts {
            for edge in edges.of(*state) {
                *next.entry(edge.to).or_default() += count * f64::from(edge.bytes);
                from.entry(edge.to).or_insert((*state, edge.byte));
            }
        }
        if next.is_empty() {
            break;
        }
        origins.push(from);
        counts = next;
    }
    (total.log2(), example)
}

/// Returns the bytes on the way to a state.
fn value_to(end: StateID, origins: &[Origins]) -> String {
    let (mut state, mut bytes) = (end, Vec::new());
    for origin in origins.iter().rev() {
        let Some((before, byte)) = origin.get(&state) else { break };
        bytes.push(char::from(*byte));
        state = *before;
    }
    bytes.into_iter().rev().collect()
}

/// Returns the state after `prefix`; `None` if the table accepts no value that begins with it. Allocates nothing.
pub(super) fn state_after(pattern: &KeyPattern, prefix: &str) -> Option<StateID> {
    let compiled = &*pattern.0;
    prefix.bytes().try_fold(compiled.start, |state, byte| {
        let next = compiled.table.next_state(state, byte);
        (is_key_byte(byte) && !compiled.table.is_dead_state(next)).then_some(next)
    })
}

/// Returns whether a value that the table accepts begins with `prefix`, whatever its length.
pub(super) fn can_begin_with(pattern: &KeyPattern, prefix: &str) -> bool {
    let Some(state) = state_after(pattern, prefix) else { return false };
    let compiled = &*pattern.0;
    let mut edges = Edges::new(compiled);
    let (mut seen, mut waiting) = (HashSet::from([state]), vec![state]);
    while let Some(state) = waiting.pop() {
        if edges.accepts(state) {
            return true;
        }
        let next: Vec<StateID> = edges.of(state).iter().map(|edge| edge.to).collect();
        waiting.extend(next.into_iter().filter(|to| seen.insert(*to)));
    }
    false
}

/// Most pairs of states that are compared. Two patterns that have more are taken for patterns that overlap.
const MOST_PAIRS: usize = 200_000;

/// Returns whether both tables accept a value, whatever its length.
pub(super) fn overlap(one: &KeyPattern, two: &KeyPattern) -> bool {
    let (first, second) = (&*one.0, &*two.0);
    let (mut edges, others) = (Edges::new(first), Edges::new(second));
    let start = (first.start, second.start);
    let (mut seen, mut waiting) = (HashSet::from([start]), vec![start]);
    while let Some((left, right)) = waiting.pop() {
        if (edges.accepts(left) && others.accepts(right)) || seen.len() > MOST_PAIRS {
            return true;
        }
        if edges.of(left).is_empty() {
            continue;
        }
        for byte in (0..=u8::MAX).filter(|byte| is_key_byte(*byte)) {
            let next = (first.table.next_state(left, byte), second.table.next_state(right, byte));
            let alive = !first.table.is_dead_state(next.0) && !second.table.is_dead_state(next.1);
            if alive && seen.insert(next) {
                waiting.push(next);
            }
        }
    }
    false
}
