//! Profile files given at start-up are checked against the stored profiles in the same way as profiles that are
//! applied later. They were already checked against each other; one can require that another first gives up a host or
//! an issuer, so documents that conflict are tried again after the others.

use latchkey_core::error::RequestError;
use latchkey_management::ports::{ApplyResult, ManagementStore as _};
use latchkey_profile::{Errors, profile_conflicts_among_stored, shared_issuers};

use super::{Startup, StartupError};
use crate::profile_files::Document;

impl Startup {
    pub(super) async fn apply_documents(&self) -> Result<(), StartupError> {
        let mut waiting: Vec<&Document> = self.documents.iter().collect();
        while !waiting.is_empty() {
            let (mut conflicting, before) = (Vec::new(), waiting.len());
            for document in waiting {
                if let Some(errors) = self.apply(document).await? {
                    conflicting.push((document, errors));
                }
            }
            if conflicting.len() == before {
                return Err(conflict_error(&conflicting));
            }
            waiting = conflicting.into_iter().map(|(document, _)| document).collect();
        }
        // Versions before this rule stored such profiles; refusing to start would end both products.
        for shared in shared_issuers(&self.store.profiles().await?) {
            tracing::error!("{shared}; the profiles stay in force: apply one of them with another issuer");
        }
        Ok(())
    }

    /// Applies a document, or returns its conflicts with stored profiles.
    async fn apply(&self, document: &Document) -> Result<Option<Errors>, StartupError> {
        let (name, text) = (&*document.name, &*document.text);
        loop {
            let expected_revision = match profile_conflicts_among_stored(text, &self.store.profiles().await?)
            {
                Ok(revision) => revision,
                Err(errors) => return Ok(Some(errors)),
            };
            let entry = self.audit_entry("profile.apply", name);
            let applied = self.store.apply_profile(name, text, expected_revision, entry).await;
            match applied.map_err(|failure| StartupError::new(&format!("profile {name:?}"), failure))? {
                ApplyResult::Written(written) => {
                    let (version, new) = (written.value.version, written.changed);
                    tracing::info!(profile = %name, version, new, "profile applied");
                    return Ok(None);
                }
                // Another writer, probably a starting replica, applied a document in between; each conflict means
                // that one of them has finished.
                ApplyResult::Conflict => {}
            }
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
