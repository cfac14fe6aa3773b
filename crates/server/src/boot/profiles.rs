//! Documents given at the start are held against the stored profiles like any that is applied later, and refused with
//! the same words. Among each other they were held before; here one may first have to give up what another takes, so
//! that those which can't be applied yet are tried again after the others.

use latchkey_core::trouble::Refusal;
use latchkey_management::ports::{Applied, Ledger as _};
use latchkey_profile::{Errors, contested_among};

use super::{Boot, Stop};
use crate::documents::Document;

impl Boot {
    pub(super) async fn apply_documents(&self) -> Result<(), Stop> {
        let mut waiting: Vec<&Document> = self.documents.iter().collect();
        while !waiting.is_empty() {
            let (mut contested, before) = (Vec::new(), waiting.len());
            for document in waiting {
                if let Some(errors) = self.apply(document).await? {
                    contested.push((document, errors));
                }
            }
            if contested.len() == before {
                return Err(refused(&contested));
            }
            waiting = contested.into_iter().map(|(document, _)| document).collect();
        }
        Ok(())
    }

    /// Applies a document, unless a stored profile is in its way.
    async fn apply(&self, document: &Document) -> Result<Option<Errors>, Stop> {
        let (name, text) = (&*document.name, &*document.text);
        loop {
            let among = match contested_among(text, &self.store.profiles().await?) {
                Ok(among) => among,
                Err(errors) => return Ok(Some(errors)),
            };
            let entry = self.entry("profile.apply", name);
            let applied = self.store.apply_profile((name, text), among, entry).await;
            match applied.map_err(|failure| Stop::from(&format!("profile {name:?}"), failure))? {
                Applied::Written(written) => {
                    let (version, new) = (written.value.version, written.revision > 0);
                    tracing::info!(profile = %name, version, new, "profile");
                    return Ok(None);
                }
                // Another replica that starts, most likely; each that is overtaken was so by one that is done.
                Applied::Overtaken => {}
            }
        }
    }
}

fn refused(contested: &[(&Document, Errors)]) -> Stop {
    let names: Vec<String> = contested.iter().map(|(document, _)| format!("{:?}", document.name)).collect();
    let told: Vec<String> = contested.iter().map(|(_, errors)| errors.to_string()).collect();
    Stop::from(&format!("profile {}", names.join(", ")), Refusal::Precondition(told.join("\n")).into())
}
