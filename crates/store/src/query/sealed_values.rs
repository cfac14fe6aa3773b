//! Reads sealed values, table by table, in the order of their rows. Used to rotate the master key, and by a
//! start that finds no key check value. A query may scan a whole table, so no client call waits for it.

use latchkey_core::id::KeyId;
use latchkey_core::imported_hash;
use latchkey_core::seal::Sealed;
use latchkey_core::secret::KeyHash;
use latchkey_core::token::refresh::seal_owner;
use latchkey_management::ports::sealed_values::{KeyCheckValue, SealedTable, SealedValue};
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect, Statement};

use crate::entity::{key, master_key_mark, profile_secret, refresh, signing_key};
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::row::RowContext;
use crate::row::key::REVOKED;

/// Returns every key check value.
pub(crate) async fn key_check_values(
    connection: &PooledConnection,
) -> Result<Vec<KeyCheckValue>, StoreError> {
    let rows = master_key_mark::Entity::find().all(connection).await?;
    Ok(rows.into_iter().map(|row| KeyCheckValue { id: row.id, sealed: Sealed(row.sealed) }).collect())
}

/// Returns the tables that have any value.
pub(crate) async fn tables(database: &impl ConnectionTrait) -> Result<Vec<SealedTable>, StoreError> {
    // A removed value of a signing key is empty.
    let sql = "SELECT EXISTS (SELECT 1 FROM signing_keys WHERE length(sealed) > 0) AS signing_keys, \
               EXISTS (SELECT 1 FROM keys WHERE sealed IS NOT NULL) AS keys, \
               EXISTS (SELECT 1 FROM refresh_tokens WHERE successor IS NOT NULL) AS refresh_tokens, \
               EXISTS (SELECT 1 FROM profile_secrets) AS profile_secrets";
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let row = database.query_one_raw(statement).await?;
    let row = row.ok_or_else(|| RowContext::new("keys", &"?").corrupt("being missing"))?;
    let mut found = Vec::new();
    for (table, column) in [
        (SealedTable::SigningKeys, "signing_keys"),
        (SealedTable::Keys, "keys"),
        (SealedTable::RefreshTokens, "refresh_tokens"),
        (SealedTable::ProfileSecrets, "profile_secrets"),
    ] {
        if row.try_get::<bool>("", column)? {
            found.push(table);
        }
    }
    Ok(found)
}

/// Returns values of a sealed table after a row.
pub(crate) async fn values(
    database: &impl ConnectionTrait,
    table: SealedTable,
    after: Option<&[u8]>,
    limit: u32,
) -> Result<Vec<SealedValue>, StoreError> {
    match table {
        SealedTable::SigningKeys => signing_keys(database, after, limit).await,
        SealedTable::Keys => keys(database, after, limit).await,
        SealedTable::RefreshTokens => refresh_tokens(database, after, limit).await,
        SealedTable::ProfileSecrets => profile_secrets(database, after).await,
    }
}

/// Returns signing keys' sealed values. A removed value is empty and skipped.
async fn signing_keys(
    database: &impl ConnectionTrait,
    after: Option<&[u8]>,
    limit: u32,
) -> Result<Vec<SealedValue>, StoreError> {
    use signing_key::{Column, Entity};
    let mut query = Entity::find().filter(Column::Sealed.ne(Vec::<u8>::new()));
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(signing_key_id(after)));
    }
    let rows = query.order_by_asc(Column::Id).limit(u64::from(limit)).all(database).await?;
    let value = |row: signing_key::Model| SealedValue {
        row: row.id.clone().into_bytes(),
        owner: row.id,
        sealed: Sealed(row.sealed),
        needed: row.withdrawn_at.is_none(),
    };
    Ok(rows.into_iter().map(value).collect())
}

/// Returns a signing key's identifier from its row.
pub(crate) fn signing_key_id(row: &[u8]) -> String {
    String::from_utf8_lossy(row).into_owned()
}

async fn keys(
    database: &impl ConnectionTrait,
    after: Option<&[u8]>,
    limit: u32,
) -> Result<Vec<SealedValue>, StoreError> {
    use key::{Column, Entity};
    let mut query = Entity::find()
        .select_only()
        .columns([Column::Id, Column::Sealed, Column::State])
        .filter(Column::Sealed.is_not_null());
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(key_id(after)?));
    }
    let rows: Vec<(Uuid, Vec<u8>, String)> =
        query.order_by_asc(Column::Id).limit(u64::from(limit)).into_tuple().all(database).await?;
    let value = |(id, sealed, state): (Uuid, Vec<u8>, String)| SealedValue {
        row: id.as_bytes().to_vec(),
        owner: KeyId(id).to_string(),
        sealed: Sealed(sealed),
        needed: state != REVOKED,
    };
    Ok(rows.into_iter().map(value).collect())
}

/// Returns a key's identifier from its row.
pub(crate) fn key_id(row: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(row).map_err(|_| RowContext::new("keys", &"?").corrupt("id"))
}

/// Returns the secrets of all profiles. There are few, so that one batch has all of them.
async fn profile_secrets(
    database: &impl ConnectionTrait,
    after: Option<&[u8]>,
) -> Result<Vec<SealedValue>, StoreError> {
    if after.is_some() {
        return Ok(Vec::new());
    }
    let rows = profile_secret::Entity::find().all(database).await?;
    let value = |row: profile_secret::Model| SealedValue {
        row: profile_secret_row(&row.profile, &row.name),
        owner: imported_hash::seal_owner(&row.profile, &row.name),
        sealed: Sealed(row.sealed),
        needed: true,
    };
    Ok(rows.into_iter().map(value).collect())
}

/// Returns the row of a secret: names of profiles have no slash.
fn profile_secret_row(profile: &str, name: &str) -> Vec<u8> {
    format!("{profile}/{name}").into_bytes()
}

/// Returns a secret's profile and name from its row.
pub(crate) fn profile_secret_id(row: &[u8]) -> (String, String) {
    let row = String::from_utf8_lossy(row);
    let (profile, name) = row.split_once('/').unwrap_or_default();
    (profile.to_owned(), name.to_owned())
}

async fn refresh_tokens(
    database: &impl ConnectionTrait,
    after: Option<&[u8]>,
    limit: u32,
) -> Result<Vec<SealedValue>, StoreError> {
    use refresh::{Column, Entity};
    let mut query = Entity::find()
        .select_only()
        .columns([Column::Hash, Column::Successor])
        .filter(Column::Successor.is_not_null());
    if let Some(after) = after {
        query = query.filter(Column::Hash.gt(after.to_vec()));
    }
    let rows: Vec<(Vec<u8>, Vec<u8>)> =
        query.order_by_asc(Column::Hash).limit(u64::from(limit)).into_tuple().all(database).await?;
    let value = |(hash, successor): (Vec<u8>, Vec<u8>)| SealedValue {
        // An invalid hash cannot own a sealed value: no master key opens the value beside it.
        owner: hash.as_slice().try_into().map_or_else(|_| String::new(), |hash| seal_owner(&KeyHash(hash))),
        row: hash,
        sealed: Sealed(successor),
        needed: true,
    };
    Ok(rows.into_iter().map(value).collect())
}
