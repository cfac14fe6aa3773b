//! SQL that bypasses the program, as a person with the database's password can run it: by psql for
//! PostgreSQL, and by Python's own module for SQLite.

use std::path::Path;
use std::process::Command;

use crate::tools::postgres as postgres_programs;
use crate::{Latchkey, postgres};

const SQLITE: &str = "\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=120, isolation_level=None)
for statement in filter(None, map(str.strip, sys.argv[2].split(';'))):
    for row in connection.execute(statement):
        print('|'.join('' if value is None else str(value) for value in row))
";

const BACKUP: &str = "\
import sqlite3, sys
with sqlite3.connect(sys.argv[2]) as to:
    sqlite3.connect(sys.argv[1], timeout=120).backup(to)
";

impl Latchkey {
    /// Copies the server's SQLite database while it runs, as `sqlite3 FILE ".backup COPY"` does.
    pub fn backup(&self, copy: &Path) {
        let url = self.setting("LATCHKEY_DATABASE_URL");
        let path = url.strip_prefix("sqlite://").expect("SQLite has files to copy");
        let mut python = Command::new("python3");
        python.args(["-c", BACKUP, path.split('?').next().unwrap_or(path)]).arg(copy);
        let output = python.output().expect("python3 is installed: run scripts/setup");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs statements, separated by semicolons, in the server's database; returns the rows, with `|` between
    /// columns.
    pub fn sql(&self, statements: &str) -> String {
        let url = self.setting("LATCHKEY_DATABASE_URL");
        let mut command = match url.strip_prefix("sqlite://") {
            None => postgres::psql(&url, statements),
            Some(path) => {
                let mut python = Command::new("python3");
                python.args(["-c", SQLITE, path.split('?').next().unwrap_or(path), statements]);
                python
            }
        };
        let output = command.output().expect("psql and python3 are installed: run scripts/setup");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statements}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }
}

const DUMP: &str = "\
import sqlite3, sys
print('\\n'.join(sqlite3.connect(sys.argv[1], timeout=120).iterdump()))
";

const LOAD: &str = "\
import sqlite3, sys
sqlite3.connect(sys.argv[1]).executescript(open(sys.argv[2]).read())
";

/// Writes a database as SQL, as `sqlite3 FILE .dump` and `pg_dump` do.
#[must_use]
pub fn dump_database(url: &str) -> String {
    let mut command = match url.strip_prefix("sqlite://") {
        None => {
            let mut dump = Command::new(postgres_programs().join("pg_dump"));
            dump.args(["--inserts", "--no-owner", "--no-privileges", url]);
            dump
        }
        Some(path) => {
            let mut python = Command::new("python3");
            python.args(["-c", DUMP, path.split('?').next().unwrap_or(path)]);
            python
        }
    };
    let text = text_of(&mut command);
    // Other versions of psql do not know all commands of pg_dump's.
    text.lines().filter(|line| !line.starts_with('\\')).flat_map(|line| [line, "\n"]).collect()
}

/// Fills an empty database by SQL.
pub fn load_database(url: &str, sql: &Path) {
    let mut command = match url.strip_prefix("sqlite://") {
        None => {
            let mut psql = Command::new(postgres_programs().join("psql"));
            psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-f"]).arg(sql).arg(url);
            psql
        }
        Some(path) => {
            let mut python = Command::new("python3");
            python.args(["-c", LOAD, path.split('?').next().unwrap_or(path)]).arg(sql);
            python
        }
    };
    let _ = text_of(&mut command);
}

/// Runs a command, and returns its output; panics if it fails.
fn text_of(command: &mut Command) -> String {
    let output = command.output().expect("psql, pg_dump and python3 are installed: run scripts/setup");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("SQL is text")
}
