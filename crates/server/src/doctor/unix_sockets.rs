//! Checks of Unix sockets: who can connect, and who could put another socket in their place.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use latchkey_config::ListenSettings;

use super::{Finding, warning};

/// Permission of other users to write.
const OTHERS_WRITE: u32 = 0o002;
/// Bit of a folder in which users can replace their own files alone.
const STICKY: u32 = 0o1000;

/// Checks the Unix sockets that the settings name.
pub(super) fn examine(listen: &ListenSettings) -> Vec<Finding> {
    let addresses =
        [Some(&listen.grpc), listen.management.as_ref(), Some(&listen.http), listen.admin.as_ref()];
    let paths: Vec<&Path> =
        addresses.into_iter().flatten().filter_map(|address| address.unix_path()).collect();
    let mut found = Vec::new();
    if !paths.is_empty() && listen.unix_socket.mode & OTHERS_WRITE != 0 {
        found.push(warning(
            "every user of this machine can connect to the Unix sockets",
            "set unix_socket_mode to 0660, with unix_socket_group for the processes that call",
        ));
    }
    for folder in folders(paths) {
        let mode = fs::metadata(folder).map(|folder| folder.permissions().mode()).unwrap_or_default();
        if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
            let what = format!(
                "every user of this machine can write to {}, and put a socket of another process in the place of Latchkey's",
                folder.display()
            );
            found.push(warning(
                &what,
                "use a folder that only the user of Latchkey writes to, such as /run/latchkey",
            ));
        }
    }
    found
}

/// Returns the folder of each socket once; for a path that names none, the working directory.
fn folders(paths: Vec<&Path>) -> Vec<&Path> {
    let mut folders: Vec<&Path> = paths
        .into_iter()
        .filter_map(Path::parent)
        .map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
        .collect();
    folders.sort_unstable();
    folders.dedup();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_folder_is_checked_once_and_that_of_a_bare_name_is_the_working_directory() {
        let paths = ["/run/a/grpc.sock", "http.sock", "/run/a/admin.sock", "b/x.sock", "/run/a/m.sock"];
        let expected = ["/run/a", ".", "b"].map(Path::new);
        assert_eq!(folders(paths.map(Path::new).to_vec()), expected);
    }
}
