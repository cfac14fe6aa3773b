//! Protection of a replica's memory and files from other processes: no core dump, no debugger, no file of others, and few copies of a key.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use latchkey_proto::v1::CheckRequest;
use latchkey_testing::{Folder, Latchkey, Setup};

/// Returns a line of `/proc/PID/limits` or `/proc/PID/status`.
fn line(latchkey: &Latchkey, file: &str, begin: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{}/{file}", latchkey.pid())).expect("it lives");
    text.lines().find(|line| line.starts_with(begin)).unwrap_or_default().to_owned()
}

/// Returns the hard limit of core dumps, from a line of `/proc/PID/limits`.
fn core_limit(line: &str) -> &str {
    line.split_whitespace().nth(5).unwrap_or_default()
}

#[test]
fn a_replica_dumps_no_core_unless_the_settings_permit_it() {
    const LIMIT: &str = "Max core file size";
    let latchkey = Setup::default().shipped("demo").start();
    assert_eq!(core_limit(&line(&latchkey, "limits", LIMIT)), "0");
    let latchkey = Setup::default().shipped("demo").environment("LATCHKEY_CORE_DUMPS", "true").start();
    let inherited = fs::read_to_string("/proc/self/limits").expect("the limits of this process");
    let inherited = inherited.lines().find(|line| line.starts_with(LIMIT)).unwrap_or_default();
    assert_eq!(core_limit(&line(&latchkey, "limits", LIMIT)), core_limit(inherited));
}

#[test]
fn files_with_secrets_are_for_their_owner_alone() {
    let folder = Folder::new("anchors");
    let anchors = folder.path().join("anchors");
    fs::write(&anchors, "").expect("an older file");
    let latchkey =
        Setup::default().shipped("demo").environment("LATCHKEY_AUDIT_ANCHOR", &anchors.display().to_string());
    let latchkey = latchkey.start();
    let mode = |path: &Path| fs::metadata(path).map(|data| data.mode() & 0o777).unwrap_or_default();
    for name in ["latchkey.db", "latchkey.db-wal", "latchkey.db-shm", "latchkey.db.master-key"] {
        let path = latchkey.folder().path().join(name);
        if path.exists() || name == "latchkey.db" {
            assert_eq!(mode(&path), 0o600, "{name}");
        }
    }
    assert_eq!(mode(&anchors), 0o600, "the file of anchors");
}

/// Counts the places in the process's memory that hold a text.
fn copies(latchkey: &Latchkey, text: &str) -> Option<usize> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", latchkey.pid())).ok()?;
    let memory = File::open(format!("/proc/{}/mem", latchkey.pid())).ok()?;
    let mut found = 0;
    for map in maps.lines().filter(|map| map.contains(" rw-p ")) {
        let (begin, end) = map.split(' ').next()?.split_once('-')?;
        let (begin, end) = (u64::from_str_radix(begin, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
        for at in (begin..end).step_by(1 << 20) {
            // The next piece overlaps this one, so that no text is missed at the boundary.
            let mut piece = vec![0; usize::try_from((end - at).min((1 << 20) + 200)).ok()?];
            if memory.read_exact_at(&mut piece, at).is_ok() {
                let whole =
                    piece.windows(text.len()).take(1 << 20).filter(|window| *window == text.as_bytes());
                found += whole.count();
            }
        }
    }
    Some(found)
}

/// Uses a key over many connections, each of which has buffers of its own, and counts the copies of the key in memory.
async fn copies_after_calls(setup: Setup) -> Option<usize> {
    let latchkey = setup.shipped("demo").start();
    let operator = latchkey.operator();
    let _ = operator.tenant("acme", "demo", "").await;
    let (_, value) = operator.plain_key("acme", "live").await;
    let check = CheckRequest {
        credential: value.clone(),
        method: "GET".to_owned(),
        path: "/things".to_owned(),
        ..CheckRequest::default()
    };
    for _ in 0..50 {
        let _ = latchkey.anonymous().check(check.clone()).await;
    }
    copies(&latchkey, &value)
}

#[tokio::test(flavor = "multi_thread")]
async fn few_copies_of_a_used_key_stay_in_memory() {
    // Memory of another process cannot be read everywhere.
    let Some(found) = copies_after_calls(Setup::default()).await else { return };
    assert!(found < 40, "{found} copies of the key after 50 calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allocator_that_overwrites_what_is_freed_leaves_hardly_a_copy() {
    let setup = Setup::default().environment("_RJEM_MALLOC_CONF", "junk:free");
    let Some(found) = copies_after_calls(setup).await else { return };
    assert!(found < 10, "{found} copies of the key after 50 calls");
}
