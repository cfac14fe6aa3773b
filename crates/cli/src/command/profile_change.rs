//! Steps of a command that changes a profile: it shows the changes and whom they affect, asks, and applies them.

use std::io::{self, IsTerminal as _, Write as _};

use latchkey_proto::v1;
use latchkey_proto::v1::profile_service_client::ProfileServiceClient;
use latchkey_server::profile_test::Profile;
use tonic::Status;

use crate::args::ChangeArgs;
use crate::call::AuthenticatedChannel;
use crate::exit::CliError;
use crate::output::{Format, diff_from_server, note, print, sanitize, show};

/// Source of the document that becomes the newest version.
pub(super) enum NewVersion {
    /// A document of this machine.
    Document(String),
    /// An older version of a profile; 0 for the one before the newest.
    Rollback { name: String, to: u64 },
}

impl NewVersion {
    /// Returns whether this program would refuse the document. The server can be a newer version, which takes more.
    pub(super) fn is_doubtful(&self) -> bool {
        match self {
            Self::Document(document) => Profile::compile(document, 1).is_err(),
            Self::Rollback { .. } => false,
        }
    }
}

type Profiles = ProfileServiceClient<AuthenticatedChannel>;

/// Shows the changes, asks, and applies them. Prints the new version.
pub(super) async fn run(
    profiles: &mut Profiles,
    format: Format,
    new: &NewVersion,
    args: &ChangeArgs,
) -> Result<(), CliError> {
    let preview = send(profiles, new, args, Step::Preview).await?;
    let diff = preview.diff.clone().unwrap_or_default();
    let name = sanitize(&preview.name);
    if args.dry_run {
        return match format {
            Format::Json => show(format, &preview),
            Format::Text => print(&format!("{name} is valid\n{}", diff_from_server(&diff))),
        };
    }
    let changes = diff.from_version > 0 && !diff.changes.is_empty();
    if changes || !diff.warnings.is_empty() {
        note(&diff_from_server(&diff));
    }
    if diff.requires_force && !args.force {
        return Err(needs_force(&name));
    }
    if changes && !args.yes {
        confirm(&name, &diff)?;
    }
    let applied = send(profiles, new, args, Step::Apply { expected_version: diff.from_version }).await?;
    match format {
        Format::Json => show(format, &applied),
        Format::Text => print(&format!("{} version {}", sanitize(&applied.name), applied.version)),
    }
}

/// Has the server check a document. Changes nothing.
pub(super) async fn validate(
    profiles: &mut Profiles,
    new: &NewVersion,
    args: &ChangeArgs,
) -> Result<(), CliError> {
    send(profiles, new, args, Step::Preview).await.map(drop)
}

#[derive(Clone, Copy)]
enum Step {
    Preview,
    Apply { expected_version: u64 },
}

async fn send(
    profiles: &mut Profiles,
    new: &NewVersion,
    args: &ChangeArgs,
    step: Step,
) -> Result<v1::Profile, CliError> {
    let (validate_only, expected_version) = match step {
        Step::Preview => (true, 0),
        Step::Apply { expected_version } => (false, expected_version),
    };
    let (force, comment) = (args.force, args.comment.clone());
    let answered = match new {
        NewVersion::Document(document) => {
            let document = document.clone();
            let ask = v1::ApplyProfileRequest { document, validate_only, force, comment, expected_version };
            profiles.apply_profile(ask).await
        }
        NewVersion::Rollback { name, to } => {
            let (name, to_version) = (name.clone(), *to);
            let ask = v1::RollbackProfileRequest {
                name,
                to_version,
                validate_only,
                force,
                comment,
                expected_version,
            };
            profiles.rollback_profile(ask).await
        }
    };
    Ok(answered?.into_inner())
}

/// Returns the refusal of changes that take access away and are not forced. The change is not sent: between the preview
/// and the call, the server could come to permit it, and it would be applied without a question.
fn needs_force(name: &str) -> CliError {
    Status::failed_precondition(format!(
        "{name}: the changes that are marked above take access away from keys, users or tenants, so nothing was applied; \
         correct the document, or repeat the command with --force"
    ))
    .into()
}

/// Asks whether the changes are to be applied. Without a terminal, there is no answer, and the command is refused.
fn confirm(name: &str, diff: &v1::ProfileDiff) -> Result<(), CliError> {
    let count = match diff.changes.len() {
        1 => "the change above".to_owned(),
        several => format!("the {several} changes above"),
    };
    if !io::stdin().is_terminal() {
        return Err(CliError::Usage(format!(
            "{name} was not changed: {count} must be confirmed, and standard input is not a terminal; look at them, and \
             repeat the command with --yes"
        )));
    }
    let mut out = io::stderr().lock();
    write!(out, "Apply {count} to {name}? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(CliError::Local(format!("{name} was not changed"))),
    }
}
