//! For whoever writes a profile: likely mistakes, and the document's own examples, without a server. What an
//! endpoint promises is played by the very parts that serve, on a database that is thrown away; no port is opened.

mod sandbox;

use std::path::Path;

use latchkey_profile::CaseResult;
pub use latchkey_profile::{
    DocumentError, EnvoyRequirements, Errors, ExampleOutcome, Profile, host_conflicts, lint,
    lint_shared_hosts,
};

use self::sandbox::Sandbox;

/// Runs every example of a sound document. Databases for those of endpoints are made in `folder`.
pub async fn run_examples(profile: &Profile, document: &str, folder: &Path) -> Vec<ExampleOutcome> {
    let mut outcomes = Vec::new();
    for (number, result) in profile.run_examples().into_iter().enumerate() {
        outcomes.push(match result {
            CaseResult::Done(outcome) => outcome,
            CaseResult::Endpoint(case) => {
                let answer = match Sandbox::open(document, &folder.join(number.to_string())).await {
                    Ok(sandbox) => sandbox.run(&case).await,
                    Err(setup_error) => Err(setup_error),
                };
                case.compare(answer)
            }
        });
    }
    outcomes
}
