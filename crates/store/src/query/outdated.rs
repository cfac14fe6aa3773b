//! Objects that lack changes which the feed has: a person has altered their table, or restored it without the others.

use latchkey_core::ports::Change;
use sea_orm::entity::prelude::*;
use sea_orm::{DbBackend, Statement};

use super::feed;
use crate::entity::change::{Entity, Model};
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::row::{RowContext, number};

/// Returns the changes after a revision that objects lack, in the order of their revisions: at most `limit`, of objects from
/// which access was taken away; none at all, from the start of the feed, if no object lacks a change that took access away.
pub(crate) async fn changes(
    connection: &PooledConnection,
    after: u64,
    limit: u32,
) -> Result<Vec<Change>, StoreError> {
    // A later page may have nothing but changes that gave access back.
    if after == 0 && rows(connection, "c.effect IS NOT NULL", 0, 1).await?.is_empty() {
        return Ok(Vec::new());
    }
    // With the later changes of the same objects, which may have given the access back.
    let subjects =
        "(c.kind, c.subject) IN (SELECT e.kind, e.subject FROM changes AS e WHERE e.effect IS NOT NULL)";
    let rows = rows(connection, subjects, after, limit).await?;
    let read = |row: &Model| {
        let context = RowContext::new("changes", &row.revision);
        feed::change(number::to_u64(context, "revision", row.revision)?, row)
    };
    rows.iter().map(read).collect()
}

/// Returns rows of the feed after a revision that objects lack and that have a property.
async fn rows(
    connection: &PooledConnection,
    property: &str,
    after: u64,
    limit: u32,
) -> Result<Vec<Model>, StoreError> {
    let backend = connection.get_database_backend();
    let sql = sql(backend, property, number::to_i64(after), limit);
    let statement = Statement::from_string(backend, sql);
    Ok(Entity::find().from_raw_sql(statement).all(connection).await?)
}

/// Returns the SQL text. A row of the feed names its object in text, as [`feed::row`] writes it. It is converted within a CASE,
/// since a database may evaluate the parts of a condition in any order.
fn sql(backend: DbBackend, property: &str, after: i64, limit: u32) -> String {
    let hash = match backend {
        DbBackend::Sqlite => "unhex(c.subject)",
        _ => "decode(c.subject, 'hex')",
    };
    // The identifiers of users and families have prefixes, and those of tenants have hyphens.
    let id = |prefix: &str| match backend {
        DbBackend::Sqlite => format!("unhex(replace(replace(c.subject, '{prefix}', ''), '-', ''))"),
        _ => format!("replace(c.subject, '{prefix}', '')::uuid"),
    };
    let older = |kind: &str, table: &str, column: &str, value: &str| {
        format!(
            "(c.kind = '{kind}' AND EXISTS (SELECT 1 FROM {table} AS o \
             WHERE o.{column} = CASE WHEN c.kind = '{kind}' THEN {value} END AND o.revision < c.revision))"
        )
    };
    let (key, tenant) = (older("key", "keys", "hash", hash), older("tenant", "tenants", "id", &id("")));
    let user = older("user", "users", "id", &id("user_"));
    let family_id = id("fam_");
    // These have no revision. What is recorded of them is irreversible.
    let family = format!(
        "(c.kind = 'family' AND c.effect = 'ended' AND EXISTS (SELECT 1 FROM token_families AS o \
         WHERE o.id = CASE WHEN c.kind = 'family' THEN {family_id} END AND o.ended_at IS NULL))"
    );
    let signing_key = "(c.kind = 'signing_keys' AND EXISTS (SELECT 1 FROM signing_keys AS o \
                       WHERE o.profile = c.subject AND c.effect = 'withdrawn:' || o.id AND o.withdrawn_at IS NULL))";
    format!(
        "SELECT c.revision, c.kind, c.subject, c.effect, c.history FROM changes AS c \
         WHERE c.revision > {after} AND {property} AND ({key} OR {tenant} OR {user} OR {family} OR {signing_key}) \
         ORDER BY c.revision LIMIT {limit}"
    )
}
