//! Checks of the folders of files that a start creates: without its folder, a file can't be made, and the start fails.

use std::path::Path;

use latchkey_config::{DecisionLogTarget, Settings};

use super::{Area, Finding, Severity};

/// Reports each folder that does not exist.
pub(super) fn examine(settings: &Settings) -> Vec<Finding> {
    let listen = &settings.listen;
    let sockets = [
        ("grpc_addr", Some(&listen.grpc)),
        ("management_addr", listen.management.as_ref()),
        ("http_addr", Some(&listen.http)),
        ("admin_addr", listen.admin.as_ref()),
    ];
    let decisions = match &settings.decisions.target {
        DecisionLogTarget::File(path) => Some(path.as_path()),
        DecisionLogTarget::Off | DecisionLogTarget::Stdout => None,
    };
    let logs = [("decision_log", decisions), ("audit_anchor", settings.audit_anchor.file.as_deref())];
    let sockets = sockets.into_iter().map(|(name, address)| (name, address.and_then(|one| one.unix_path())));
    sockets.chain(logs).filter_map(|(name, path)| missing(name, path?)).collect()
}

/// Returns the finding in the folder of a file. The folder of a bare name is the working directory.
fn missing(setting: &str, path: &Path) -> Option<Finding> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    (!folder.is_dir()).then(|| {
        let what = format!(
            "{setting}: there is no folder {:?}, so that the start fails",
            folder.display().to_string()
        );
        let remedy = "create it first, for the user of Latchkey, or correct the path";
        Finding::new(Area::Settings, Severity::Error, what, remedy)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_does_not_exist_is_reported_with_its_setting() {
        let found = missing("decision_log", Path::new("/no/such/folder/log")).unwrap();
        assert!(
            found.message.starts_with("decision_log: there is no folder \"/no/such/folder\""),
            "{found:?}"
        );
        for there in ["/log", "log", "./log"] {
            assert!(missing("decision_log", Path::new(there)).is_none(), "{there}");
        }
    }
}
