//! The facts of new databases are those of the files, and each difference is named.

use std::path::Path;

use latchkey_testing::Postgres;
use sea_orm::sqlx::postgres::PgPoolOptions;
use sea_orm::sqlx::sqlite::SqlitePoolOptions;
use sea_orm::{DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector};
use sea_orm_migration::MigratorTrait as _;

use super::*;
use crate::{Migrator, StepState, status, up};

/// Opens a new database in memory.
fn sqlite() -> DatabaseConnection {
    let pool = SqlitePoolOptions::new().max_connections(1).connect_lazy("sqlite::memory:").unwrap();
    SqlxSqliteConnector::from_sqlx_sqlite_pool(pool)
}

/// Connects to a PostgreSQL database. A connection is closed after its use, since its prepared statements are
/// deallocated.
fn postgres(url: &str) -> DatabaseConnection {
    let pool = PgPoolOptions::new().max_connections(1).after_release(|_, _| Box::pin(async { Ok(false) }));
    SqlxPostgresConnector::from_sqlx_postgres_pool(pool.connect_lazy(url).unwrap())
}

/// Compares the facts of a new database with a file; `LATCHKEY_WRITE=1` writes the file.
async fn assert_facts_of_file(db: &DatabaseConnection, file: &str) {
    // Not by `up`, which refuses a schema that differs from the file.
    Migrator::up(db, None).await.unwrap();
    let place = Place::read(db).await.unwrap();
    let found = FoundSchema::read(db, Catalog::of(db, &place)).await.unwrap();
    assert!(found.harms.is_empty(), "{:?}", found.harms);
    let lines: Vec<String> = found.facts.iter().map(|(table, words)| format!("{table}: {words}\n")).collect();
    let (lines, path) = (lines.concat(), Path::new(env!("CARGO_MANIFEST_DIR")).join("src/schema").join(file));
    if std::env::var_os("LATCHKEY_WRITE").is_some() {
        std::fs::write(&path, lines).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(committed == lines, "{file} is outdated; write it again with LATCHKEY_WRITE=1");
}

/// Runs SQL on a complete database, and returns what is said about it then. Nothing is migrated until it is corrected.
async fn conflict_after(db: &DatabaseConnection, sql: &str) -> String {
    up(db).await.unwrap();
    db.execute_unprepared(sql).await.unwrap();
    let schema = status(db).await.unwrap();
    assert_eq!(schema.names(StepState::Missing).count(), 0);
    let conflict = schema.conflict.unwrap_or_default();
    match up(db).await {
        Ok(_) => assert_eq!(conflict, "", "{sql}"),
        Err(error) => assert!(error.to_string().contains(&conflict) && !conflict.is_empty(), "{error}"),
    }
    conflict
}

#[tokio::test]
async fn a_new_sqlite_file_has_the_facts_of_the_list() {
    assert_facts_of_file(&sqlite(), "sqlite.txt").await;
}

#[tokio::test]
async fn a_new_postgres_database_has_the_facts_of_the_list() {
    assert_facts_of_file(&postgres(&Postgres::shared().database()), "postgres.txt").await;
}

#[tokio::test]
async fn each_fault_of_a_postgres_schema_is_named_with_what_to_do() {
    let trigger = "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
                   CREATE TRIGGER x BEFORE UPDATE ON grants FOR EACH ROW EXECUTE FUNCTION nothing()";
    for (sql, words) in [
        ("DROP TABLE key_usage", "the table key_usage is missing"),
        ("ALTER TABLE keys DROP COLUMN last_used_at", "the column keys.last_used_at bigint is missing"),
        (
            "ALTER TABLE head ALTER revision TYPE numeric",
            "the column head.revision bigint has the type numeric",
        ),
        ("ALTER TABLE keys DROP CONSTRAINT keys_hash_key", "a unique index on keys (hash) is missing"),
        ("ALTER TABLE grants DROP CONSTRAINT grants_key_id_fkey", "FOREIGN KEY (key_id) REFERENCES keys(id)"),
        ("ALTER TABLE deletions SET UNLOGGED", "ALTER TABLE deletions SET LOGGED"),
        (trigger, "DROP TRIGGER x ON grants"),
        ("CREATE RULE r AS ON DELETE TO replicas DO INSTEAD NOTHING", "DROP RULE r ON replicas"),
        ("ALTER TABLE users DISABLE TRIGGER ALL", "ALTER TABLE users ENABLE TRIGGER ALL"),
        ("ALTER TABLE tenants ADD extra int NOT NULL", "the table tenants needs a value of extra"),
        (
            "ALTER TABLE shadow_denials RENAME TO aside; CREATE VIEW shadow_denials AS SELECT * FROM aside",
            "the table shadow_denials is not a table but a view",
        ),
    ] {
        let said = conflict_after(&postgres(&Postgres::shared().database()), sql).await;
        assert!(said.contains(words), "{sql}: no {words:?} in {said}");
    }
}

#[tokio::test]
async fn each_fault_of_a_sqlite_schema_is_named_with_what_to_do() {
    for (sql, words) in [
        ("DROP TABLE key_usage", "the table key_usage is missing"),
        ("ALTER TABLE keys DROP COLUMN last_used_at", "the column keys.last_used_at integer is missing"),
        ("DROP INDEX keys_made_once", "a unique index on keys (tenant_id, idempotency_key) is missing"),
        (
            "DROP TABLE fleet; CREATE VIEW fleet AS SELECT 1 AS id",
            "the table fleet is not a table but a view",
        ),
        (
            "CREATE TRIGGER x BEFORE UPDATE ON keys BEGIN SELECT RAISE(IGNORE); END",
            "the table keys has the trigger x",
        ),
    ] {
        let said = conflict_after(&sqlite(), sql).await;
        assert!(said.contains(words), "{sql}: no {words:?} in {said}");
    }
}

#[tokio::test]
async fn additions_of_operators_and_newer_versions_are_permitted() {
    let additions = "CREATE TABLE more (id int); CREATE INDEX more_keys ON keys (name); \
                     ALTER TABLE keys ADD more text; ALTER TABLE keys ADD least int NOT NULL DEFAULT 0";
    assert_eq!(conflict_after(&sqlite(), additions).await, "");
    let trigger = "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
                   CREATE TRIGGER noted AFTER INSERT ON keys FOR EACH ROW EXECUTE FUNCTION noted()";
    let db = postgres(&Postgres::shared().database());
    assert_eq!(conflict_after(&db, &format!("{additions}; {trigger}")).await, "");
    assert_eq!(conflict_after(&db, "ALTER TABLE keys ALTER name DROP NOT NULL").await, "");
    // A newer version may drop an index, and must keep what this one reads.
    let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9001_wider', 1); \
                 DROP INDEX keys_made_once";
    assert_eq!(conflict_after(&db, newer).await, "");
    let said = conflict_after(&db, "ALTER TABLE keys DROP COLUMN name CASCADE").await;
    assert!(said.contains("the column keys.name text is missing") && !said.contains("unique"), "{said}");
}

#[tokio::test]
async fn row_level_security_is_harmful_to_the_roles_that_it_applies_to() {
    let server = Postgres::shared();
    let url = server.database();
    let owner = postgres(&url);
    assert_eq!(conflict_after(&owner, "ALTER TABLE head ENABLE ROW LEVEL SECURITY").await, "");
    server.create_role("seen_in_part", "");
    server.sql(&url, "GRANT ALL ON ALL TABLES IN SCHEMA public TO seen_in_part");
    let other = postgres(&url.replace("postgres@", "seen_in_part:secret@"));
    let conflict = status(&other).await.unwrap().conflict.unwrap();
    assert!(conflict.contains("ALTER ROLE seen_in_part BYPASSRLS"), "{conflict}");
    assert!(conflict.contains("ALTER TABLE head DISABLE ROW LEVEL SECURITY"), "{conflict}");
}

#[test]
fn a_server_without_the_catalogs_is_asked_for_names_alone() {
    let facts = |found: &[&str]| FoundSchema {
        facts: found.iter().map(|words| ("keys".to_owned(), (*words).to_owned())).collect(),
        harms: Vec::new(),
    };
    let expected: BTreeSet<Fact> = Catalog::Portable
        .expected()
        .into_iter()
        .filter(|(table, _)| table == "keys")
        .map(|(table, words)| (table, without_type(&words)))
        .collect();
    assert!(expected.contains(&("keys".to_owned(), "column last_used_at".to_owned())), "{expected:?}");
    let said = facts(&["table", "column id"]).differences(&expected, Extent::Columns).join("\n");
    assert!(said.contains("the column keys.last_used_at is missing") && !said.contains("keys.id "), "{said}");
}
