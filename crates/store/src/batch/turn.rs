//! Turns of shared transactions among replicas. Without them, each replica would insert its rows and then wait for the
//! head row with the few writes that it had by then. A replica that waits for its turn first takes along most of the
//! writes that arrive meanwhile, so that several replicas write as much in one transaction as one does.
//!
//! A transaction that waits for its turn holds no lock, and only shared transactions take turns. Therefore no other
//! transaction waits for one that waits for its turn, and no deadlock is possible.

use std::sync::Arc;

use sea_orm::DbErr;

use crate::pool::{Pool, PooledConnection};

/// Identifier of the advisory lock in PostgreSQL: "LK turns" in ASCII.
const TURN: i64 = 0x4c4b_2074_7572_6e73;

/// Begins a transaction, and waits for its turn, which ends with it. Where there are no turns, it begins at once: in
/// SQLite, which one process uses, and on servers that lack advisory locks or do not permit them.
pub(super) async fn begin(pool: &Arc<Pool>) -> Result<PooledConnection, DbErr> {
    pool.begin_locked(TURN).await
}
