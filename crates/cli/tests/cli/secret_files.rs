//! Files with credentials: the command warns once about each that others can read, and goes on.

use std::fs::{File, Permissions, set_permissions, write};
use std::os::unix::fs::PermissionsExt as _;

use crate::{latchkey, text};

#[test]
fn a_key_file_that_others_can_read_has_one_warning_and_is_used_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    write(&path, "lk_op_1").unwrap();
    let warnings = |mode| {
        set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let mut command = latchkey(folder.path());
        command.args(["--server", "http://127.0.0.1:1", "--key-file", "key", "tenant", "list"]);
        let output = command.output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(6), "{error}");
        error.matches("warning: key: ").count() + error.matches("chmod go-rwx key").count()
    };
    assert_eq!((warnings(0o644), warnings(0o640), warnings(0o600)), (2, 2, 0));
}

#[test]
fn a_key_on_standard_input_is_read_once_for_the_whole_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    write(&path, "demo_live_1\n").unwrap();
    let mut command = latchkey(folder.path());
    command.args(["--server", "http://127.0.0.1:1", "--key-file", "-", "jwt", "issue"]);
    let output = command.stdin(File::open(&path).unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
}
