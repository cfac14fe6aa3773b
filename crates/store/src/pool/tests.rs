//! Tests of the pool with SQLite.

use std::pin::pin;
use std::task::Poll;

use sea_orm::ConnectionTrait;
use tokio::task::yield_now;

use super::*;

/// Longer than any connection may be idle, and shorter than its lifetime.
const IDLE_FOR: Duration = Duration::from_secs(121);

fn pool() -> (tempfile::TempDir, Arc<Pool>) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("keys.db").display());
    let target = DatabaseTarget::parse(&url, Duration::from_secs(30), Pooler::Session).unwrap();
    (folder, Pool::new(target, 4))
}

/// Starts a future and drops it at once, before it can finish.
async fn give_up(work: impl Future) {
    let mut work = pin!(work);
    let begun = std::future::poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_pending()));
    assert!(begun.await);
}

/// Waits until a background task has reached a state.
async fn until(done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), wait).await.unwrap();
}

#[tokio::test]
async fn opening_goes_on_when_its_caller_gives_up() {
    let (_folder, pool) = pool();
    give_up(pool.acquire()).await;
    until(|| pool.idle().len() == 1 && pool.permits.available_permits() == 4).await;
    assert!(pool.acquire().await.unwrap().execute_unprepared("SELECT 1").await.is_ok());
}

#[tokio::test]
async fn a_statement_runs_on_when_its_caller_gives_up_and_the_connection_is_returned() {
    let (_folder, pool) = pool();
    let connection = pool.acquire().await.unwrap();
    let long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT max(i) FROM n";
    give_up(connection.execute_unprepared(long)).await;
    drop(connection);
    until(|| !pool.idle().is_empty() && pool.permits.available_permits() == 4).await;
    assert!(pool.acquire().await.unwrap().execute_unprepared("SELECT 1").await.is_ok());
}

#[tokio::test]
async fn a_write_whose_caller_gives_up_is_rolled_back() {
    let (_folder, pool) = pool();
    pool.acquire().await.unwrap().execute_unprepared("CREATE TABLE t (n)").await.unwrap();
    let write = pool.begin().await.unwrap();
    give_up(write.execute_unprepared("INSERT INTO t VALUES (1)")).await;
    drop(write);
    until(|| pool.writers.available_permits() == 1).await;
    let left = pool.acquire().await.unwrap().execute_unprepared("DELETE FROM t").await.unwrap();
    assert_eq!(left.rows_affected(), 0);
}

#[tokio::test]
async fn a_transaction_that_is_dropped_is_rolled_back_before_the_connection_comes_back() {
    let (_folder, pool) = pool();
    pool.acquire().await.unwrap().execute_unprepared("CREATE TABLE t (n)").await.unwrap();
    let write = pool.begin().await.unwrap();
    write.execute_unprepared("INSERT INTO t VALUES (1)").await.unwrap();
    assert_eq!(pool.writers.available_permits(), 0);
    drop(write);
    until(|| pool.writers.available_permits() == 1).await;
    let left = pool.acquire().await.unwrap().execute_unprepared("DELETE FROM t").await.unwrap();
    assert_eq!(left.rows_affected(), 0);
}

#[tokio::test]
async fn a_closed_pool_gives_no_connection() {
    let (_folder, pool) = pool();
    let out = pool.acquire().await.unwrap();
    pool.close().await;
    assert!(pool.acquire().await.is_err() && pool.begin().await.is_err());
    drop(out);
    assert_eq!(pool.idle().len(), 0);
}

#[tokio::test]
async fn a_connection_is_closed_after_being_idle() {
    let (_folder, pool) = pool();
    let connections = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    drop(connections);
    let now = Instant::now();
    assert!(pool.idle().len() == 2);
    let used = pool.take_idle(now).unwrap();
    pool.return_idle(used, now + IDLE_FOR);
    assert_eq!(pool.idle().len(), 1, "the one that was not used is closed");
    assert!(pool.take_idle(now + 3 * IDLE_FOR).is_none());
}

#[tokio::test]
async fn a_connection_in_steady_use_is_closed_after_its_lifetime() {
    let (_folder, pool) = pool();
    drop(pool.acquire().await.unwrap());
    let start = Instant::now();
    let minute = |number: u64| start + Duration::from_secs(60 * number);
    for number in 0..8 {
        let entry = pool.take_idle(minute(number)).unwrap();
        pool.return_idle(entry, minute(number));
    }
    let entry = pool.take_idle(minute(8)).unwrap();
    pool.return_idle(entry, minute(12));
    assert_eq!(pool.idle().len(), 0);
}

#[tokio::test]
async fn connections_of_an_earlier_generation_are_closed() {
    let (_folder, pool) = pool();
    let (used, idle) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    drop(idle);
    pool.replace_all();
    assert_eq!(pool.idle().len(), 0);
    drop(used);
    assert_eq!(pool.idle().len(), 0, "the one in use is closed when it is returned");
    drop(pool.acquire().await.unwrap());
    assert_eq!(pool.idle().len(), 1);
}

#[tokio::test]
async fn a_stale_connection_is_closed_with_all_others() {
    let (_folder, pool) = pool();
    let (stale, used) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    drop(pool.acquire().await.unwrap());
    stale.mark_stale();
    assert_eq!(pool.idle().len(), 0);
    drop((stale, used));
    assert_eq!((pool.idle().len(), pool.permits.available_permits()), (0, 4));
}

#[tokio::test]
async fn a_write_into_a_file_that_was_replaced_is_refused() {
    let (folder, pool) = pool();
    pool.lock_file().unwrap();
    pool.lock_file().unwrap();
    pool.acquire().await.unwrap().execute_unprepared("CREATE TABLE t (n)").await.unwrap();
    let open = pool.begin().await.unwrap();
    open.execute_unprepared("INSERT INTO t VALUES (1)").await.unwrap();
    let path = folder.path().join("keys.db");
    std::fs::rename(&path, folder.path().join("aside.db")).unwrap();
    std::fs::write(&path, b"").unwrap();
    let error = open.commit().await.unwrap_err().to_string();
    assert!(error.contains("was replaced") && error.contains("keys.db"), "{error}");
    until(|| pool.writers.available_permits() == 1).await;
    assert!(pool.begin().await.is_err() && pool.check_file().is_err());
    pool.replace_all();
    assert!(pool.acquire().await.is_err(), "the other file is not opened");
    let failure = pool.failure().unwrap();
    assert!(failure.refused && failure.cause.contains("was replaced"), "{failure:?}");
}

#[tokio::test]
async fn a_file_that_another_pool_has_locked_is_refused() {
    let (folder, first) = pool();
    let url = format!("sqlite:{}", folder.path().join("keys.db").display());
    let second = Pool::new(DatabaseTarget::parse(&url, Duration::from_secs(30), Pooler::Session).unwrap(), 4);
    first.lock_file().unwrap();
    assert!(matches!(second.lock_file(), Err(DatabaseFileError::InUse(_))));
    first.close().await;
    drop(first);
    second.lock_file().unwrap();
}

/// Opens a locked pool with a table that has one row.
async fn locked_pool() -> (tempfile::TempDir, Arc<Pool>) {
    let (folder, pool) = pool();
    pool.lock_file().unwrap();
    pool.acquire().await.unwrap().execute_unprepared("CREATE TABLE t (n)").await.unwrap();
    write(&pool).await.unwrap();
    (folder, pool)
}

async fn write(pool: &Arc<Pool>) -> Result<(), DbErr> {
    let write = pool.begin().await?;
    write.execute_unprepared("INSERT INTO t VALUES (1)").await?;
    write.commit().await
}

#[tokio::test]
async fn a_write_after_the_log_was_removed_is_refused_and_an_orderly_end_saves_the_earlier_ones() {
    for removed in [&["-wal", "-shm"][..], &["-wal"], &["-shm"]] {
        let (folder, pool) = locked_pool().await;
        let open = pool.begin().await.unwrap();
        for suffix in removed {
            std::fs::remove_file(folder.path().join(format!("keys.db{suffix}"))).unwrap();
        }
        let error = open.commit().await.unwrap_err().to_string();
        assert!(error.contains(removed[0]) && error.contains("SIGTERM"), "{error}");
        until(|| pool.writers.available_permits() == 1).await;
        assert!(write(&pool).await.is_err() && pool.check_file().is_err(), "{removed:?}");
        pool.replace_all();
        assert!(pool.acquire().await.is_err(), "no connection with another log is opened");
        pool.close().await;
        drop(pool);
        let target = format!("sqlite:{}", folder.path().join("keys.db").display());
        let target = DatabaseTarget::parse(&target, Duration::from_secs(30), Pooler::Session).unwrap();
        let pool = Pool::new(target, 4);
        let rows = pool.acquire().await.unwrap().execute_unprepared("DELETE FROM t").await.unwrap();
        assert_eq!(rows.rows_affected(), 1, "{removed:?}");
    }
}

#[tokio::test]
async fn the_log_stays_the_same_when_all_connections_were_closed_for_a_while() {
    let (_folder, pool) = locked_pool().await;
    for _ in 0..3 {
        pool.replace_all();
        until(|| pool.open.load(Ordering::SeqCst) == 0).await;
        write(&pool).await.unwrap();
    }
    pool.check_file().unwrap();
}

#[tokio::test]
async fn a_write_into_a_file_that_was_overwritten_in_place_is_refused() {
    let (folder, pool) = locked_pool().await;
    let path = folder.path().join("keys.db");
    let checkpoint = async || {
        let connection = pool.acquire().await.unwrap();
        connection.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    };
    checkpoint().await;
    let earlier = std::fs::read(&path).unwrap();
    for number in 0..3 {
        // A connection counts its changes when it reads those of others.
        pool.replace_all();
        let create = format!("CREATE TABLE t{number} (n)");
        pool.acquire().await.unwrap().execute_unprepared(&create).await.unwrap();
        write(&pool).await.unwrap();
        checkpoint().await;
        write(&pool).await.expect("a checkpoint is no such change");
    }
    let open = pool.begin().await.unwrap();
    std::fs::write(&path, &earlier).unwrap();
    let error = open.commit().await.unwrap_err().to_string();
    assert!(error.contains("was overwritten") && error.contains("keys.db"), "{error}");
    until(|| pool.writers.available_permits() == 1).await;
    assert!(write(&pool).await.is_err() && pool.check_file().is_err());
}

#[tokio::test]
async fn a_write_into_a_file_that_was_cut_off_is_refused() {
    let (folder, pool) = locked_pool().await;
    std::fs::write(folder.path().join("keys.db"), b"").unwrap();
    let error = write(&pool).await.unwrap_err().to_string();
    assert!(error.contains("was overwritten"), "{error}");
}
