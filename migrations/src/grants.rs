//! Permissions of the role on the tables that are there. PostgreSQL hides a table from a role without permissions on
//! it, so that a complete schema looks like an absent one.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use crate::place::Place;
use crate::schema::TABLES;

/// Checks that the role may use each of the tables that exist. Does nothing on SQLite.
pub(crate) async fn check(db: &impl ConnectionTrait, place: &Place) -> Result<(), DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, sql())).await?;
    let Some(row) = row else { return Ok(()) };
    let Place { role, schema, .. } = place;
    match row.try_get::<Option<String>>("", "missing")? {
        None => Ok(()),
        Some(missing) => Err(DbErr::Custom(format!(
            "permission denied: the role {role} lacks {missing}; run \
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"
        ))),
    }
}

/// Returns the query for a text of the permissions that the role lacks.
fn sql() -> String {
    let tables = TABLES.map(|table| format!("'{table}'")).join(", ");
    format!(
        "SELECT string_agg(permissions || ' on ' || relname, ', ' ORDER BY relname) AS missing FROM \
         (SELECT tables.relname, string_agg(wanted.permission, ', ' ORDER BY wanted.number) AS permissions \
         FROM pg_catalog.pg_class AS tables \
         JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = tables.relnamespace \
         CROSS JOIN (VALUES (1, 'SELECT'), (2, 'INSERT'), (3, 'UPDATE'), (4, 'DELETE')) \
         AS wanted (number, permission) \
         WHERE schemas.nspname = current_schema() AND tables.relkind IN ('r', 'p') \
         AND tables.relname IN ({tables}) \
         AND (tables.relname <> 'seaql_migrations' OR wanted.permission = 'SELECT') \
         AND NOT has_table_privilege(tables.oid, wanted.permission) \
         GROUP BY tables.relname) AS lacking"
    )
}
