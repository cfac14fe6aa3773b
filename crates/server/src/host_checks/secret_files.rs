//! Permissions of files that hold secrets: other users of the machine must neither read nor change them. Group
//! permissions are the operator's own way to give a file to the process, and are left alone.

use std::os::unix::fs::MetadataExt as _;

use latchkey_config::SecretFile;

use super::{HostCheck, HostFinding, finding};
use crate::doctor::{Area, Severity};

/// Bits of a mode by which users other than the owner and the group read or write a file.
const OTHERS: u32 = 0o006;

/// Returns the finding about a file. A file that does not exist, or is no regular file, has none.
pub(super) fn examine(file: &SecretFile) -> Option<HostFinding> {
    let metadata = std::fs::metadata(&file.path).ok().filter(std::fs::Metadata::is_file)?;
    let mode = metadata.mode() & 0o777;
    let verb = match mode & OTHERS {
        0 => return None,
        0o002 => "change",
        0o004 => "read",
        _ => "read and change",
    };
    let path = file.path.display();
    let what =
        format!("{} ({path}): every user of this machine can {verb} it (mode {mode:04o})", file.origin);
    let remedy = format!("run `chmod o-rwx {path}`, and change the secret if others may have read it");
    let found = finding(Area::Settings, Severity::Warning, what, remedy);
    Some(HostFinding::new(HostCheck::SecretFiles, path.to_string(), found))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_that_others_can_read_or_change_is_reported_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "x").unwrap();
        let file = SecretFile { origin: "tls_key".to_owned(), path: path.clone() };
        let at = |mode| {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            examine(&file).map(|found| found.finding.message)
        };
        for private in [0o600, 0o400, 0o640, 0o440] {
            assert_eq!(at(private), None, "{private:o}");
        }
        for (mode, words) in
            [(0o644, "can read it (mode 0644)"), (0o602, "can change it"), (0o666, "read and change")]
        {
            let message = at(mode).unwrap();
            assert!(message.starts_with("tls_key (") && message.contains(words), "{message}");
        }
        let absent = SecretFile { origin: "root_key".to_owned(), path: folder.path().join("none") };
        assert_eq!(examine(&absent), None);
    }
}
