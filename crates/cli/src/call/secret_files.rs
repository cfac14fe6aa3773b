//! Warnings about files with credentials that others than their owner can read or change, as ssh gives them about its keys.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::output::{note, sanitize};

/// Files that a warning was about, so that each has one.
static WARNED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Warns on standard error, once, about a file that others than its owner can read or change.
pub(super) fn warn_if_shared(path: &Path) {
    let Some(warning) = finding(path) else { return };
    if WARNED.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned()) {
        note(&format!("warning: {}", sanitize(&warning)));
    }
}

/// Returns the finding about a file. Standard input, a pipe, and a file that does not exist have none.
fn finding(path: &Path) -> Option<String> {
    if path.as_os_str() == "-" {
        return None;
    }
    let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let mode = metadata.mode() & 0o777;
    let (of_group, of_others) = ((mode >> 3) & 0o6, mode & 0o6);
    let others = match (of_group, of_others) {
        (0, 0) => return None,
        (_, 0) => "its group",
        (_, _) => "every user of this machine",
    };
    let verb = match of_group | of_others {
        0o2 => "change",
        0o4 => "read",
        _ => "read and change",
    };
    let path = path.display();
    Some(format!(
        "{path}: {others} can {verb} it (mode {mode:04o}); run `chmod go-rwx {path}`, and change the secret if others may \
         have read it"
    ))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_that_its_group_or_others_can_read_or_change_is_reported_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "x").unwrap();
        let at = |mode| {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            finding(&path)
        };
        assert_eq!((at(0o600), at(0o400)), (None, None));
        for (mode, words) in [
            (0o640, "its group can read it (mode 0640)"),
            (0o644, "every user of this machine can read it (mode 0644)"),
            (0o602, "every user of this machine can change it"),
            (0o660, "its group can read and change it"),
        ] {
            let found = at(mode).unwrap();
            assert!(found.contains(words) && found.contains("chmod go-rwx"), "{found}");
        }
        assert_eq!(finding(&folder.path().join("none")), None);
        assert_eq!(finding(Path::new("-")), None);
    }
}
