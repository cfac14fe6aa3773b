//! Decides on logins by the failures of their account, and counts failures. The rows are locked meanwhile, so that
//! concurrent attempts cannot exceed a limit.

use latchkey_core::id::TenantId;
use latchkey_core::login::{Failures, LoginDecision, LoginHistory, LoginVerdict, account_id};
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_management::ports::AuditEntry;
use latchkey_management::ports::tokens::LoginAttempt;
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{Condition, QueryOrder, QuerySelect};

use crate::entity::login_history::{ActiveModel, Column, Entity, Model};
use crate::error::StoreError;
use crate::journal::{self, ROWS};
use crate::pool::PooledConnection;
use crate::write::stored;

/// Address in the row that counts for all addresses of an account.
const ALL_ADDRESSES: [u8; 32] = [0; 32];

/// Decides on an attempt whose password was compared, and stores what follows from it. If the attempt locks the account
/// for the address, appends the audit event.
pub(crate) async fn decide(
    connection: PooledConnection,
    attempt: &LoginAttempt,
    lock: Option<AuditEntry>,
) -> Result<LoginVerdict, StoreError> {
    let mut rows = lock_rows(&connection, attempt).await?;
    if rows.len() < 2 && !attempt.correct {
        // Two first failures at once must both be counted: one waits here for the other.
        let missing = [ALL_ADDRESSES, attempt.address.0].map(|address| row(attempt, address, 0, 0));
        let insert = Entity::insert_many(missing).on_conflict(OnConflict::new().do_nothing().to_owned());
        insert.exec_without_returning(&connection).await?;
        rows = lock_rows(&connection, attempt).await?;
    }
    let before = history(&rows, attempt);
    let LoginDecision { verdict, history: after, locks } = before.decide(attempt.correct, attempt.time);
    if after == before {
        return Ok(verdict);
    }
    let of_address = row(attempt, attempt.address.0, after.address.clear_at.0, after.known_until.0);
    let mut changed = vec![of_address];
    if after.account != before.account {
        changed.push(row(attempt, ALL_ADDRESSES, after.account.clear_at.0, 0));
    }
    let replace = OnConflict::columns([Column::Account, Column::Address])
        .update_columns([Column::ClearAt, Column::KnownUntil, Column::EndsAt])
        .to_owned();
    let count = changed.len();
    let inserted =
        Entity::insert_many(changed).on_conflict(replace).exec_without_returning(&connection).await?;
    stored::all("login_histories", count, inserted)?;
    if let Some(lock) = lock.filter(|_| locks) {
        journal::append_audit(&connection, &lock).await?;
    }
    connection.commit().await?;
    Ok(verdict)
}

/// Reads the rows of an attempt in the order of their addresses, in which every transaction locks them.
async fn lock_rows(connection: &PooledConnection, attempt: &LoginAttempt) -> Result<Vec<Model>, StoreError> {
    let addresses = [ALL_ADDRESSES.to_vec(), attempt.address.0.to_vec()];
    let query = Entity::find()
        .filter(Column::Account.eq(attempt.account.0.to_vec()))
        .filter(Column::Address.is_in(addresses))
        .order_by_asc(Column::Address)
        .lock_exclusive();
    Ok(query.all(connection).await?)
}

fn history(rows: &[Model], attempt: &LoginAttempt) -> LoginHistory {
    let of = |address: [u8; 32]| rows.iter().find(|row| row.address == address);
    let failures = |address| {
        of(address).map_or_else(Failures::default, |row| Failures { clear_at: Timestamp(row.clear_at) })
    };
    LoginHistory {
        address: failures(attempt.address.0),
        account: failures(ALL_ADDRESSES),
        known_until: Timestamp(of(attempt.address.0).map_or(0, |row| row.known_until)),
    }
}

fn row(attempt: &LoginAttempt, address: [u8; 32], clear_at: i64, known_until: i64) -> ActiveModel {
    ActiveModel {
        account: Set(attempt.account.0.to_vec()),
        address: Set(address.to_vec()),
        clear_at: Set(clear_at),
        known_until: Set(known_until),
        ends_at: Set(clear_at.max(known_until)),
    }
}

/// Deletes the failures of a user after an operator or a key manager has set the password or created the user. Known
/// addresses are forgotten too: the user may have lost the password to one of them.
pub(crate) async fn forget(
    connection: &PooledConnection,
    tenant: TenantId,
    email: &str,
) -> Result<(), StoreError> {
    let account: KeyHash = account_id(&tenant.to_string(), email);
    let rows = Entity::delete_many().filter(Column::Account.eq(account.0.to_vec()));
    rows.exec(connection).await?;
    Ok(())
}

/// Deletes some of the obsolete rows. Returns their number.
pub(crate) async fn prune(connection: PooledConnection, before: Timestamp) -> Result<u64, StoreError> {
    let ended = Entity::find().filter(Column::EndsAt.lt(before.0)).limit(ROWS as u64);
    let rows = ended.all(&connection).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let one = |row: &Model| {
        Condition::all()
            .add(Column::Account.eq(row.account.clone()))
            .add(Column::Address.eq(row.address.clone()))
    };
    let any = rows.iter().fold(Condition::any(), |any, row| any.add(one(row)));
    // A row can have been written again since it was read.
    let gone =
        Entity::delete_many().filter(any).filter(Column::EndsAt.lt(before.0)).exec(&connection).await?;
    connection.commit().await?;
    Ok(gone.rows_affected)
}
