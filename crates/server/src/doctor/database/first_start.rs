//! Checks of an embedded database that the next start would create, and of one whose path it could not use.

use std::io;
use std::path::Path;

use latchkey_config::DatabaseSettings;
use latchkey_store::Store;
use rustix::fs::{Access, access};

use super::{Finding, Severity, finding};

/// Returns the finding about a file that does not exist, is empty, or is not one; `None` if there is a file to open. Changes
/// nothing.
pub(super) fn examine(database: &DatabaseSettings, store: &Store) -> Option<Finding> {
    if let Err(error) = store.check_database_path() {
        return Some(finding(
            Severity::Error,
            error.to_string(),
            "correct the path: a start fails with this error",
        ));
    }
    if !database.is_absent_or_empty() {
        return None;
    }
    if !database.url.creates_file() {
        let what = format!("{} does not exist, or is empty, and this mode creates nothing", database.url);
        return Some(finding(Severity::Error, what, "write ?mode=rwc in database_url, or correct the path"));
    }
    if let Some(error) = database.url.embedded().and_then(forbidden) {
        let remedy = "permit it to the user of Latchkey, or correct the path: a start fails with this error";
        return Some(finding(Severity::Error, error, remedy));
    }
    let what = format!("{} does not exist yet, or is empty: the first start creates it", database.url);
    Some(finding(Severity::Warning, what, "no action is needed before a first start"))
}

/// Returns why this process may not create the file, or write to it.
fn forbidden(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (place, rights) = match path.symlink_metadata() {
        Ok(_) if path.exists() => (path, Access::READ_OK | Access::WRITE_OK),
        // A link whose file is made elsewhere.
        Ok(_) => return None,
        Err(_) => (folder, Access::WRITE_OK | Access::EXEC_OK),
    };
    let error = io::Error::from(access(place, rights).err()?);
    Some(format!("the database file {} can't be used: {}: {error}", path.display(), place.display()))
}
