//! Runs of the checker.

use std::fmt::{self, Display, Formatter};
use std::time::Instant;

use latchkey_revocation_model::action::Action;
use latchkey_revocation_model::scenario::Scenario;
use stateright::{Checker, CheckerBuilder, Expectation, HasDiscoveries, Model};

/// Result of a run.
pub(crate) struct Run {
    /// Name of the scenario.
    name: &'static str,
    /// Number of different states.
    pub(crate) unique: usize,
    /// Number of steps between them.
    steps: usize,
    /// Number of states on the longest of the shortest paths.
    depth: usize,
    /// Duration.
    pub(crate) seconds: f64,
    /// True if every state was visited that can be reached.
    pub(crate) complete: bool,
    /// Properties of the model.
    pub(crate) properties: Vec<(&'static str, Expectation)>,
    /// Steps that lead to a situation or refute a property, with its name.
    pub(crate) paths: Vec<(&'static str, Vec<Action>)>,
}

impl Display for Run {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self { name, unique, steps, depth, seconds, .. } = self;
        write!(formatter, "{name}: {unique} states, {steps} steps, depth {depth}, {seconds:.2} s")
    }
}

/// Visits every state of a scenario.
pub(crate) fn explore(scenario: Scenario) -> Run {
    run(scenario, scenario.checker())
}

/// Visits the states of a scenario until a property is refuted.
pub(crate) fn refute(scenario: Scenario) -> Run {
    run(scenario, scenario.checker().finish_when(HasDiscoveries::AnyFailures))
}

#[expect(clippy::disallowed_methods, reason = "the duration is printed, and nothing depends on it")]
fn run(scenario: Scenario, checker: CheckerBuilder<Scenario>) -> Run {
    let begin = Instant::now();
    let checker = checker.spawn_bfs().join();
    let properties = scenario.properties().iter().map(|one| (one.name, one.expectation.clone())).collect();
    let paths = checker.discoveries().into_iter();
    Run {
        name: scenario.name,
        unique: checker.unique_state_count(),
        steps: checker.state_count(),
        depth: checker.max_depth(),
        seconds: begin.elapsed().as_secs_f64(),
        complete: checker.is_done(),
        properties,
        paths: paths.map(|(name, path)| (name, path.into_actions())).collect(),
    }
}
