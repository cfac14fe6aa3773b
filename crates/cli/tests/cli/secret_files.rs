//! Files with credentials that others can read: the command warns about each once, and goes on.

use std::fs::{Permissions, set_permissions, write};
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
