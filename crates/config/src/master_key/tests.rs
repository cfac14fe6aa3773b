//! Tests of the master key and its file.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Barrier;

use super::*;

#[test]
fn racing_starts_make_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let key = MasterKey::next_to(&folder.path().join("latchkey.db"));
    let together = Barrier::new(50);
    let made: Vec<[u8; 32]> = std::thread::scope(|scope| {
        let start = || {
            together.wait();
            *key.reveal().unwrap()
        };
        let starts: Vec<_> = (0..50).map(|_| scope.spawn(start)).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(made.iter().all(|key| *key == made[0] && *key != [0; 32]));
    let remaining: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(remaining, ["latchkey.db.master-key.new"], "no temporary file is left");
}

#[test]
fn the_file_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k");
    let key = MasterKey::File(path.clone());
    key.reveal().unwrap();
    key.confirm().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(key.reveal().unwrap_err().to_string().contains("chmod 600"));
}

#[test]
fn a_malformed_file_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k");
    write(&path, b"c2hvcnQ=\n").unwrap();
    assert!(matches!(MasterKey::File(path.clone()).reveal(), Err(KeyFileError::Malformed(_))));
    assert_eq!(fs::read(&path).unwrap(), b"c2hvcnQ=\n");
}

#[test]
fn a_given_key_has_32_bytes_and_is_never_printed() {
    let text = STANDARD.encode([7; 32]);
    assert_eq!(*MasterKey::from_base64(&text).unwrap().reveal().unwrap(), [7; 32]);
    assert!(!format!("{:?}", MasterKey::from_base64(&text).unwrap()).contains('7'));
    let several = PreviousKeys::from_base64(&format!("{text}, {text}\n{text}\n")).unwrap();
    assert_eq!(several.0.len(), 3);
    assert_eq!(format!("{several:?}"), "PreviousKeys(3, redacted)");
    let error = PreviousKeys::from_base64(&format!("{text},canary")).unwrap_err();
    assert!(error.contains("number 2") && !error.contains("canary"), "{error}");
    let error = MasterKey::from_base64("canary").unwrap_err();
    assert!(!error.contains("canary") && error.contains("openssl rand -base64 32"));
}

/// Returns the names of the files in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_key_is_confirmed_once_and_stays_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let key = MasterKey::File(folder.path().join("k"));
    assert!(!key.exists() && key.confirm().is_err(), "there is no key yet");
    let created = *key.reveal().unwrap();
    assert_eq!((names(folder.path()), key.exists()), (vec!["k.new".to_owned()], true));
    assert_eq!(*key.reveal().unwrap(), created, "a start that was interrupted is continued");
    key.confirm().unwrap();
    key.confirm().unwrap();
    assert_eq!((names(folder.path()), *key.reveal().unwrap()), (vec!["k".to_owned()], created));
    MasterKey::from_base64(&STANDARD.encode([7; 32])).unwrap().confirm().unwrap();
}

#[test]
fn a_confirmed_key_is_neither_replaced_nor_overridden() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k");
    let key = MasterKey::File(path.clone());
    write(&path, STANDARD.encode([1; 32]).as_bytes()).unwrap();
    write(&unconfirmed(&path), STANDARD.encode([2; 32]).as_bytes()).unwrap();
    assert_eq!(*key.reveal().unwrap(), [1; 32]);
    key.confirm().unwrap();
    assert_eq!(*key.reveal().unwrap(), [1; 32]);
    assert_eq!(names(folder.path()), ["k", "k.new"], "a key that differs is not deleted");
    fs::write(unconfirmed(&path), STANDARD.encode([1; 32])).unwrap();
    key.confirm().unwrap();
    assert_eq!(names(folder.path()), ["k"]);
}

#[test]
fn racing_starts_confirm_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let key = MasterKey::File(folder.path().join("k"));
    let together = Barrier::new(50);
    let made: Vec<[u8; 32]> = std::thread::scope(|scope| {
        let start = || {
            together.wait();
            let revealed = *key.reveal().unwrap();
            key.confirm().unwrap();
            revealed
        };
        let starts: Vec<_> = (0..50).map(|_| scope.spawn(start)).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    let confirmed = *key.reveal().unwrap();
    assert!(made.iter().all(|key| *key == confirmed), "each start has the key that was confirmed");
}
