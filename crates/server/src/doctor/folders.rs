//! Checks of the folders of files that a start creates: without its folder, a file can't be made, and the start fails.

use std::path::Path;

use latchkey_config::{DecisionLogTarget, RootKey, Settings};

use super::{Area, Finding, Severity};

/// Effect of a missing folder on a start.
const ALWAYS: &str = "the start fails";
/// Effect of the missing folder of the operators' first key, which is created for a database without operators alone.
const FIRST_START: &str = "a start fails if the database has no operators yet";

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
    let found = sockets.chain(logs).filter_map(|(name, path)| missing(name, path?, ALWAYS, Severity::Error));
    let root_key = match &settings.root_key {
        RootKey::WriteTo(path) => missing("root_key_file", path, FIRST_START, Severity::Warning),
        RootKey::Given(_) | RootKey::Print => None,
    };
    found.chain(root_key).collect()
}

/// Returns the finding in the folder of a file. The folder of a bare name is the working directory.
fn missing(setting: &str, path: &Path, effect: &str, severity: Severity) -> Option<Finding> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    (!folder.is_dir()).then(|| {
        let what =
            format!("{setting}: there is no folder {:?}, so that {effect}", folder.display().to_string());
        let remedy = "create it first, for the user of Latchkey, or correct the path";
        Finding::new(Area::Settings, severity, what, remedy)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_does_not_exist_is_reported_with_its_setting() {
        let found =
            missing("decision_log", Path::new("/no/such/folder/log"), ALWAYS, Severity::Error).unwrap();
        assert!(
            found.message.starts_with("decision_log: there is no folder \"/no/such/folder\""),
            "{found:?}"
        );
        for there in ["/log", "log", "./log"] {
            assert!(missing("decision_log", Path::new(there), ALWAYS, Severity::Error).is_none(), "{there}");
        }
    }
}
