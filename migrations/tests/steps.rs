//! Migrations on both databases: up, down, up again, and by many processes at once.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::collections::BTreeSet;

use latchkey_migrations::{DataLoss, StepState, down, status, up};
use latchkey_testing::Postgres;
use sea_orm::sqlx::postgres::PgPoolOptions;
use sea_orm::sqlx::sqlite::SqlitePoolOptions;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, SqlxPostgresConnector, SqlxSqliteConnector, Statement,
};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// Number of migrations.
const STEPS: usize = EARLIER as usize + 1;

/// Number of migrations before the newest one.
const EARLIER: u32 = 19;

/// Tables that the migrations create and their reversal drops.
const TABLES: [&str; 24] = [
    "tenants",
    "keys",
    "grants",
    "profiles",
    "changes",
    "audit_events",
    "head",
    "fleet",
    "replicas",
    "users",
    "login_histories",
    "token_families",
    "refresh_tokens",
    "signing_keys",
    "key_usage",
    "key_last_uses",
    "key_scope_uses",
    "usage_recorders",
    "shadow_denials",
    "master_key_marks",
    "deletions",
    "schema_requirement",
    "profile_secrets",
    "key_usage_minutes",
];

/// Opens a SQLite file as each process of the service does.
fn open(folder: &TempDir) -> DatabaseConnection {
    let url = format!("sqlite:{}?mode=rwc", folder.path().join("keys.db").display());
    let options: sea_orm::sqlx::sqlite::SqliteConnectOptions = url.parse().unwrap();
    let options = options.journal_mode(sea_orm::sqlx::sqlite::SqliteJournalMode::Wal).foreign_keys(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options);
    SqlxSqliteConnector::from_sqlx_sqlite_pool(pool)
}

/// Connects to PostgreSQL as each process of the service does: a connection is closed after its use, since its
/// prepared statements are deallocated.
fn connect(url: &str) -> DatabaseConnection {
    let pool = PgPoolOptions::new().max_connections(1).after_release(|_, _| Box::pin(async { Ok(false) }));
    SqlxPostgresConnector::from_sqlx_postgres_pool(pool.connect_lazy(url).unwrap())
}

async fn applied(db: &DatabaseConnection) -> Vec<bool> {
    status(db).await.unwrap().steps.iter().map(|step| step.state == StepState::Applied).collect()
}

/// Returns the names of all tables.
async fn tables(db: &DatabaseConnection) -> BTreeSet<String> {
    let backend = db.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => "SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema()",
        _ => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    };
    let rows = db.query_all_raw(Statement::from_string(backend, sql)).await.unwrap();
    rows.iter().map(|row| row.try_get("", "name").unwrap()).collect()
}

async fn goes_up_and_down_and_up(db: &DatabaseConnection) {
    assert_eq!(applied(db).await, [false; STEPS]);
    up(db).await.unwrap();
    up(db).await.unwrap();
    assert_eq!(applied(db).await, [true; STEPS]);
    let of_lock = (db.get_database_backend() == DbBackend::Postgres).then_some("migration_lock");
    let expected: BTreeSet<String> =
        TABLES.into_iter().chain(["seaql_migrations"]).chain(of_lock).map(str::to_owned).collect();
    assert_eq!(tables(db).await, expected);
    down(db, 1, DataLoss::Accept).await.unwrap();
    assert_eq!(applied(db).await, [[true; STEPS - 1].as_slice(), &[false]].concat());
    down(db, EARLIER, DataLoss::Accept).await.unwrap();
    assert_eq!(applied(db).await, [false; STEPS]);
    for table in TABLES {
        assert!(
            db.execute_unprepared(&format!("SELECT 1 FROM {table}")).await.is_err(),
            "{table} still exists"
        );
    }
    up(db).await.unwrap();
    let head = "UPDATE head SET revision = 0 WHERE id = 1 AND audit_sequence = 0";
    assert_eq!(db.execute_unprepared(head).await.unwrap().rows_affected(), 1);
}

async fn fifty_at_once(connections: Vec<DatabaseConnection>) {
    let mut starts = JoinSet::new();
    for db in connections {
        starts.spawn(async move {
            up(&db).await.unwrap();
            assert!(applied(&db).await.iter().all(|applied| *applied));
            db.close().await.unwrap();
        });
    }
    while let Some(started) = starts.join_next().await {
        started.unwrap();
    }
}

/// Records a migration of a newer version, with the oldest migration that it demands of a program.
async fn migrate_by_a_newer_version(db: &DatabaseConnection, name: &str, oldest: &str) {
    let row = format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ('{name}', 1)");
    db.execute_unprepared(&row).await.unwrap();
    let requirement = format!("UPDATE schema_requirement SET oldest_migration = '{oldest}'");
    db.execute_unprepared(&requirement).await.unwrap();
}

async fn a_newer_schema_is_used_only_where_it_permits_it(db: &DatabaseConnection) {
    assert!(up(db).await.unwrap().newer.is_empty());
    migrate_by_a_newer_version(db, "m9001_wider", "m0018_schema_requirement").await;
    assert_eq!(up(db).await.unwrap().newer, ["m9001_wider"]);
    let schema = status(db).await.unwrap();
    assert_eq!(schema.names(StepState::Newer).collect::<Vec<_>>(), ["m9001_wider"]);
    assert_eq!((schema.conflict, schema.steps.len()), (None, STEPS + 1));
    migrate_by_a_newer_version(db, "m9002_other", "m9002_other").await;
    let error = up(db).await.unwrap_err().to_string();
    assert!(error.contains("m9002_other") && error.contains("must not use it"), "{error}");
    assert!(error.contains(&status(db).await.unwrap().conflict.unwrap()), "{error}");
    let missing = "DELETE FROM seaql_migrations WHERE version = 'm0014_logins'";
    db.execute_unprepared(missing).await.unwrap();
    let error = up(db).await.unwrap_err().to_string();
    assert!(error.contains("but not m0014_logins") && error.contains("another line"), "{error}");
}

async fn a_reversal_that_would_delete_data_is_refused(db: &DatabaseConnection) {
    up(db).await.unwrap();
    // The requirement of the schema is no data: migrations write it, and write it again.
    down(db, 1, DataLoss::Refuse).await.unwrap();
    down(db, 1, DataLoss::Refuse).await.unwrap();
    let left = [[true; STEPS - 2].as_slice(), &[false; 2]].concat();
    assert_eq!(applied(db).await, left);
    let lost = down(db, EARLIER - 1, DataLoss::Refuse).await.unwrap_err().to_string();
    assert!(lost.contains("head") && !lost.contains("head.") && !lost.contains("keys"), "{lost}");
    assert_eq!(applied(db).await, left, "nothing was reverted");
}

#[tokio::test]
async fn sqlite_lets_older_programs_in_only_where_the_schema_permits_it() {
    let folder = tempfile::tempdir().unwrap();
    a_newer_schema_is_used_only_where_it_permits_it(&open(&folder)).await;
}

#[tokio::test]
async fn postgres_lets_older_programs_in_only_where_the_schema_permits_it() {
    a_newer_schema_is_used_only_where_it_permits_it(&connect(&Postgres::shared().database())).await;
}

#[tokio::test]
async fn sqlite_reverts_nothing_that_would_delete_data() {
    let folder = tempfile::tempdir().unwrap();
    a_reversal_that_would_delete_data_is_refused(&open(&folder)).await;
}

#[tokio::test]
async fn postgres_reverts_nothing_that_would_delete_data() {
    a_reversal_that_would_delete_data_is_refused(&connect(&Postgres::shared().database())).await;
}

#[tokio::test]
async fn sqlite_goes_up_and_down_and_up() {
    let folder = tempfile::tempdir().unwrap();
    goes_up_and_down_and_up(&open(&folder)).await;
}

#[tokio::test]
async fn postgres_goes_up_and_down_and_up() {
    goes_up_and_down_and_up(&connect(&Postgres::shared().database())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_who_start_at_once_on_a_file_that_is_not_there_take_each_step_once() {
    let folder = tempfile::tempdir().unwrap();
    fifty_at_once((0..50).map(|_| open(&folder)).collect()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_who_start_at_once_on_an_empty_database_take_each_step_once() {
    let url = Postgres::shared().database();
    let mut connections = Vec::new();
    for _ in 0..50 {
        connections.push(connect(&url));
    }
    fifty_at_once(connections).await;
}

/// Migrates on a server that does not have advisory locks, or does not permit them: the row's lock alone
/// suffices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_who_start_at_once_without_advisory_locks_take_each_step_once() {
    let postgres = Postgres::start();
    let absent = "ALTER FUNCTION pg_catalog.pg_advisory_xact_lock(bigint) RENAME TO no_lock";
    for sql in ["REVOKE EXECUTE ON FUNCTION pg_advisory_xact_lock(bigint) FROM PUBLIC", absent] {
        let url = postgres.database();
        let database = url.rsplit('/').next().unwrap();
        if sql != absent {
            postgres.sql(&url, "DROP ROLE IF EXISTS migrator; CREATE ROLE migrator LOGIN");
        }
        postgres.sql(&url, sql);
        postgres.sql(&url, &format!("ALTER DATABASE {database} OWNER TO migrator"));
        let url = url.replace("//postgres@", "//migrator@");
        fifty_at_once((0..50).map(|_| connect(&url)).collect()).await;
    }
}

#[tokio::test]
async fn no_second_set_of_tables_is_created_before_that_of_another_schema_of_the_search_path() {
    let server = Postgres::shared();
    let url = server.database();
    let database = url.rsplit('/').next().unwrap();
    server.create_role("roomy", "");
    server.sql(&url, &format!("ALTER DATABASE {database} OWNER TO roomy"));
    let db = connect(&url.replace("postgres@", "roomy:secret@"));
    assert_eq!(up(&db).await.unwrap().notice, None);
    server.sql(&url, "CREATE SCHEMA roomy AUTHORIZATION roomy");
    let conflict = status(&db).await.unwrap().conflict.unwrap();
    assert!(conflict.contains("schema roomy,") && conflict.contains("schema public behind it"), "{conflict}");
    let error = up(&db).await.unwrap_err().to_string();
    assert!(error.contains(&conflict), "{error}");
    let count = "SELECT count(*) FROM pg_class WHERE relnamespace = 'roomy'::regnamespace";
    assert_eq!(server.sql(&url, count), "0", "nothing was created");
    // Outside of the search path, another set of tables can be intended.
    server.sql(&url, &format!("ALTER ROLE roomy IN DATABASE {database} SET search_path = roomy"));
    let notice = up(&db).await.unwrap().notice.unwrap();
    assert!(notice.contains("the schema public of the same database"), "{notice}");
    assert_eq!(status(&db).await.unwrap().conflict, None);
}

#[tokio::test]
async fn a_missing_schema_and_a_forbidden_one_have_different_errors() {
    let url = Postgres::shared().database();
    let db = connect(&format!("{url}?options=-c%20search_path%3Dnosuch"));
    for error in [up(&db).await.unwrap_err().to_string(), status(&db).await.unwrap_err().to_string()] {
        assert!(error.contains("(nosuch) exists") && !error.contains("permission"), "{error}");
    }
}

#[tokio::test]
async fn a_schema_of_temporary_tables_is_not_used() {
    let url = Postgres::shared().database();
    let db = connect(&format!("{url}?options=-c%20search_path%3Dpg_temp"));
    let error = up(&db).await.unwrap_err().to_string();
    assert!(error.contains("PostgreSQL's own") && error.contains("SET search_path = public"), "{error}");
}

#[tokio::test]
async fn a_role_whose_names_are_quoted_has_the_same_schema() {
    let url = Postgres::shared().database();
    let db = connect(&format!("{url}?options=-c%20quote_all_identifiers%3Don"));
    up(&db).await.unwrap();
    assert_eq!(applied(&db).await, [true; STEPS]);
}

#[tokio::test]
async fn a_step_that_fails_leaves_the_schema_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&folder);
    db.execute_unprepared("CREATE TABLE head (in_the_way int)").await.unwrap();
    assert!(up(&db).await.is_err());
    assert_eq!(applied(&db).await, [false; STEPS]);
    assert!(db.execute_unprepared("SELECT 1 FROM tenants").await.is_err());
    db.execute_unprepared("DROP TABLE head").await.unwrap();
    up(&db).await.unwrap();
}
