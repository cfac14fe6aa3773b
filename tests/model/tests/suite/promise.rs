//! Protocol in all scenarios.

use latchkey_revocation_model::flaw::Flaw;
use latchkey_revocation_model::large::LARGE;
use latchkey_revocation_model::scenario::Scenario;
use latchkey_revocation_model::scenarios::{LOST_REGISTRATION, SOUND};
use stateright::Expectation;

use crate::run::{self, Run};

/// Returns the properties that a run has refuted, and the situations that it has not reached.
fn failures(run: &Run) -> Vec<String> {
    let failed = run.properties.iter().filter_map(|(name, expectation)| {
        let found = run.paths.iter().find(|(found, _)| found == name);
        match (expectation, found) {
            (Expectation::Sometimes, None) => Some(format!("never reached: {name}")),
            (Expectation::Always, Some((_, path))) => Some(format!("refuted: {name}: {path:?}")),
            _ => None,
        }
    });
    failed.collect()
}

/// Explores scenarios one after the other, and returns a line about all of them.
fn hold(scenarios: &[Scenario], mut print: impl FnMut(&Run)) -> String {
    let (mut states, mut seconds) = (0, 0.0);
    for scenario in scenarios {
        let run = run::explore(*scenario);
        print(&run);
        states += run.unique;
        seconds += run.seconds;
        assert!(run.complete, "{}: the search has ended early", scenario.name);
        assert_eq!(failures(&run), [""; 0], "{}", scenario.name);
    }
    format!("{states} states in {} scenarios in {seconds:.1} s", scenarios.len())
}

#[test]
fn the_protocol_keeps_its_promise_in_every_scenario() {
    println!("{}", hold(&SOUND, |run| println!("{run}")));
}

#[test]
#[ignore = "takes minutes and gigabytes of memory"]
fn the_protocol_keeps_its_promise_within_larger_bounds() {
    println!("{}", hold(&LARGE, |run| println!("{run}")));
}

#[test]
fn the_reductions_change_no_result() {
    let exact = Scenario { reduced: false, polling: 0b010, ..Scenario::PLAIN };
    let run = run::explore(exact);
    println!("without reductions: {run}");
    assert_eq!(failures(&run), [""; 0]);
    for flaw in [Flaw::OwnLease, Flaw::LeaseFromEndOfRound, Flaw::OwnCopyIgnored] {
        assert_ne!(failures(&run::refute(exact.with(flaw))), [""; 0], "{flaw:?}");
    }
}

#[test]
fn a_registration_that_a_failover_loses_is_outside_of_the_promise() {
    assert_ne!(failures(&run::refute(Scenario { witnesses: &[], ..LOST_REGISTRATION })), [""; 0]);
}
