//! Tests for authors of profiles: lint and the examples of a document, without a server. Examples of endpoints run on
//! the parts that serve, with a temporary database; no port is opened.

mod sandbox;

use std::path::Path;

use latchkey_profile::CaseResult;
pub use latchkey_profile::{
    DocumentError, EndpointPath, EnvoyReply, EnvoyRequirements, Errors, ExampleOutcome, Profile, lint,
    lint_shared_hosts, profile_conflicts,
};

use self::sandbox::Sandbox;

/// Runs all examples of a valid document. Databases for examples of endpoints are created in `folder`.
pub async fn run_examples(profile: &Profile, document: &str, folder: &Path) -> Vec<ExampleOutcome> {
    let mut outcomes = Vec::new();
    for (number, result) in profile.run_examples().into_iter().enumerate() {
        outcomes.push(match result {
            CaseResult::Done(outcome) => outcome,
            CaseResult::Endpoint(case) => {
                let response = match Sandbox::open(document, &folder.join(number.to_string())).await {
                    Ok(sandbox) => sandbox.run(&case).await,
                    Err(setup_error) => Err(setup_error),
                };
                case.compare(response)
            }
        });
    }
    outcomes
}
