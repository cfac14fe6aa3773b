//! Tests for authors of profiles: lint and the examples of a document, without a server. Examples of endpoints run on
//! the same parts as a server, with a temporary database; no port is opened.

mod sandbox;

use std::path::Path;

use latchkey_profile::CaseResult;
pub use latchkey_profile::{
    DocumentError, EndpointPath, EnvoyReply, EnvoyRequirements, Errors, ExampleOutcome, Profile, lint,
    lint_shared_hosts, profile_conflicts, unknown_route_value,
};

use latchkey_grpc::diff_to_proto;
use latchkey_management::MeasuredChange;
use latchkey_proto::v1;

use self::sandbox::Sandbox;

/// Returns the changes from one document to another, without the numbers of keys, users and tenants that they affect.
///
/// # Errors
///
/// Returns the mistakes of the new document.
pub fn diff_documents(old: &str, new: &str) -> Result<v1::ProfileDiff, Errors> {
    let (profile, warnings) = lint(new)?;
    let changes = MeasuredChange::uncounted(latchkey_profile::diff(Some(old), new)?);
    let warnings = warnings.iter().map(ToString::to_string).collect();
    Ok(diff_to_proto(profile.name(), 0, &changes, warnings))
}

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
