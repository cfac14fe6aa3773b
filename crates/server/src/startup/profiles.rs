//! Profile files given at start-up are checked against the stored profiles in the same way as profiles that are
//! applied later. They were already checked against each other; one can require that another first gives up a host or
//! an issuer, so documents that conflict are tried again after the others.

use latchkey_core::error::RequestError;
use latchkey_core::profile_change::ChangeEffect;
use latchkey_core::record::ProfileRecord;
use latchkey_management::ports::{ApplyResult, AuditAction, ManagementStore as _, NewProfileVersion};
use latchkey_management::{MeasuredChange, changes_to_force, measure_changes};
use latchkey_profile::{Errors, diff, profile_conflicts_among_stored, shared_issuers};

use super::{Startup, StartupError};
use crate::profile_files::Document;

/// Outcome of the attempt to apply a document.
enum Outcome {
    /// The document is in force.
    Applied,
    /// The document takes access away, so the version in force stays.
    HeldBack,
    /// The document conflicts with stored profiles.
    Conflicts(Errors),
}

impl Startup {
    pub(super) async fn apply_documents(&self) -> Result<(), StartupError> {
        let mut waiting: Vec<&Document> = self.documents.iter().collect();
        let mut held_back: Vec<&str> = Vec::new();
        while !waiting.is_empty() {
            let (mut conflicting, before) = (Vec::new(), waiting.len());
            for document in waiting {
                match self.apply(document).await? {
                    Outcome::Applied => {}
                    Outcome::HeldBack => held_back.push(&document.name),
                    Outcome::Conflicts(errors) => conflicting.push((document, errors)),
                }
            }
            if conflicting.len() == before {
                conflicting = self.leave_out(conflicting, held_back).await?;
                if !conflicting.is_empty() {
                    return Err(conflict_error(&conflicting));
                }
                break;
            }
            waiting = conflicting.into_iter().map(|(document, _)| document).collect();
        }
        // Versions before this rule stored such profiles; refusing to start would end both products.
        for shared in shared_issuers(&self.store.profiles().await?) {
            tracing::error!("{shared}; the profiles stay in force: apply one of them with another issuer");
        }
        Ok(())
    }

    /// Logs and leaves out the documents that conflict only because the stored versions of other ones stay in force:
    /// those that were held back, and those that are left out themselves. Returns the documents that conflict otherwise.
    async fn leave_out<'d>(
        &self,
        mut conflicting: Vec<(&'d Document, Errors)>,
        mut staying: Vec<&'d str>,
    ) -> Result<Vec<(&'d Document, Errors)>, StartupError> {
        let stored = self.store.profiles().await?;
        loop {
            let others: Vec<ProfileRecord> =
                stored.iter().filter(|record| !staying.contains(&&*record.name)).cloned().collect();
            // Without a conflict any more, because a profile was applied meanwhile, the next start applies the file.
            let only_by_staying = |text: &str| {
                profile_conflicts_among_stored(text, &stored).is_err()
                    && profile_conflicts_among_stored(text, &others).is_ok()
            };
            let (left_out, rest): (Vec<_>, Vec<_>) =
                conflicting.into_iter().partition(|(document, _)| only_by_staying(&document.text));
            if left_out.is_empty() {
                return Ok(rest);
            }
            for (document, errors) in left_out {
                tracing::error!(
                    profile = %document.name,
                    "the profile's file was not applied, because it conflicts with the version in force of a profile \
                     whose file was not applied either; what is in force stays. Apply that file first: {errors}"
                );
                staying.push(&document.name);
            }
            conflicting = rest;
        }
    }

    /// Returns the changes from the version in force to a document, with the keys, users and tenants that they affect.
    async fn changes(
        &self,
        old: Option<&ProfileRecord>,
        document: &Document,
    ) -> Result<Vec<MeasuredChange>, StartupError> {
        // The document was compiled before, so there are no mistakes.
        let changes = diff(old.map(|old| old.document.as_str()), &document.text).unwrap_or_default();
        Ok(measure_changes(&*self.store, &document.name, changes, self.clock.now().wall).await?)
    }

    /// Applies a document, or returns its conflicts with stored profiles. A document that takes access away is logged and
    /// not applied unless profiles are forced, so that a restart with a mistake does not end the service of live keys.
    async fn apply(&self, document: &Document) -> Result<Outcome, StartupError> {
        let (name, text) = (&*document.name, &*document.text);
        loop {
            let stored = self.store.profiles().await?;
            let expected_revision = match profile_conflicts_among_stored(text, &stored) {
                Ok(revision) => revision,
                Err(errors) => return Ok(Outcome::Conflicts(errors)),
            };
            let old = stored.iter().find(|record| *record.name == *name);
            let changes = self.changes(old, document).await?;
            if let (Some(old), Some(taken)) = (old, changes_to_force(&changes))
                && !self.force_profiles
            {
                tracing::error!(
                    profile = %name,
                    version = old.version,
                    "the profile's file was not applied, because it takes access away; the version in force stays. \
                     Correct the file, apply it with `latchkey apply --force`, or start with force_profiles \
                     (LATCHKEY_FORCE_PROFILES): {taken}"
                );
                return Ok(Outcome::HeldBack);
            }
            let entry = self.audit_entry(AuditAction::ProfileApply, name);
            let version =
                NewProfileVersion { name, document: text, comment: "applied at start-up", expected_revision };
            let applied = self.store.apply_profile(version, entry).await;
            match applied.map_err(|failure| StartupError::new(&format!("profile {name:?}"), failure))? {
                ApplyResult::Written(written) => {
                    log_changes(name, &changes);
                    let (version, new) = (written.value.version, written.changed);
                    tracing::info!(profile = %name, version, new, "profile applied");
                    return Ok(Outcome::Applied);
                }
                // Another writer, probably a starting replica, applied a document in between; each conflict means
                // that one of them has finished.
                ApplyResult::Conflict => {}
            }
        }
    }
}

/// Logs the changes of a profile. One that grants more, or takes access away, is a warning.
fn log_changes(name: &str, changes: &[MeasuredChange]) {
    for change in changes {
        let (effect, summary) = (change.change.effect.heading(), change.summary());
        if change.requires_force() || change.change.effect == ChangeEffect::GrantsMore {
            tracing::warn!(profile = %name, effect, "profile changed: {summary}");
        } else {
            tracing::info!(profile = %name, effect, "profile changed: {summary}");
        }
    }
}

fn conflict_error(conflicting: &[(&Document, Errors)]) -> StartupError {
    let names: Vec<String> = conflicting.iter().map(|(document, _)| format!("{:?}", document.name)).collect();
    let messages: Vec<String> = conflicting.iter().map(|(_, errors)| errors.to_string()).collect();
    StartupError::new(
        &format!("profile {}", names.join(", ")),
        RequestError::FailedPrecondition(messages.join("\n")).into(),
    )
}
