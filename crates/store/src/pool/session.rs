//! Settings of PostgreSQL sessions. A role, a database or a connection pooler can set any of them; the store's
//! guarantees must not depend on that, so that every session sets them itself, right after it was opened.

use std::time::Duration;

use sea_orm::sqlx::{self, AssertSqlSafe, Error as SqlxError, PgConnection, Row as _};

use super::{Dialect, OpenError, notices};

/// Number of settings that a session has values for.
const SETTINGS: usize = 11;
/// The setting that two values are right for: `on`, and `remote_apply`, which promises more.
const COMMIT: &str = "synchronous_commit";
const READ_ONLY: &str = "default_transaction_read_only";
/// Settings that not every version of the server has: since PostgreSQL 14 and 17.
const NEWER: [&str; 2] = ["idle_session_timeout", "transaction_timeout"];
/// The longest time that the server accepts, in milliseconds.
const LONGEST_MS: u128 = 0x7fff_ffff;

/// Prepares a session that serves callers. `deadline` is the longest time that a caller waits: the server ends a
/// statement or a wait for a lock when its caller has given up, and a process that is stopped in the middle of
/// a transaction does not hold its locks any longer than that.
///
/// `path` is the search path, once it is known. Returns the process identifier of the session. Fails if the session does
/// not have a setting afterwards, if the server is a standby, or if its notices do not arrive.
pub(super) async fn prepare(
    connection: &mut PgConnection,
    deadline: Duration,
    dialect: Dialect,
    path: Option<&str>,
) -> Result<String, OpenError> {
    let wanted = wanted(deadline.as_millis().clamp(1, LONGEST_MS));
    let between = format!("{}{}", search_path(path, false), notices::probe(dialect));
    let applied = apply(connection, &wanted, dialect, &between);
    let (state, arrived) = notices::with_notices(applied).await;
    let state = state?;
    check_server(state.standby, state.encoding, &state.replication_role)?;
    check(&wanted, &state.settings, dialect)?;
    notices::check(arrived, dialect)?;
    Ok(state.pid)
}

/// Returns the SQL that sets the settings for one transaction. `path` is the search path, once it is known.
pub(super) fn for_transaction(deadline: Duration, path: Option<&str>) -> String {
    set(&wanted(deadline.as_millis().clamp(1, LONGEST_MS)), true) + &search_path(path, true)
}

/// Returns the end of a SQL text that sets the search path of a session or of a transaction. Names in it are quoted as in the
/// setting itself, which permits more than the statement `SET`.
fn search_path(path: Option<&str>, local: bool) -> String {
    let set = |path: &str| {
        let text = path.replace('\\', r"\\").replace('\'', "''");
        format!("; SELECT set_config('search_path', E'{text}', {local})")
    };
    path.map(set).unwrap_or_default()
}

/// Checks the settings that a session can't change.
pub(super) fn check_server(standby: bool, encoding: String, replication_role: &str) -> Result<(), OpenError> {
    if standby {
        return Err(OpenError::Standby);
    }
    if encoding != "UTF8" {
        return Err(OpenError::Encoding(encoding));
    }
    // Only a superuser may set it, also for the session of another role.
    if replication_role == "replica" {
        return Err(OpenError::ForeignKeys);
    }
    Ok(())
}

/// Prepares a session for migrations, whose statements and waits for locks have no time limit.
pub(super) async fn prepare_for_migrations(
    connection: &mut PgConnection,
    dialect: Dialect,
) -> Result<(), SqlxError> {
    apply(connection, &wanted(0), dialect, "").await.map(drop)
}

/// Report of a session about itself.
struct SessionState {
    /// Lines of the form `name=value`; times are in milliseconds.
    settings: String,
    standby: bool,
    /// Encoding of the database, which is fixed when it is created.
    encoding: String,
    replication_role: String,
    pid: String,
}

/// Returns the settings and their values. `limit` is the time limit in milliseconds; 0 means none.
fn wanted(limit: u128) -> [(&'static str, String); SETTINGS] {
    let text = str::to_owned;
    [
        // A commit that is acknowledged must survive a crash of the server.
        (COMMIT, text("on")),
        // Both end before the caller gives up, and a wait for a lock before the statement, so that the server says
        // which of them it was.
        ("statement_timeout", part(limit, 15).to_string()),
        ("lock_timeout", part(limit, 14).to_string()),
        ("idle_in_transaction_session_timeout", limit.to_string()),
        (READ_ONLY, text("off")),
        ("default_transaction_isolation", text("read committed")),
        // Every statement is short. Compiling one takes longer than running it, and the planner decides by estimates.
        ("jit", text("off")),
        // By a warning alone, the server says that a commit did not wait for its standby (see `notices`).
        ("client_min_messages", text("notice")),
        // A statement then fails where policies would otherwise keep it from rows, as if these were not there.
        ("row_security", text("off")),
        // The pool itself closes connections that are idle.
        (NEWER[0], text("0")),
        (NEWER[1], text("0")),
    ]
}

/// Returns so many sixteenths of a time limit.
fn part(limit: u128, sixteenths: u128) -> u128 {
    if limit == 0 { 0 } else { (limit * sixteenths / 16).max(1) }
}

/// Sets the settings and reads them back, in one round trip. `between` is SQL that runs with the settings.
async fn apply(
    connection: &mut PgConnection,
    wanted: &[(&str, String); SETTINGS],
    dialect: Dialect,
    between: &str,
) -> Result<SessionState, SqlxError> {
    // Safe: the names and values are this file's own.
    let rows =
        sqlx::raw_sql(AssertSqlSafe(sql(wanted, dialect, between))).fetch_all(&mut *connection).await?;
    let row = rows.last().ok_or(SqlxError::RowNotFound)?;
    Ok(SessionState {
        settings: row.try_get("settings")?,
        standby: row.try_get("standby")?,
        encoding: row.try_get("encoding")?,
        replication_role: row.try_get("replication_role")?,
        pid: row.try_get("pid")?,
    })
}

/// Returns the SQL text that sets the settings, for the session or for one transaction. The statement timeout is set
/// first, since the role's own one applies until then.
fn set(wanted: &[(&str, String); SETTINGS], local: bool) -> String {
    let limit =
        wanted.iter().find(|(name, _)| *name == "statement_timeout").map_or("0", |(_, ms)| ms.as_str());
    let rows = wanted.iter().map(|(name, value)| match *name {
        COMMIT => format!(
            "('{COMMIT}', CASE current_setting('{COMMIT}', true) WHEN 'remote_apply' THEN 'remote_apply' \
             ELSE '{value}' END)"
        ),
        name => format!("('{name}', '{value}')"),
    });
    let rows = rows.collect::<Vec<_>>().join(", ");
    let scope = if local { "LOCAL" } else { "SESSION" };
    format!(
        "SET {scope} statement_timeout = {limit}; \
         SELECT count(set_config(name, value, {local})) FROM (VALUES {rows}) AS wanted (name, value) \
         WHERE current_setting(name, true) IS NOT NULL"
    )
}

/// Returns the SQL text that sets the settings of a session and reads them back.
fn sql(wanted: &[(&str, String); SETTINGS], dialect: Dialect, between: &str) -> String {
    let names = wanted.iter().map(|(name, _)| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    format!(
        "{set}{between}; SELECT COALESCE(string_agg(name || '=' || setting, chr(10)), '') AS settings, {standby} AS standby, \
         {encoding} AS encoding, {role} AS replication_role, pg_backend_pid()::text AS pid \
         FROM pg_settings WHERE name IN ({names})",
        set = set(wanted, false),
        standby = dialect.standby(),
        encoding = dialect.encoding(),
        role = dialect.replication_role(),
    )
}

/// Checks that a session has the settings. `settings` are its lines of the form `name=value`. Of a server other than
/// PostgreSQL, only the settings that guarantees depend on are checked, and only if it has them.
fn check(
    wanted: &[(&'static str, String); SETTINGS],
    settings: &str,
    dialect: Dialect,
) -> Result<(), OpenError> {
    for (name, value) in wanted {
        let name = *name;
        if dialect == Dialect::Compatible && ![COMMIT, READ_ONLY].contains(&name) {
            continue;
        }
        let line = settings.lines().filter_map(|line| line.split_once('=')).find(|(n, _)| *n == name);
        let actual = match line {
            Some((_, actual)) => actual,
            None if NEWER.contains(&name) || dialect == Dialect::Compatible => continue,
            None => "unknown to the server",
        };
        if actual != value.as_str() && (name, actual) != (COMMIT, "remote_apply") {
            return Err(OpenError::Setting { name, wanted: value.clone(), actual: actual.to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PG: Dialect = Dialect::Postgres;

    fn lines(changed: &[(&str, &str)]) -> String {
        let value = |name: &str, value: String| {
            changed.iter().find(|(n, _)| *n == name).map_or(value, |(_, v)| (*v).to_owned())
        };
        let lines = wanted(900).map(|(name, text)| format!("{name}={}", value(name, text)));
        lines.join("\n")
    }

    #[test]
    fn a_session_without_a_setting_is_refused_by_its_name() {
        assert!(check(&wanted(900), &lines(&[]), PG).is_ok());
        assert!(check(&wanted(900), &lines(&[(COMMIT, "remote_apply")]), PG).is_ok());
        for (name, actual) in [
            (COMMIT, "off"),
            (COMMIT, "local"),
            ("lock_timeout", "10"),
            ("statement_timeout", "remote_apply"),
            ("client_min_messages", "error"),
            ("row_security", "on"),
        ] {
            let error = check(&wanted(900), &lines(&[(name, actual)]), PG).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(actual), "{error}");
        }
    }

    #[test]
    fn an_older_server_needs_only_the_settings_it_has() {
        let all = lines(&[]);
        let without =
            |gone: &str| all.lines().filter(|line| !line.starts_with(gone)).collect::<Vec<_>>().join("\n");
        assert!(check(&wanted(900), &without("transaction_timeout"), PG).is_ok());
        assert!(check(&wanted(900), &without("idle_session_timeout"), PG).is_ok());
        let error = check(&wanted(900), &without("lock_timeout"), PG).unwrap_err();
        assert!(error.to_string().contains("unknown to the server"), "{error}");
    }

    #[test]
    fn the_statement_timeout_is_set_before_all_else() {
        assert!(sql(&wanted(900), PG, "").starts_with("SET SESSION statement_timeout = 843; "));
        assert!(sql(&wanted(0), PG, "").starts_with("SET SESSION statement_timeout = 0; "));
    }

    #[test]
    fn a_search_path_is_quoted_as_a_text() {
        assert_eq!(search_path(None, true), "");
        let sql = search_path(Some(r#""a'b\c", "$user", public"#), true);
        assert_eq!(sql, r#"; SELECT set_config('search_path', E'"a''b\\c", "$user", public', true)"#);
    }

    #[test]
    fn another_server_needs_only_the_settings_that_promises_rest_on() {
        let other = |settings: &str| check(&wanted(900), settings, Dialect::Compatible);
        assert!(other("").is_ok());
        assert!(other("statement_timeout=843ms\nsynchronous_commit=on").is_ok());
        assert!(other("synchronous_commit=off").is_err());
        assert!(other("default_transaction_read_only=on").is_err());
        for function in ["pg_is_in_recovery", "pg_postmaster_start_time"] {
            assert!(!sql(&wanted(900), Dialect::Compatible, "").contains(function));
        }
    }
}
