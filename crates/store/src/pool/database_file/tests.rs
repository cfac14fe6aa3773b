//! Files of a SQLite database: which can be opened, and by whom.

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

/// Opens a file that was closed just now. A process that another test starts meanwhile has the lock as well, until it
/// executes its program.
fn reopen(path: &Path) -> DatabaseFile {
    for _ in 0..6_000 {
        match DatabaseFile::open(path) {
            Err(DatabaseFileError::InUse(_)) => std::thread::sleep(std::time::Duration::from_millis(10)),
            opened => return opened.unwrap(),
        }
    }
    panic!("{} stays locked", path.display());
}

#[test]
fn a_file_is_locked_by_one_holder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.db");
    let held = DatabaseFile::open(&path).unwrap();
    let error = DatabaseFile::open(&path).unwrap_err();
    assert!(matches!(error, DatabaseFileError::InUse(_)), "{error}");
    assert!(error.to_string().contains("keys.db") && !error.to_string().contains('\n'), "{error}");
    drop(held);
    drop(reopen(&path));
}

#[test]
fn a_file_that_was_replaced_or_removed_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.db");
    let held = DatabaseFile::open(&path).unwrap();
    assert!(held.check().is_ok());
    let aside = folder.path().join("aside.db");
    fs::rename(&path, &aside).unwrap();
    assert!(matches!(held.check(), Err(DatabaseFileError::Replaced(_))));
    fs::write(&path, b"another").unwrap();
    assert!(matches!(held.check(), Err(DatabaseFileError::Replaced(_))));
    fs::rename(&aside, &path).unwrap();
    assert!(held.check().is_ok());
}

#[test]
fn the_files_are_their_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.db");
    drop(DatabaseFile::open(&path).unwrap());
    assert_eq!(mode(&path), OWNER_ONLY);
    let log = folder.path().join("keys.db-wal");
    fs::write(&log, b"").unwrap();
    for path in [&path, &log] {
        fs::set_permissions(path, Permissions::from_mode(0o664)).unwrap();
    }
    drop(reopen(&path));
    assert_eq!((mode(&path), mode(&log)), (OWNER_ONLY, OWNER_ONLY));
}

#[test]
fn a_file_that_cannot_be_opened_has_the_systems_own_cause() {
    let folder = tempfile::tempdir().unwrap();
    let error = DatabaseFile::open(&folder.path().join("absent/keys.db")).unwrap_err().to_string();
    assert!(error.contains("No such file or directory"), "{error}");
}

#[test]
fn a_path_of_something_else_than_a_regular_file_is_refused_and_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, socket) = (folder.path().join("directory"), folder.path().join("socket"));
    fs::create_dir(&directory).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
    for (path, kind) in [
        (&directory, "a directory"),
        (&socket, "a socket"),
        (&link, "a device"),
        (&PathBuf::from("/dev/zero"), "a device"),
    ] {
        let before = fs::metadata(path).unwrap().mode();
        // By the check alone, so that a test that fails changes the mode of no device.
        let error = check_kind(path, &fs::metadata(path).unwrap()).unwrap_err().to_string();
        assert!(error.contains(&format!("{} is {kind}, ", path.display())), "{error}");
        assert_eq!(fs::metadata(path).unwrap().mode(), before);
    }
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_refused_before_anything_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["keys.db", "other.db-wal"] {
        let pipe = folder.path().join(name);
        let made = std::process::Command::new("mkfifo").args(["-m", "666"]).arg(&pipe).status();
        assert!(made.unwrap().success());
        let database = folder.path().join(name.trim_end_matches("-wal"));
        let error = DatabaseFile::open(&database).unwrap_err();
        assert!(matches!(&error, DatabaseFileError::NotAFile(path, "a pipe") if *path == pipe), "{error}");
        assert_eq!(mode(&pipe), 0o666);
    }
    assert!(!folder.path().join("other.db").exists(), "the file is not created either");
}

#[test]
fn a_symbolic_link_to_a_file_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("keys.db"), folder.path().join("link.db"));
    fs::write(&path, b"").unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    drop(DatabaseFile::open(&link).unwrap());
    assert_eq!(mode(&path), OWNER_ONLY);
}

#[test]
fn a_symbolic_link_into_a_folder_that_does_not_exist_is_refused_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink("absent/keys.db", path("first.db")).unwrap();
    std::os::unix::fs::symlink("first.db", path("second.db")).unwrap();
    for name in ["first.db", "second.db"] {
        let error = DatabaseFile::open(&path(name)).unwrap_err().to_string();
        let named = [path(name), path("absent/keys.db")];
        assert!(named.iter().all(|path| error.contains(&path.display().to_string())), "{error}");
        assert!(error.contains("whose folder does not exist"), "{error}");
    }
    std::os::unix::fs::symlink("keys.db", path("new.db")).unwrap();
    drop(DatabaseFile::open(&path("new.db")).unwrap());
    assert!(path("keys.db").exists(), "a link to a new file is followed");
}
