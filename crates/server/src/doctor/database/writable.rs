//! Check that the files of a SQLite database can be written: a start opens them so, and a look at them does not.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::finding;
use crate::doctor::{Finding, Severity};

/// Endings of the files that belong to a database, after its path.
const ENDINGS: [&str; 4] = ["", "-wal", "-shm", "-mark"];

/// Reports a file that this process can't write, as one of a backup that another user restored. Must not run after this
/// process has opened the database: a file that is closed loses the locks that SQLite has on it.
pub(super) fn examine(database: &Path) -> Option<Finding> {
    // The other files are beside the one that links lead to.
    let database = database.canonicalize().unwrap_or_else(|_| database.to_owned());
    ENDINGS.iter().find_map(|ending| {
        let mut path = database.clone().into_os_string();
        path.push(ending);
        let path = PathBuf::from(path);
        let error = OpenOptions::new().write(true).open(&path).err()?;
        let what = format!("{} can't be written: {error}", path.display());
        let remedy = "a start fails with this error: chown the file to the user of the server, and run `latchkey doctor` as \
                      that user";
        (error.kind() != ErrorKind::NotFound).then(|| finding(Severity::Error, what, remedy))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_reported_and_an_absent_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("latchkey.db");
        std::fs::write(&database, "").unwrap();
        assert!(examine(&database).is_none());
        // A folder can be written by no user, root included.
        std::fs::create_dir(folder.path().join("latchkey.db-mark")).unwrap();
        let found = examine(&database).unwrap();
        assert!(found.message.contains("latchkey.db-mark can't be written"), "{found:?}");
        assert_eq!(std::fs::metadata(&database).unwrap().len(), 0, "nothing is changed");
    }
}
