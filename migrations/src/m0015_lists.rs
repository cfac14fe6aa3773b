//! Columns and indexes by which lists are ordered and searched. `name_order` and `expires_order` are computed by the
//! database, so that the previous version of the program can continue to write rows: the name in lower case, and the
//! expiry or the largest integer for none.
//!
//! The table of last uses gets a row for each key when the key is created, with the tenant and the smallest integer until
//! the first use. An order by last use is then a walk of one index, for one tenant and for all. A key that the previous
//! version creates has no row before its first use.
//!
//! Written in SQL, since sea-query writes no partial indexes with literals, which both planners need.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Computed columns: table, name, type and expression.
const COMPUTED: [(&str, &str, &str, &str); 3] = [
    ("keys", "name_order", "text", "lower(name)"),
    ("keys", "expires_order", "bigint", "COALESCE(expires_at, 9223372036854775807)"),
    ("tenants", "name_order", "text", "lower(display_name)"),
];

/// Rows of last uses for keys without one, and the tenants of all.
const FILL: [&str; 2] = [
    "INSERT INTO key_last_uses (key_id, used_at) SELECT id, -9223372036854775808 FROM keys \
     WHERE NOT EXISTS (SELECT 1 FROM key_last_uses WHERE key_id = keys.id)",
    "UPDATE key_last_uses SET tenant_id = (SELECT tenant_id FROM keys WHERE keys.id = key_last_uses.key_id)",
];

/// Indexes: name, and what follows ON.
const INDEXES: [(&str, &str); 14] = [
    ("keys_by_tenant_and_name", "keys (tenant_id, name_order, id)"),
    ("keys_by_name", "keys (name_order, id)"),
    ("keys_by_tenant_and_expiry", "keys (tenant_id, expires_order, id)"),
    ("keys_by_expiry", "keys (expires_order, id)"),
    ("keys_by_hint", "keys (hint, tenant_id, id)"),
    ("keys_by_creator", "keys (created_by, tenant_id, id)"),
    ("keys_not_active", "keys (tenant_id, state, id) WHERE state <> 'active'"),
    ("key_last_uses_by_tenant", "key_last_uses (tenant_id, used_at, key_id)"),
    ("key_last_uses_by_time", "key_last_uses (used_at, key_id)"),
    ("tenants_by_name", "tenants (name_order, id)"),
    ("users_by_email", "users (email, id)"),
    ("audit_events_by_actor", "audit_events (actor, sequence)"),
    ("audit_events_by_target", "audit_events (target, sequence)"),
    ("audit_events_by_action", "audit_events (action, sequence)"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        // PostgreSQL computes stored columns alone, and SQLite adds virtual ones alone.
        let kind = if db.get_database_backend() == DbBackend::Postgres { "STORED" } else { "VIRTUAL" };
        for (table, name, of, expression) in COMPUTED {
            let column = format!("{name} {of} GENERATED ALWAYS AS ({expression}) {kind}");
            db.execute_unprepared(&format!("ALTER TABLE {table} ADD COLUMN {column}")).await?;
        }
        let tenant = if db.get_database_backend() == DbBackend::Postgres { "uuid" } else { "uuid_text" };
        db.execute_unprepared(&format!("ALTER TABLE key_last_uses ADD COLUMN tenant_id {tenant}")).await?;
        for statement in FILL {
            db.execute_unprepared(statement).await?;
        }
        for (name, on) in INDEXES {
            db.execute_unprepared(&format!("CREATE INDEX {name} ON {on}")).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for (name, _) in INDEXES {
            db.execute_unprepared(&format!("DROP INDEX {name}")).await?;
        }
        db.execute_unprepared("DELETE FROM key_last_uses WHERE used_at = -9223372036854775808").await?;
        db.execute_unprepared("ALTER TABLE key_last_uses DROP COLUMN tenant_id").await?;
        for (table, name, _, _) in COMPUTED {
            db.execute_unprepared(&format!("ALTER TABLE {table} DROP COLUMN {name}")).await?;
        }
        Ok(())
    }
}
