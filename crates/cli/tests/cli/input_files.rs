//! Files that the command line names and that can't be read: an invalid command, and not a failure of the server.

use crate::{latchkey, text};

#[test]
fn a_file_that_is_absent_or_not_utf_8_is_an_invalid_command_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("latin.toml"), b"name = \"caf\xe9\"\n").unwrap();
    for file in ["absent.toml", "latin.toml"] {
        for words in [
            &["profile", "lint", file][..],
            &["profile", "test", file],
            &["profile", "diff", file, file],
            &["apply", "-f", file],
            &["envoy-config", file],
            &["jwt", "inspect", "--token-file", file],
            &["--server", "http://127.0.0.1:1", "--key-file", file, "tenant", "list"],
        ] {
            let output = latchkey(folder.path()).args(words).output().unwrap();
            let error = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{words:?}: {error}");
            assert!(error.contains(&format!("{file} can't be read")), "{words:?}: {error}");
        }
    }
}
