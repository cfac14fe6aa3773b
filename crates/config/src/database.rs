//! URL of the database, which may hold a password. `Display` and `Debug` mask the password; only the store gets the whole
//! URL. Also the check that an embedded database is still there.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

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
}

impl DatabaseUrl {
    /// Parses a URL. The error never quotes it.
    pub fn parse(url: &str) -> Result<Self, String> {
        if ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            if let Some(error) = url_escapes::unescaped(url) {
                return Err(error);
            }
            return Ok(Self { url: url.to_owned(), embedded: None });
        }
        let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
        let Some(path) = path else {
            return Err("write sqlite://PATH?mode=rwc or postgres://USER:PASSWORD@HOST/NAME".to_owned());
        };
        Ok(Self { url: url.to_owned(), embedded: Some(embedded(path)?) })
    }

    /// Returns the whole URL with its password, for the store only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.url
    }

    /// Returns whether the URL opens an embedded database for reading alone. Its file is then never created.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        let query = self.url.split_once('?').map_or("", |(_, query)| query);
        let mode = query.split('&').filter_map(|pair| pair.strip_prefix("mode=")).next_back();
        self.embedded.is_some() && mode == Some("ro")
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
    let path = PathBuf::from(path);
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(format!("there is no folder {:?}: create it first", folder.display().to_string()))
        }
        Some(_) | None => Ok(path),
    }
}

/// Embedded database that is gone, while the file of its master key is still there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{path} is empty or missing, but {file} exists: a database was here. Restore it (is the volume mounted?), or move \
     the master key's file away to start a new database",
    path = .database.display(),
    file = .key.display()
)]
pub struct MissingDatabase {
    database: PathBuf,
    key: PathBuf,
}

impl DatabaseSettings {
    /// Checks that an embedded database is not missing or empty beside the file of its master key. That file exists only
    /// if there was a database, since a key is confirmed by the database.
    pub fn check_present(&self) -> Result<(), MissingDatabase> {
        let Some(database) = self.url.embedded() else { return Ok(()) };
        match MasterKey::next_to(database) {
            MasterKey::File(key) if self.is_absent_or_empty() && key.exists() => {
                Err(MissingDatabase { database: database.to_owned(), key })
            }
            MasterKey::File(_) | MasterKey::Inline(_) => Ok(()),
        }
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
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let has_log = fs::metadata(log).is_ok_and(|log| log.len() > 0);
    let [kind, _, _, cells @ ..] = &page[100..] else { return Ok(false) };
    Ok(page.starts_with(b"SQLite format 3\0") && *kind == 13 && *cells == [0, 0] && !has_log)
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
        let deadlines = DatabaseDeadlines::default();
        let settings = DatabaseSettings {
            url,
            connections: 2,
            pooler: DatabasePooler::None,
            dialect: DatabaseDialect::Postgres,
            migrate: true,
            single_replica: true,
            deadlines,
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
        let text = empty.to_string();
        for words in ["latchkey.db is empty or missing", "latchkey.db.master-key exists", "volume"] {
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
        let read_only = DatabaseUrl::parse("sqlite:latchkey.db?mode=ro").unwrap().is_read_only();
        assert!(read_only && !url.is_read_only());
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
