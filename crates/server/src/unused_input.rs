//! Input that is given and has no effect: variables of libpq, and folders of profiles without a document. The start goes on
//! without it, and its log and `latchkey doctor` name it.

use latchkey_config::{Settings, unused_database_variables};

use crate::profile_files;

/// Returns what has no effect, each with a remedy.
pub(crate) fn find(settings: &Settings) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    let variables =
        if settings.database.url.embedded().is_none() { unused_database_variables() } else { Vec::new() };
    if !variables.is_empty() {
        let what =
            format!("{} in the environment: connections depend on database_url alone", variables.join(", "));
        found.push((what, "give what they say in database_url (docs/databases.md), and unset them"));
    }
    let folders = profile_files::folders_without_documents(&settings.profiles);
    let remedy = "correct the path, or give the documents the ending .toml";
    found.extend(folders.into_iter().map(|folder| (folder, remedy)));
    found
}

/// Logs what has no effect.
pub(crate) fn warn(settings: &Settings) {
    for (what, remedy) in find(settings) {
        tracing::warn!(remedy, "{what}");
    }
}
