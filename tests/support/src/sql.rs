//! SQL past the program, as someone with the database's password would: psql for PostgreSQL, and Python's own
//! module for SQLite.

use std::path::Path;
use std::process::Command;

use crate::{Latchkey, postgres};

const SQLITE: &str = "\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
for statement in filter(None, map(str.strip, sys.argv[2].split(';'))):
    for row in connection.execute(statement):
        print('|'.join('' if value is None else str(value) for value in row))
";

const BACKUP: &str = "\
import sqlite3, sys
with sqlite3.connect(sys.argv[2]) as to:
    sqlite3.connect(sys.argv[1], timeout=20).backup(to)
";

impl Latchkey {
    /// Copies its SQLite database while it runs, as `sqlite3 FILE ".backup COPY"` does.
    pub fn backup(&self, copy: &Path) {
        let url = self.setting("LATCHKEY_DATABASE_URL");
        let path = url.strip_prefix("sqlite://").expect("SQLite has files to copy");
        let mut python = Command::new("python3");
        python.args(["-c", BACKUP, path.split('?').next().unwrap_or(path)]).arg(copy);
        let output = python.output().expect("python3 is installed: run scripts/setup");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs statements, separated by semicolons, in its database; answers the rows, with `|` between columns.
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
