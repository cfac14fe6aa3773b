//! Checks of files that a start opens or creates: without its folder or a permission, a file can't be made, and something
//! else in its place can't be used. The start fails in each case.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use latchkey_config::{DecisionLogTarget, RootKey, Settings};
use rustix::fs::{Access, access};

use super::{Area, Finding, Severity};

/// Effect of a missing folder on a start.
const ALWAYS: &str = "the start fails";
/// Effect of the missing folder of the operators' first key, which is created for a database without operators alone.
const FIRST_START: &str = "a start fails if the database has no operators yet";

/// Kind of a file that a start opens or creates.
#[derive(Clone, Copy)]
enum FileKind {
    /// File or pipe to which lines are appended.
    Log,
    /// Unix socket.
    Socket,
}

/// Reports each folder that does not exist, and each path that a start can't use.
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
    let logs = [("decision_log", decisions), ("audit_anchor", settings.audit_anchor.file.as_deref())]
        .map(|(name, path)| (name, path, FileKind::Log));
    let sockets =
        sockets.map(|(name, address)| (name, address.and_then(|one| one.unix_path()), FileKind::Socket));
    let found = sockets.into_iter().chain(logs).filter_map(|(name, path, kind)| {
        let path = path?;
        let unusable = || unusable(name, path, kind, (ALWAYS, Severity::Error));
        missing(name, path, ALWAYS, Severity::Error).or_else(unusable)
    });
    let root_key = match &settings.root_key {
        RootKey::WriteTo(path) => {
            let (name, severity) = ("root_key_file", Severity::Warning);
            let unusable = || unusable(name, path, FileKind::Log, (FIRST_START, severity));
            missing(name, path, FIRST_START, severity).or_else(unusable)
        }
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

/// Returns the finding about a path whose folder exists, and that a start can't use. Opens and creates nothing.
fn unusable(
    setting: &str,
    path: &Path,
    kind: FileKind,
    (effect, severity): (&str, Severity),
) -> Option<Finding> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let create = || forbidden(folder, Access::WRITE_OK | Access::EXEC_OK);
    let found = match kind {
        FileKind::Log => path.metadata(),
        FileKind::Socket => path.symlink_metadata(),
    };
    let reason = match (found, kind) {
        (Ok(data), FileKind::Log) if data.is_dir() => Some("it is a folder, and not a file".to_owned()),
        (Ok(data), FileKind::Log) if data.file_type().is_socket() => Some("it is a socket".to_owned()),
        (Ok(_), FileKind::Log) => forbidden(path, Access::WRITE_OK),
        (Ok(data), FileKind::Socket) => not_a_socket(&data).or_else(create),
        // A link whose file is made elsewhere.
        (Err(_), _) if path.is_symlink() => None,
        (Err(_), _) => create(),
    }?;
    let what =
        format!("{setting}: {:?} can't be used, so that {effect}: {reason}", path.display().to_string());
    let remedy = "correct the path, or permit it to the user of Latchkey";
    Some(Finding::new(Area::Settings, severity, what, remedy))
}

fn not_a_socket(data: &Metadata) -> Option<String> {
    let other = if data.is_dir() { "a folder" } else { "a file" };
    (!data.file_type().is_socket()).then(|| format!("it is {other}, and not a socket"))
}

/// Returns why this process does not have these rights to a file or a folder.
fn forbidden(place: &Path, rights: Access) -> Option<String> {
    let error = io::Error::from(access(place, rights).err()?);
    Some(format!("{}: {error}", place.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixListener;

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

    #[test]
    fn something_else_in_the_place_of_a_file_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("file"), "").unwrap();
        let _listener = UnixListener::bind(at("socket")).unwrap();
        let words = |name: &str, kind| {
            let found = unusable("decision_log", &at(name), kind, (ALWAYS, Severity::Error));
            found.map(|finding| finding.message).unwrap_or_default()
        };
        assert!(words("folder", FileKind::Log).ends_with("the start fails: it is a folder, and not a file"));
        assert!(words("socket", FileKind::Log).ends_with(": it is a socket"));
        assert!(words("folder", FileKind::Socket).ends_with(": it is a folder, and not a socket"));
        assert!(words("file", FileKind::Socket).ends_with(": it is a file, and not a socket"));
        for (name, kind) in [("file", FileKind::Log), ("socket", FileKind::Socket)] {
            assert_eq!(words(name, kind), "", "{name}");
        }
        for kind in [FileKind::Log, FileKind::Socket] {
            assert_eq!(words("new", kind), "");
        }
    }
}
