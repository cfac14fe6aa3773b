//! Broken rules: the checker finds a counterexample for each.

use latchkey_revocation_model::flaw::Flaw;
use latchkey_revocation_model::model::{KEPT, PROMISE};

use crate::run;

#[test]
fn every_broken_rule_has_a_counterexample() {
    for flaw in Flaw::ALL {
        let (rule, scenario) = flaw.scenario();
        let run = run::refute(scenario);
        let found = run.paths.iter().find(|(name, _)| [PROMISE, KEPT].contains(name));
        let (property, path) =
            found.unwrap_or_else(|| panic!("{rule} {flaw:?} has no counterexample: {run}"));
        println!("{rule} {flaw:?}: {} steps; {run}\n    not so: {property}\n    {path:?}", path.len());
    }
}

#[test]
fn every_flaw_is_in_the_list_once() {
    for (index, flaw) in Flaw::ALL.iter().enumerate() {
        assert!(!Flaw::ALL[..index].contains(flaw), "{flaw:?}");
    }
}
