//! Checks of the model: the protocol in all scenarios, and a counterexample for each broken rule.
//! `cargo test -p latchkey-revocation-model -- --nocapture` prints the numbers of states and the counterexamples.

mod flaws;
mod promise;
mod run;
