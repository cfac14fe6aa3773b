//! Data that a reversal of migrations would delete: tables with rows, and columns with values.

use std::collections::BTreeSet;

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

/// Tables and columns of a database that hold data, as `table` or `table.column`.
pub(crate) struct Contents(BTreeSet<String>);

impl Contents {
    /// Finds the tables with rows and the columns with values.
    pub(crate) async fn read(db: &impl ConnectionTrait) -> Result<Self, DbErr> {
        let mut found = BTreeSet::new();
        for (table, column) in columns(db).await? {
            if !found.contains(&table) && !any(db, &format!("SELECT 1 AS one FROM {table}")).await? {
                continue;
            }
            let value = format!("SELECT 1 AS one FROM {table} WHERE \"{column}\" IS NOT NULL");
            if any(db, &value).await? {
                found.insert(format!("{table}.{column}"));
            }
            found.insert(table);
        }
        Ok(Self(found))
    }

    /// Returns the contents that the present schema does not have: whole tables, and columns of the remaining tables.
    pub(crate) async fn lost(&self, db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
        let columns = columns(db).await?;
        let tables: BTreeSet<&str> = columns.iter().map(|(table, _)| table.as_str()).collect();
        let left: BTreeSet<String> =
            columns.iter().map(|(table, column)| format!("{table}.{column}")).collect();
        let is_lost = |name: &&String| match name.split_once('.') {
            None => !tables.contains(name.as_str()),
            Some((table, _)) => tables.contains(table) && !left.contains(*name),
        };
        Ok(self.0.iter().filter(is_lost).cloned().collect())
    }
}

/// Returns all columns with their tables, except the tables of the migrations themselves. The row of
/// `schema_requirement` names the oldest migration that programs must know. It is no user data, and `up`
/// writes it again.
async fn columns(db: &impl ConnectionTrait) -> Result<Vec<(String, String)>, DbErr> {
    let backend = db.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => {
            "SELECT table_name::text AS of_table, column_name::text AS of_column FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name NOT IN \
             ('seaql_migrations', 'migration_lock', 'schema_requirement') ORDER BY table_name, ordinal_position"
        }
        _ => {
            "SELECT tables.name AS of_table, columns.name AS of_column FROM sqlite_master AS tables \
             JOIN pragma_table_info(tables.name) AS columns WHERE tables.type = 'table' \
             AND tables.name NOT LIKE 'sqlite_%' AND tables.name NOT IN ('seaql_migrations', 'schema_requirement') \
             ORDER BY tables.name, columns.cid"
        }
    };
    let pair = |row: QueryResult| Ok((row.try_get("", "of_table")?, row.try_get("", "of_column")?));
    db.query_all_raw(Statement::from_string(backend, sql)).await?.into_iter().map(pair).collect()
}

/// Returns true if a query has a row.
async fn any(db: &impl ConnectionTrait, query: &str) -> Result<bool, DbErr> {
    let first = Statement::from_string(db.get_database_backend(), format!("{query} LIMIT 1"));
    Ok(db.query_one_raw(first).await?.is_some())
}
