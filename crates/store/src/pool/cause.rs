//! Causes of failures in the words of the database, with its code and a remedy.
//!
//! A message is repeated only if its code says that it describes the connection, the server's resources, its state or
//! the role's permissions. Messages about rows and values are never repeated, and neither is a DETAIL line.

mod pgbouncer;

use std::io::ErrorKind;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::postgres::PgDatabaseError;
use sea_orm::{DbErr, RuntimeErr};

/// Returns why an operation on the database failed, in the words of the database, the network or the library, and
/// a remedy.
#[must_use]
pub fn cause_of(error: &DbErr) -> String {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            describe(error).unwrap_or_else(|| without_values(error))
        }
        DbErr::Conn(RuntimeErr::Internal(text)) | DbErr::Custom(text) | DbErr::Migration(text) => {
            text.clone()
        }
        other => other.to_string(),
    }
}

/// Returns an error's own words; `None` if they could repeat the content of a row, or say nothing about the
/// database's state.
pub(super) fn describe(error: &SqlxError) -> Option<String> {
    match error {
        SqlxError::Database(error) => {
            let code = error.code()?;
            if !is_about_the_database(&code) {
                return None;
            }
            let named = match code.len() {
                5 => format!("{} (SQLSTATE {code})", error.message()),
                _ => format!("{} (SQLite code {code})", error.message()),
            };
            Some(match remedy_of(&**error, &code) {
                Some(remedy) => format!("{named}: {remedy}"),
                None => named,
            })
        }
        // rustls reports what it can't verify as invalid data.
        SqlxError::Io(error) if error.kind() == ErrorKind::InvalidData => {
            Some(tls_failure(&error.to_string()))
        }
        // The words of rustls name its manual, and not the server that ended.
        SqlxError::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Some("the server, or a proxy, closed the connection".to_owned())
        }
        SqlxError::Io(error) => Some(error.to_string()),
        SqlxError::Tls(error) => Some(tls_failure(&error.to_string())),
        SqlxError::Protocol(text) => Some(format!("the server's answer is not understood: {text}")),
        SqlxError::Configuration(error) => Some(match error.to_string() {
            words if words.contains("must be given together") => {
                "the database URL has one of sslcert and sslkey: give both, or neither".to_owned()
            }
            words => words,
        }),
        SqlxError::PoolTimedOut => Some("no connection in time".to_owned()),
        SqlxError::WorkerCrashed => Some("the thread of the SQLite connection ended".to_owned()),
        _ => None,
    }
}

/// Returns the words of rustls about a connection that failed, with what an operator can do.
fn tls_failure(words: &str) -> String {
    // The times that follow are others with each attempt, and the log has each cause once.
    let words = words.split_once(": verification time ").map_or(words, |(words, _)| words);
    let remedy = if words.ends_with("certificate expired") || words.ends_with("certificate not valid yet") {
        ": replace the server's certificate, or correct this machine's clock"
    } else if words.contains("invalid peer certificate") {
        ": correct sslrootcert or the host in database_url, or the server's certificate"
    } else if words.contains("KeyMismatch") {
        ": sslkey is not the private key of sslcert; give both files of one pair"
    } else if words.contains("received fatal alert") {
        ": the server refuses this client; correct sslcert and sslkey in database_url, or the server's ssl_ca_file"
    } else {
        ""
    };
    format!("TLS failed: {words}{remedy}")
}

/// Returns the code of an error whose words could repeat values, with SQLite's fixed text of the code.
fn without_values(error: &SqlxError) -> String {
    let SqlxError::Database(error) = error else { return error.to_string() };
    let code = error.code().unwrap_or_default();
    if let Some(missing) = missing_in_schema(&code, error.message()) {
        return format!("{missing} (SQLite code {code}): run `latchkey migrate up`, or restore a backup");
    }
    if let Some(taken) = taken_in_schema(&code, error.message()) {
        return format!(
            "{taken} (SQLite code {code}): the file is another program's, or incomplete; give database_url another path, or \
             restore a backup"
        );
    }
    let table = error.table().unwrap_or("unknown");
    let constraint = error.constraint().unwrap_or("none");
    let text = sqlite_text(&code).map(|text| format!("{text}; ")).unwrap_or_default();
    format!("the database refused with {code} ({text}table {table}, constraint {constraint})")
}

/// Returns SQLite's words about a table or column that the schema does not have. They name it as this crate's own
/// statements do, and never a value.
fn missing_in_schema<'m>(code: &str, message: &'m str) -> Option<&'m str> {
    let named = ["no such table: ", "no such column: "].iter().any(|words| message.starts_with(words));
    (code == "1" && named).then_some(message)
}

/// Returns SQLite's words about a table or index that a migration makes and the file already has.
fn taken_in_schema<'m>(code: &str, message: &'m str) -> Option<&'m str> {
    let named = ["table ", "index "].iter().any(|words| message.starts_with(words));
    (code == "1" && named && message.ends_with(" already exists")).then_some(message)
}

/// Returns SQLite's text of a result code (`sqlite3_errstr`), for those that [`is_about_the_database`] leaves out.
fn sqlite_text(code: &str) -> Option<&'static str> {
    if code.len() == 5 {
        return None;
    }
    Some(match code.parse::<u32>().ok()? & 0xff {
        1 => "SQL logic error",
        2 => "internal logic error",
        4 => "query aborted",
        17 => "database schema has changed",
        18 => "string or blob too big",
        19 => "constraint failed",
        20 => "datatype mismatch",
        21 => "bad parameter or other API misuse",
        25 => "column index out of range",
        _ => return None,
    })
}

/// Classes and codes of PostgreSQL that describe the connection, resources, permissions or the server's state:
/// SQLSTATE, appendix A of its manual.
const POSTGRES: [&str; 21] = [
    "08", "0A", "25", "26", "28", "3D", "3F", "40", "42501", "42701", "42703", "42710", "42P01", "42P05",
    "42P07", "53", "55", "57", "58", "F0", "XX00",
];
/// Primary result codes of SQLite that describe the file, the disk or the lock: permission, busy, locked, out of
/// memory, read-only, interrupted, I/O, corrupt, full, can't open, protocol, authorization, not a database.
const SQLITE: [u32; 13] = [3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 23, 26];

fn is_about_the_database(code: &str) -> bool {
    if code.len() == 5 {
        return code != "XX000" && POSTGRES.iter().any(|class| code.starts_with(class));
    }
    code.parse::<u32>().is_ok_and(|code| SQLITE.contains(&(code & 0xff)))
}

/// Returns what an operator can do about an error: by its words, where one code has several causes, or by its code.
fn remedy_of(error: &(dyn DatabaseError + 'static), code: &str) -> Option<&'static str> {
    match code {
        "42501" if is_about_policies(error) => Some(
            "make the role the owner of Latchkey's tables or give it BYPASSRLS, or disable row-level security for them",
        ),
        "42501" if is_about(error, "CheckMyDatabase", "permission denied for database") => {
            Some("run GRANT CONNECT ON DATABASE for the role")
        }
        "42501" if error.message().contains("permission denied for schema") => Some(
            "run GRANT USAGE ON SCHEMA for the role; `latchkey migrate up` needs GRANT CREATE ON SCHEMA as well",
        ),
        "28000" if error.message().contains("client certificate") => {
            Some("give sslcert and sslkey in database_url, or correct clientcert in pg_hba.conf")
        }
        "28000" if error.message().ends_with(", no encryption") => {
            Some("set sslmode in database_url to require or verify-full, or correct pg_hba.conf")
        }
        "28000" if error.message().contains("is not permitted to log in") => {
            Some("run ALTER ROLE … LOGIN for the role, or correct the user in database_url")
        }
        "08P01" => pgbouncer::remedy(error.message()),
        _ => remedy(code),
    }
}

/// Returns whether a statement was refused since policies would keep it from rows.
fn is_about_policies(error: &(dyn DatabaseError + 'static)) -> bool {
    is_about(error, "check_enable_rls", "row-level security")
}

/// Returns whether an error is from a function of the server, or has these words. The server's messages may be translated,
/// and the names of its functions are not.
fn is_about(error: &(dyn DatabaseError + 'static), function: &str, words: &str) -> bool {
    let found = error.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::routine);
    found == Some(function) || error.message().contains(words)
}

/// Returns what an operator can do about a code. `docs/databases.md` has the same table.
fn remedy(code: &str) -> Option<&'static str> {
    if code.len() == 5 {
        return postgres_remedy(code);
    }
    Some(match code.parse::<u32>().ok()? & 0xff {
        5 | 6 => "another process uses the file; stop it",
        8 => "make the file and its folder writable for this process",
        10 => "check the disk, its mount and the limit of the size of files (ulimit -f)",
        11 | 26 => "restore the file from a backup, or correct the path",
        13 => "free space on the disk",
        3 | 14 | 23 => "check the path and the permissions of the file and its folder",
        _ => return None,
    })
}

fn postgres_remedy(code: &str) -> Option<&'static str> {
    Some(match code {
        "28P01" => "correct the user and password in database_url, the role's VALID UNTIL, or pg_hba.conf",
        "28000" => "correct the user and password in database_url, or pg_hba.conf",
        "3D000" => "create the database, or correct its name in database_url",
        "3F000" | "42P01" | "42703" => {
            "run `latchkey migrate up`, correct the role's search_path, or grant the role USAGE on the schema"
        }
        "42501" => "grant SELECT, INSERT, UPDATE and DELETE on Latchkey's tables to the role",
        "42701" | "42710" | "42P07" => {
            "the table seaql_migrations does not match the other tables: restore all of them from the same backup"
        }
        "26000" | "42P05" => {
            "a connection pooler in transaction mode answers: set database_pooler = \"transaction\""
        }
        "53100" => "free space on the server's disk",
        "53300" => "raise the server's or the role's connection limit, or lower database_connections",
        "55P03" => "find the session that holds the lock in pg_locks and pg_stat_activity",
        "57014" => {
            "find the session that holds a lock in pg_locks and pg_stat_activity; while a connection is opened, raise the \
             role's statement_timeout"
        }
        "XX001" | "XX002" => "the server's data is corrupt: restore a backup",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_sqlite_has_its_text_and_what_the_schema_lacks_is_named() {
        assert_eq!(sqlite_text("1"), Some("SQL logic error"));
        assert_eq!(sqlite_text("2067"), Some("constraint failed"));
        assert_eq!((sqlite_text("23505"), sqlite_text("")), (None, None));
        assert_eq!(missing_in_schema("1", "no such table: keys"), Some("no such table: keys"));
        assert_eq!(missing_in_schema("1", "malformed JSON: secret"), None);
        assert_eq!(missing_in_schema("19", "no such table: keys"), None);
        let taken = "table \"keys\" already exists";
        assert_eq!(taken_in_schema("1", taken), Some(taken));
        assert_eq!(taken_in_schema("1", "malformed JSON: secret"), None);
    }

    #[test]
    fn a_failure_of_tls_says_whose_certificate_is_refused() {
        let server = tls_failure("invalid peer certificate: UnknownIssuer");
        assert!(
            server.starts_with("TLS failed: invalid peer certificate: UnknownIssuer: correct sslrootcert")
        );
        let expired = |seconds: u32| {
            tls_failure(&format!(
                "invalid peer certificate: certificate expired: verification time {seconds} (UNIX), but certificate is not \
                 valid after 1 ({seconds} seconds ago)"
            ))
        };
        assert_eq!(expired(2), expired(3));
        assert!(
            expired(2).contains("certificate expired: replace the server's certificate"),
            "{}",
            expired(2)
        );
        assert!(tls_failure("received fatal alert: UnknownCA").contains("correct sslcert and sslkey"));
        assert!(tls_failure("keys may not be consistent: KeyMismatch").contains("private key of sslcert"));
        assert_eq!(tls_failure("received corrupt message"), "TLS failed: received corrupt message");
        let alone = SqlxError::Configuration("user auth key and certs must be given together".into());
        assert!(describe(&alone).is_some_and(|words| words.contains("one of sslcert and sslkey")));
    }

    #[test]
    fn only_messages_about_the_database_itself_are_repeated() {
        for code in
            ["28P01", "3D000", "53300", "55P03", "57P01", "42501", "42P07", "XX001", "5", "13", "26", "1032"]
        {
            assert!(is_about_the_database(code), "{code}");
        }
        for code in ["23505", "22P02", "22021", "P0001", "XX000", "42601", "1", "19", "2067", ""] {
            assert!(!is_about_the_database(code), "{code}");
        }
    }
}
