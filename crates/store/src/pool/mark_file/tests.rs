//! The mark of the newest commit: its file, and which files of a database belong together.

use std::os::unix::fs::{chown, symlink};

use super::*;

/// User other than root.
const OTHER_USER: u32 = 65_534;

fn mark(database: i32, commit: i32) -> CommitMark {
    CommitMark { database, commit }
}

#[test]
fn a_mark_comes_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.db-mark");
    let (mut file, none) = MarkFile::open(path.clone(), (0, 0)).unwrap();
    assert_eq!(none, None);
    for written in [mark(7, 1), mark(-7, i32::MAX), mark(i32::MIN, -1)] {
        file.set_database(written.database);
        file.write(written.commit);
        assert_eq!(MarkFile::open(path.clone(), (0, 0)).unwrap().1, Some(written));
        assert_eq!(fs::metadata(&path).unwrap().len(), LINE_BYTES as u64);
    }
    fs::write(&path, [b'x'; LINE_BYTES]).unwrap();
    assert_eq!(MarkFile::open(path, (0, 0)).unwrap().1, None, "another content");
}

#[test]
fn a_mark_that_is_removed_or_replaced_meanwhile_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.db-mark");
    let (mut file, _) = MarkFile::open(path.clone(), (0, 0)).unwrap();
    file.set_database(7);
    file.write(1);
    fs::remove_file(&path).unwrap();
    file.write(2);
    assert_eq!(MarkFile::open(path.clone(), (0, 0)).unwrap().1, Some(mark(7, 2)));
    let other = folder.path().join("other");
    fs::write(&other, "the mark of another database").unwrap();
    fs::rename(&other, &path).unwrap();
    file.write(3);
    assert_eq!(MarkFile::open(path, (0, 0)).unwrap().1, Some(mark(7, 3)));
}

#[test]
fn only_files_that_belong_together_and_have_every_known_commit_are_opened() {
    let path = Path::new("keys.db");
    let log = |commits: &[i32]| commits.iter().map(|commit| mark(7, *commit)).collect::<Vec<_>>();
    let known = |commit| Some(mark(7, commit));
    for (stored, logged, known) in [
        (mark(0, 0), vec![], None),
        (mark(7, 5), vec![], None),
        (mark(7, 5), vec![], known(5)),
        // After a power failure, the file beside it is older.
        (mark(7, 9), vec![], known(5)),
        (mark(7, 5), log(&[6, 7, 8, 9]), known(9)),
        // Some or all of the log was written into the file.
        (mark(7, 7), log(&[6, 7, 8, 9]), known(9)),
        (mark(7, 9), log(&[6, 7, 8, 9]), known(9)),
        // A migration changes the schema without a number of its own.
        (mark(7, 6), log(&[6, 7]), known(7)),
        // An earlier state was restored by SQL.
        (mark(7, 5), log(&[6, 7, 3, 4]), known(4)),
        (mark(7, 4), log(&[6, 7, 3, 4]), known(4)),
        // The number of the database was drawn after the log had begun.
        (mark(0, 0), vec![mark(0, 0), mark(7, 0), mark(7, 1)], known(1)),
        (mark(7, i32::MAX), log(&[i32::MIN, i32::MIN + 1]), known(i32::MIN + 1)),
    ] {
        assert_eq!(check(path, stored, &logged, known), Ok(()), "{stored:?} {logged:?} {known:?}");
    }
    let log_error = || MismatchedFiles::Log(path.to_owned());
    for (stored, logged, known, error) in [
        (mark(7, 5), vec![], known(8), MismatchedFiles::Commits(path.to_owned(), 3)),
        (mark(7, 5), log(&[5, 6]), known(8), MismatchedFiles::Commits(path.to_owned(), 2)),
        (mark(8, 9), vec![], known(8), MismatchedFiles::Database(path.to_owned())),
        (mark(0, 0), vec![], known(8), MismatchedFiles::Database(path.to_owned())),
        (mark(7, 4), log(&[6, 7, 8, 9]), known(9), log_error()),
        (mark(7, 10), log(&[6, 7, 8, 9]), known(9), log_error()),
        (mark(8, 7), log(&[6, 7, 8, 9]), None, log_error()),
        (mark(0, 0), log(&[6, 7, 8, 9]), None, log_error()),
    ] {
        let text = error.to_string();
        assert!(text.contains("remove keys.db-") && !text.contains('\n') && !text.contains("  "), "{text}");
        assert_eq!(check(path, stored, &logged, known), Err(error), "{stored:?} {logged:?} {known:?}");
    }
}

#[test]
fn the_mark_belongs_to_the_owner_of_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.db");
    let file = File::create_new(&path).and_then(|_| File::open(&path)).unwrap();
    // Only root may do this. The mark of any other user is that user's own, as the database is.
    let _ = chown(&path, Some(OTHER_USER), Some(OTHER_USER));
    let mark = beside(&path, "-mark");
    let uid = |path: &Path| fs::metadata(path).unwrap().uid();
    open(&path, &file).unwrap().write(1);
    assert_eq!(uid(&mark), uid(&path));
    assert_eq!(fs::metadata(&mark).unwrap().mode() & 0o777, OWNER_ONLY);
    assert_eq!(examine(&path).map_err(|error| error.to_string()), Ok(()));
}

#[test]
fn a_link_in_the_place_of_the_mark_creates_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.db");
    let file = File::create_new(&path).and_then(|_| File::open(&path)).unwrap();
    let target = folder.path().join("target");
    symlink(&target, beside(&path, "-mark")).unwrap();
    open(&path, &file).unwrap().write(1);
    assert!(!target.exists());
}

#[test]
fn a_mark_that_cannot_be_written_can_be_examined_and_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.db");
    let file = File::create_new(&path).and_then(|_| File::open(&path)).unwrap();
    // Not even root can open a folder for writing, and each user can open it for reading.
    fs::create_dir(beside(&path, "-mark")).unwrap();
    assert_eq!(examine(&path).map_err(|error| error.to_string()), Ok(()));
    let error = open(&path, &file).unwrap_err().to_string();
    for words in ["keys.db-mark can't be opened", "chown", "remove"] {
        assert!(error.contains(words) && !error.contains('\n') && !error.contains("  "), "{error}");
    }
}
