//! A full disk: writes fail without partial effects, cached keys and reads are still served, and writes succeed again
//! when there is free space. The tests use small disks, which only root can mount: for SQLite, for PostgreSQL's tables
//! (writes are refused) and for its write-ahead log (PostgreSQL panics, and must be started again).

use std::process::Command;

use latchkey_proto::v1::{Key, ListKeysRequest, RevokeKeyRequest, VerifyAuditLogRequest};
use latchkey_testing::{
    Caller, Disk, Folder, Latchkey, Postgres, Setup, Volume, eventually, eventually_async, key,
};
use tonic::{Code, Status};

use crate::cluster::{PROFILE, allows, ask, assert_outage};

/// A Latchkey on a small disk, and the keys that it acknowledged.
struct Fixture {
    latchkey: Latchkey,
    operator: Caller,
    first: Key,
    value: String,
    /// Number of acknowledged keys.
    made: usize,
}

impl Fixture {
    /// Creates a tenant and a cached key.
    async fn start(database: &str) -> Self {
        let setup = Setup::default().database(database).environment("LATCHKEY_CACHE_LEASE", "10m");
        let latchkey = setup.profile("cluster", PROFILE).start();
        let operator = latchkey.operator();
        let _ = operator.tenant("acme", "cluster", "").await;
        let (first, value) = operator.plain_key("acme", "live").await;
        assert_eq!(allows(&operator, ask(&value)).await, Ok(true));
        Self { latchkey, operator, first, value, made: 1 }
    }

    /// Creates keys until one is refused.
    async fn make_until_refused(&mut self) -> Status {
        loop {
            match self.operator.try_key(key("acme", "live")).await {
                Ok(_) => self.made += 1,
                Err(status) => return status,
            }
            assert!(self.made < 5_000, "the disk is full");
        }
    }

    async fn revoke(&self) -> Result<(), Status> {
        let revoke = RevokeKeyRequest { id: self.first.id.clone(), reason: String::new() };
        self.operator.keys().revoke_key(revoke).await.map(drop)
    }

    async fn count(&self) -> usize {
        let ask =
            ListKeysRequest { tenant: "acme".to_owned(), page_size: 1_000, ..ListKeysRequest::default() };
        self.operator.keys().list_keys(ask).await.expect("keys can be read").into_inner().keys.len()
    }

    /// Creates one more key, and waits until that is possible again.
    async fn make_again(&mut self) {
        let operator = &self.operator;
        eventually_async("there is room again", async || {
            let made = operator.try_key(key("acme", "live")).await;
            made.map_err(|status| assert_eq!(status.code(), Code::Unavailable, "{status:?}")).ok()
        })
        .await;
        self.made += 1;
    }

    /// Asserts that a write that is refused because the disk is full is an outage without effects, and that
    /// existing data can be read.
    async fn refuses_whole(&mut self) {
        let status = self.make_until_refused().await;
        assert_outage(&status);
        assert_outage(&self.revoke().await.expect_err("its audit event has no room"));
        assert_eq!(
            allows(&self.operator, ask(&self.value)).await,
            Ok(true),
            "what was not written is not so"
        );
        assert_eq!(self.count().await, self.made, "what was refused is not there");
    }

    /// Asserts that there is free space again: a key is created, and one is revoked.
    async fn goes_on(&mut self) {
        self.make_again().await;
        assert_eq!(self.count().await, self.made);
        self.revoke().await.expect("it is revoked");
        assert_eq!(allows(&self.operator, ask(&self.value)).await, Ok(false));
        let log = self.operator.audit().verify_audit_log(VerifyAuditLogRequest::default()).await;
        let log = log.expect("the log can be read").into_inner();
        assert!(log.intact, "no line is missing or half written: {}", log.problem);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_whole_and_lets_checks_go_on() {
    let disk = Disk::of(8 * 1024);
    let mut fixture =
        Fixture::start(&format!("sqlite://{}/latchkey.db?mode=rwc", disk.path().display())).await;
    disk.fill();
    fixture.refuses_whole().await;
    let words = "database or disk is full (SQLite code 13)";
    let said = || fixture.latchkey.log().contains(words).then_some(());
    eventually("the cause is in the log, in SQLite's words", said);
    fixture.latchkey.wait_for_log("free space on the disk");
    disk.empty();
    fixture.goes_on().await;
}

/// The limit of a file's size (`ulimit -f`), which ends a process that does not expect it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_may_not_grow_refuses_a_write_and_does_not_end_the_process() {
    let folder = Folder::new("file-size");
    let path = folder.path().join("latchkey.db");
    let mut fixture = Fixture::start(&format!("sqlite://{}?mode=rwc", path.display())).await;
    let wal = std::fs::metadata(folder.path().join("latchkey.db-wal")).expect("a write-ahead log").len();
    let page = fixture.latchkey.page("/metrics").body;
    assert!(page.contains("latchkey_sqlite_wal_bytes "), "{page}");
    let pid = fixture.latchkey.pid().to_string();
    let limit = |bytes: &str| {
        let set = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}")]).status();
        assert!(set.expect("prlimit starts").success());
    };
    limit(&format!("{}:unlimited", wal + 100_000));
    assert_outage(&fixture.make_until_refused().await);
    assert_eq!(allows(&fixture.operator, ask(&fixture.value)).await, Ok(true));
    let said = || fixture.latchkey.log().contains("disk I/O error (SQLite code").then_some(());
    eventually("the cause is in the log, in SQLite's words", said);
    assert!(fixture.latchkey.ended().is_none());
    limit("unlimited:unlimited");
    fixture.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_postgresql_refuses_writes_whole_and_lets_checks_go_on() {
    let disk = Disk::of(128 * 1024);
    let postgres = Postgres::on(&disk, Volume::Data);
    let mut fixture = Fixture::start(&postgres.database()).await;
    disk.fill();
    fixture.refuses_whole().await;
    assert!(postgres.log().contains("No space left on device"), "{}", postgres.log());
    disk.empty();
    fixture.goes_on().await;
    assert!(!fixture.latchkey.log().contains("the database refused with"), "no fault: an outage");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_the_write_ahead_log_loses_nothing_that_was_acknowledged() {
    let disk = Disk::of(12 * 1024);
    let postgres = Postgres::on(&disk, Volume::Log);
    let mut fixture = Fixture::start(&postgres.database()).await;
    disk.fill();
    // PostgreSQL ends in the middle of a write: it is unknown whether that write is kept.
    assert_outage(&fixture.make_until_refused().await);
    assert_outage(&fixture.revoke().await.expect_err("there is no database"));
    assert_eq!(
        allows(&fixture.operator, ask(&fixture.value)).await,
        Ok(true),
        "it is remembered under the lease"
    );
    assert!(postgres.log().contains("PANIC"), "{}", postgres.log());
    postgres.kill();
    disk.empty();
    postgres.restart();
    fixture.make_again().await;
    let unsure = fixture.count().await - fixture.made;
    assert!(unsure <= 1, "{unsure} keys more than were acknowledged");
    fixture.made += unsure;
    fixture.goes_on().await;
}
