//! URL of the database, which may hold a password. `Display` and `Debug` mask the password; only the store gets the whole
//! URL. Also the check that an embedded database is still there.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use percent_encoding::percent_decode_str;

use super::url_escapes;
use super::values::ParseResult;
use super::{DatabaseSettings, MasterKey};

/// Connection pooler in front of PostgreSQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatabasePooler {
    /// No pooler.
    #[default]
    None,
    /// A pooler that gives each connection a session of the server.
    Session,
    /// A pooler that gives each transaction a session of the server.
    Transaction,
}

/// Kind of a server that speaks PostgreSQL's protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatabaseDialect {
    /// PostgreSQL.
    #[default]
    Postgres,
    /// Another one, without LISTEN and NOTIFY and without a write-ahead log that can be asked.
    Compatible,
}

/// URL of the database.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    url: String,
    embedded: Option<PathBuf>,
    /// File that the URL was read from.
    file: Option<PathBuf>,
}

impl DatabaseUrl {
    /// Parses a URL. The error never quotes it.
    pub fn parse(url: &str) -> Result<Self, String> {
        if ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            if let Some(error) = url_escapes::unescaped(url) {
                return Err(error);
            }
            return Ok(Self { url: url.to_owned(), embedded: None, file: None });
        }
        let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
        let Some(path) = path else {
            return Err("write sqlite://PATH?mode=rwc or postgres://USER:PASSWORD@HOST/NAME".to_owned());
        };
        Ok(Self { url: url.to_owned(), embedded: Some(embedded(path)?), file: None })
    }

    /// Adds the file that the URL was read from.
    pub(super) fn of_file(self, file: Option<PathBuf>) -> Self {
        Self { file, ..self }
    }

    /// Returns the file that the URL was read from.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Returns the whole URL with its password, for the store only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.url
    }

    /// Returns whether the file of an embedded database is created where it does not exist: by the mode `rwc`, or without
    /// a mode.
    #[must_use]
    pub fn creates_file(&self) -> bool {
        let query = self.url.split_once('?').map_or("", |(_, query)| query);
        let mode = query.split('&').filter_map(|pair| pair.strip_prefix("mode=")).next_back();
        self.embedded.is_some() && mode.is_none_or(|mode| mode == "rwc")
    }

    /// Returns the file of the embedded database, or `None` for PostgreSQL.
    #[must_use]
    pub fn embedded(&self) -> Option<&Path> {
        self.embedded.as_deref()
    }
}

fn embedded(path: &str) -> ParseResult<PathBuf> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    if path.is_empty() || path == ":memory:" || query.contains("mode=memory") {
        return Err(
            "a database in memory loses every key at the end of the process: name a file, or run `latchkey dev`".to_owned()
        );
    }
    // As the library for SQLite reads it, so that the files beside the database are named after the one that is opened.
    let decoded = percent_decode_str(path).decode_utf8().map_err(|_| {
        "`%` with two hexadecimal digits is a byte, and the path is no UTF-8 with it: write a `%` itself as %25".to_owned()
    })?;
    let path = PathBuf::from(&*decoded);
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(format!("there is no folder {:?}: create it first", folder.display().to_string()))
        }
        Some(_) | None => Ok(path),
    }
}

/// Embedded database that is gone, while files beside it are still there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{path} is empty or missing, and beside it there is {files}: a database was here. Restore it (is the volume mounted?), \
     or move what is beside it away to start a new database",
    path = .database.display(),
    files = .left.join(" and ")
)]
pub struct MissingDatabase {
    database: PathBuf,
    /// Names of the files.
    left: Vec<String>,
}

impl DatabaseSettings {
    /// Checks that an embedded database is not missing or empty beside the file of its master key, its log, or the mark of
    /// its newest commit. These exist only if there was a database: a key is confirmed by the database, and SQLite writes
    /// the file itself before the log.
    pub fn check_present(&self) -> Result<(), MissingDatabase> {
        let Some(database) = self.url.embedded().filter(|_| self.is_absent_or_empty()) else { return Ok(()) };
        let key = match MasterKey::next_to(database) {
            MasterKey::File(key) => key.exists().then_some(key),
            MasterKey::Inline(_) => None,
        };
        let others = ["-wal", "-mark"].map(|suffix| {
            let path = beside(database, suffix);
            fs::metadata(&path).is_ok_and(|file| file.len() > 0).then_some(path)
        });
        let left = key.into_iter().chain(others.into_iter().flatten());
        let left: Vec<_> = left.map(|path| path.display().to_string()).collect();
        if left.is_empty() { Ok(()) } else { Err(MissingDatabase { database: database.to_owned(), left }) }
    }

    /// Returns whether an embedded database's file does not exist, or has no content or no table. False if that can't be
    /// found out: the caller that opens the file reports the cause.
    #[must_use]
    pub fn is_absent_or_empty(&self) -> bool {
        self.url.embedded().is_some_and(|path| match fs::metadata(path) {
            Ok(metadata) => metadata.len() == 0 || has_no_table(path).unwrap_or(false),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        })
    }
}

/// Returns whether a SQLite database has no table: its first page, which lists the tables, is a leaf without cells, and no
/// write-ahead log has a newer one (SQLite, Database File Format, sections 1.3 and 1.6).
fn has_no_table(path: &Path) -> io::Result<bool> {
    let mut page = [0; 105];
    fs::File::open(path)?.read_exact(&mut page)?;
    let has_log = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    let [kind, _, _, cells @ ..] = &page[100..] else { return Ok(false) };
    Ok(page.starts_with(b"SQLite format 3\0") && *kind == 13 && *cells == [0, 0] && !has_log)
}

/// Returns the path of a file beside a database.
fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Replaces the password by stars, in the authority and in the query.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.url.split_once("://") else { return f.write_str(&self.url) };
        write!(f, "{scheme}://")?;
        // An unescaped password may hold any of ":@/?"; masking too much is better than too little.
        let place = match rest.rsplit_once('@') {
            Some((user, place)) => {
                let (user, password) = user.split_once(':').map_or((user, ""), |(user, _)| (user, ":***"));
                write!(f, "{user}{password}@")?;
                place
            }
            None => rest,
        };
        let (place, query) = place.split_once('?').unwrap_or((place, ""));
        f.write_str(place)?;
        for (number, pair) in query.split('&').filter(|p| !p.is_empty()).enumerate() {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = if name.contains("pass") { "***" } else { value };
            write!(f, "{}{name}={value}", if number == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DatabaseDeadlines;

    #[test]
    fn a_database_that_is_gone_beside_its_master_key_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latchkey.db");
        let url = DatabaseUrl::parse(&format!("sqlite:{}", path.display())).unwrap();
        let settings = DatabaseSettings {
            url,
            connections: 2,
            pooler: DatabasePooler::None,
            dialect: DatabaseDialect::Postgres,
            migrate: true,
            single_replica: true,
            deadlines: DatabaseDeadlines::default(),
        };
        let key = MasterKey::next_to(&path);
        assert!(settings.is_absent_or_empty() && settings.check_present().is_ok(), "a first start");
        key.reveal().unwrap();
        fs::write(&path, b"").unwrap();
        assert!(settings.check_present().is_ok(), "a first start that was interrupted");
        fs::write(&path, b"content").unwrap();
        key.confirm().unwrap();
        assert!(!settings.is_absent_or_empty() && settings.check_present().is_ok());
        fs::write(&path, b"").unwrap();
        let empty = settings.check_present().unwrap_err();
        let mut page = [0; 4096];
        page[..16].copy_from_slice(b"SQLite format 3\0");
        page[100] = 13;
        fs::write(&path, page).unwrap();
        assert_eq!(settings.check_present().unwrap_err(), empty, "no table");
        let log = folder.path().join("latchkey.db-wal");
        fs::write(&log, b"frames").unwrap();
        assert!(settings.check_present().is_ok(), "the log may have tables");
        fs::remove_file(&log).unwrap();
        page[104] = 1;
        fs::write(&path, page).unwrap();
        assert!(settings.check_present().is_ok(), "a table");
        fs::remove_file(&path).unwrap();
        assert_eq!(settings.check_present().unwrap_err(), empty);
        for name in ["latchkey.db-wal", "latchkey.db-mark"] {
            let left = folder.path().join(name);
            fs::write(&left, b"content").unwrap();
            assert!(settings.check_present().unwrap_err().to_string().contains(name), "{name}");
            fs::remove_file(&left).unwrap();
        }
        let text = empty.to_string();
        for words in
            ["latchkey.db is empty or missing", "latchkey.db.master-key: a database was here", "volume"]
        {
            assert!(text.contains(words), "{text}");
        }
        assert!(!text.contains('\n') && !text.contains("  "), "{text}");
    }

    #[test]
    fn a_password_never_shows() {
        for url in [
            "postgres://ada:canary@db:5432/latchkey?sslmode=require",
            "postgres://ada:x@db/latchkey?password=canary",
        ] {
            let url = DatabaseUrl::parse(url).unwrap();
            let shown = format!("{url} {url:?}");
            assert!(!shown.contains("canary") && !shown.contains("ca:nary"), "{shown}");
            assert!(shown.contains("ada"), "{shown}");
        }
    }

    #[test]
    fn the_embedded_database_names_its_file() {
        let url = DatabaseUrl::parse("sqlite://latchkey.db?mode=rwc").unwrap();
        assert_eq!(url.embedded(), Some(Path::new("latchkey.db")));
        assert_eq!(url.to_string(), "sqlite://latchkey.db?mode=rwc");
        let creates = |url: &str| DatabaseUrl::parse(url).unwrap().creates_file();
        assert!(url.creates_file() && creates("sqlite:latchkey.db"));
        assert!(!creates("sqlite:latchkey.db?mode=ro") && !creates("sqlite:latchkey.db?mode=rw"));
        let escaped = DatabaseUrl::parse("sqlite:a%20b%25.db?mode=rwc").unwrap();
        assert_eq!(escaped.embedded(), Some(Path::new("a b%.db")));
        assert!(DatabaseUrl::parse("sqlite:a%ff.db").unwrap_err().contains("%25"));
        assert_eq!(DatabaseUrl::parse("postgres://h/d").unwrap().embedded(), None);
    }

    #[test]
    fn an_unsupported_url_is_rejected_without_being_quoted() {
        for url in
            ["mysql://ada:canary@h/d", "canary", "sqlite::memory:", "sqlite:///no/such/canary-folder/x.db"]
        {
            let error = DatabaseUrl::parse(url).unwrap_err();
            assert!(!error.contains("ada:canary") && !error.contains("\"canary\""), "{error}");
        }
    }
}
