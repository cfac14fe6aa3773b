//! What is anchored is found again, whatever happened to the file meanwhile.

use std::sync::Mutex;

use async_trait::async_trait;
use latchkey_core::trouble::Trouble;
use latchkey_management::ports::audit::{AuditEvent, AuditFilter, Checked};

use super::*;

/// A log that has come to where it is told to.
struct Log(Mutex<Anchor>);

#[async_trait]
impl AuditLog for Log {
    async fn events(&self, _: &AuditFilter, _: Option<u64>, _: u32) -> Result<Vec<AuditEvent>, Trouble> {
        Ok(Vec::new())
    }

    async fn head(&self) -> Result<Anchor, Trouble> {
        Ok(*self.0.lock().unwrap())
    }

    async fn check(&self, _: Anchor, _: u64) -> Result<Checked, Trouble> {
        Ok(Checked { good: Vec::new(), broken: None })
    }
}

fn anchor(sequence: u64) -> Anchor {
    Anchor { sequence, hash: [u8::try_from(sequence % 251).unwrap(); 32] }
}

struct Desk {
    folder: tempfile::TempDir,
    log: Arc<Log>,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), log: Arc::new(Log(Mutex::new(Anchor::START))) }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("anchors")
    }

    fn keeper(&self) -> Keeper {
        let setting = AuditAnchor { log: true, file: Some(self.path()) };
        Keeper::new(Arc::clone(&self.log) as _, &setting).unwrap()
    }

    async fn comes_to(&self, keeper: &Keeper, sequence: u64) {
        *self.log.0.lock().unwrap() = anchor(sequence);
        keeper.look(true).await;
    }
}

async fn all(keeper: &Keeper) -> Vec<u64> {
    let anchors = keeper.anchors();
    let (mut place, end, mut found) = (0, anchors.extent().await.unwrap(), Vec::new());
    while place < end {
        let (some, next) = anchors.read(place, end).await.unwrap();
        assert!(next > place, "it goes on");
        place = next;
        found.extend(some.into_iter().inspect(|read| assert_eq!(*read, anchor(read.sequence))));
    }
    found.into_iter().map(|anchor| anchor.sequence).collect()
}

#[tokio::test]
async fn each_end_of_the_log_is_written_once() {
    let desk = Desk::new();
    let keeper = desk.keeper();
    for sequence in [0, 3, 3, 4] {
        desk.comes_to(&keeper, sequence).await;
    }
    assert_eq!(all(&keeper).await, [3, 4]);
    let again = desk.keeper();
    desk.comes_to(&again, 4).await;
    desk.comes_to(&again, 9).await;
    assert_eq!(all(&again).await, [3, 4, 9]);
}

#[tokio::test]
async fn a_line_that_a_crash_cut_off_spoils_no_other() {
    let desk = Desk::new();
    let keeper = desk.keeper();
    desk.comes_to(&keeper, 3).await;
    let text = std::fs::read_to_string(desk.path()).unwrap();
    std::fs::write(desk.path(), format!("{text}4 0404")).unwrap();
    assert_eq!(all(&keeper).await, [3]);
    desk.comes_to(&keeper, 5).await;
    assert_eq!(all(&keeper).await, [3, 5]);
}

#[tokio::test]
async fn a_long_history_is_read_in_parts() {
    let desk = Desk::new();
    let keeper = desk.keeper();
    let line = |n: u64| format!("{n} {}\n", file::hex(&anchor(n).hash));
    std::fs::write(desk.path(), (1..=3_000).map(line).collect::<String>()).unwrap();
    assert_eq!(all(&keeper).await, (1..=3_000).collect::<Vec<_>>());
    assert_eq!(AnchorFile::open(&desk.path()).unwrap().last().unwrap(), Some(anchor(3_000)));
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_begun_anew() {
    let desk = Desk::new();
    let keeper = desk.keeper();
    desk.comes_to(&keeper, 3).await;
    std::fs::rename(desk.path(), desk.folder.path().join("anchors.1")).unwrap();
    assert_eq!(all(&keeper).await, Vec::<u64>::new());
    desk.comes_to(&keeper, 4).await;
    assert_eq!(all(&keeper).await, [4]);
}

#[tokio::test]
async fn a_file_that_can_not_be_made_is_told_at_once() {
    let desk = Desk::new();
    let setting = AuditAnchor { log: false, file: Some(desk.folder.path().join("no/such/folder")) };
    assert!(Keeper::new(Arc::clone(&desk.log) as _, &setting).is_err());
}
