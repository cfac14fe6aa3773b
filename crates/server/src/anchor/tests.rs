//! Tests that anchors are found again after truncation, growth and removal of the file.

use std::sync::Mutex;

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::id::{KeyId, UserId};
use latchkey_core::time::Timestamp;
use latchkey_management::ports::audit::{AuditCheck, AuditFilter, AuditPage, EventSubjects};

use super::*;

/// Log whose head is set by the test.
struct FakeLog(Mutex<Anchor>);

#[async_trait]
impl AuditLog for FakeLog {
    async fn events(&self, _: &AuditFilter, _: Option<u64>, _: u32) -> Result<AuditPage, SystemError> {
        Ok(AuditPage::default())
    }

    async fn subjects(&self, _: &[KeyId], _: &[UserId]) -> Result<EventSubjects, SystemError> {
        Ok(EventSubjects::default())
    }

    async fn outside(&self) -> Result<Option<(i64, u64)>, SystemError> {
        Ok(None)
    }

    async fn head(&self) -> Result<Option<Anchor>, SystemError> {
        Ok(Some(*self.0.lock().unwrap()))
    }

    async fn check(&self, _: Anchor, _: u64, _: Timestamp) -> Result<AuditCheck, SystemError> {
        Ok(AuditCheck { valid: Vec::new(), broken: None, pruned_early: None })
    }
}

fn anchor(sequence: u64) -> Anchor {
    Anchor { sequence, hash: [u8::try_from(sequence % 251).unwrap(); 32] }
}

struct Fixture {
    folder: tempfile::TempDir,
    log: Arc<FakeLog>,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), log: Arc::new(FakeLog(Mutex::new(Anchor::START))) }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("anchors")
    }

    fn anchor_writer(&self) -> AuditAnchorWriter {
        let setting = AuditAnchorSettings { log: true, file: Some(self.path()) };
        AuditAnchorWriter::new(Arc::clone(&self.log) as _, &setting).unwrap()
    }

    async fn advance_to(&self, anchor_writer: &AuditAnchorWriter, sequence: u64) {
        *self.log.0.lock().unwrap() = anchor(sequence);
        anchor_writer.write_if_advanced(true).await;
    }
}

async fn all(anchor_writer: &AuditAnchorWriter) -> Vec<u64> {
    let anchors = anchor_writer.store();
    let (mut position, end, mut found) = (0, anchors.extent().await.unwrap(), Vec::new());
    while position < end {
        let (some, next) = anchors.read(position, end).await.unwrap();
        assert!(next > position, "each read must advance");
        position = next;
        found.extend(some.into_iter().inspect(|read| assert_eq!(*read, anchor(read.sequence))));
    }
    found.into_iter().map(|anchor| anchor.sequence).collect()
}

#[tokio::test]
async fn each_end_of_the_log_is_written_once() {
    let fixture = Fixture::new();
    let anchor_writer = fixture.anchor_writer();
    for sequence in [0, 3, 3, 4] {
        fixture.advance_to(&anchor_writer, sequence).await;
    }
    assert_eq!(all(&anchor_writer).await, [3, 4]);
    let again = fixture.anchor_writer();
    fixture.advance_to(&again, 4).await;
    fixture.advance_to(&again, 9).await;
    assert_eq!(all(&again).await, [3, 4, 9]);
}

#[tokio::test]
async fn a_line_that_a_crash_cut_off_damages_no_other() {
    let fixture = Fixture::new();
    let anchor_writer = fixture.anchor_writer();
    fixture.advance_to(&anchor_writer, 3).await;
    let text = std::fs::read_to_string(fixture.path()).unwrap();
    std::fs::write(fixture.path(), format!("{text}4 0404")).unwrap();
    assert_eq!(all(&anchor_writer).await, [3]);
    fixture.advance_to(&anchor_writer, 5).await;
    assert_eq!(all(&anchor_writer).await, [3, 5]);
}

#[tokio::test]
async fn a_long_history_is_read_in_parts() {
    let fixture = Fixture::new();
    let anchor_writer = fixture.anchor_writer();
    let line = |n: u64| format!("{n} {}\n", file::hex(&anchor(n).hash));
    std::fs::write(fixture.path(), (1..=3_000).map(line).collect::<String>()).unwrap();
    assert_eq!(all(&anchor_writer).await, (1..=3_000).collect::<Vec<_>>());
    assert_eq!(AnchorFile::open(&fixture.path()).unwrap().last().unwrap(), Some(anchor(3_000)));
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_created_again() {
    let fixture = Fixture::new();
    let anchor_writer = fixture.anchor_writer();
    fixture.advance_to(&anchor_writer, 3).await;
    std::fs::rename(fixture.path(), fixture.folder.path().join("anchors.1")).unwrap();
    assert_eq!(all(&anchor_writer).await, Vec::<u64>::new());
    fixture.advance_to(&anchor_writer, 4).await;
    assert_eq!(all(&anchor_writer).await, [4]);
}

#[tokio::test]
async fn a_file_that_can_not_be_created_is_an_error_at_once() {
    let fixture = Fixture::new();
    let setting =
        AuditAnchorSettings { log: false, file: Some(fixture.folder.path().join("no/such/folder")) };
    assert!(AuditAnchorWriter::new(Arc::clone(&fixture.log) as _, &setting).is_err());
}
