//! The file that the URL of PostgreSQL was read from. It is read again for each new connection, so that a password that was
//! rotated is used without a restart. User and password may change; anything else needs a restart, and is not used before:
//! connections of one process must not lead to two databases, and a file that is half written must not weaken TLS.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::postgres_url::{self, Host};

/// Longest file that is read. A URL is shorter.
const MAX_BYTES: u64 = 65_536;

/// File with the URL of a database.
pub(super) struct UrlFile {
    path: PathBuf,
    state: Mutex<State>,
}

/// State of the file, as it was read last.
struct State {
    /// The URL in use.
    url: String,
    /// Reason why the content of the file is not used, once it was logged.
    logged: Option<String>,
}

impl UrlFile {
    /// Makes the file whose content was this URL.
    pub(super) fn new(path: PathBuf, url: &str) -> Self {
        Self { path, state: Mutex::new(State { url: url.to_owned(), logged: None }) }
    }

    /// Reads the file again. Returns its hosts if their user or password has changed; `hosts` are those in use. If the
    /// content can't be used, the last one that could stays in use, which is logged once.
    pub(super) fn changed(&self, hosts: &[Host]) -> Option<Vec<Host>> {
        let mut state = self.state();
        let path = self.path.display();
        match read(&self.path, &state.url, hosts) {
            Ok(changed) => {
                if changed.is_some() || state.logged.is_some() {
                    tracing::info!(%path, "new connections to PostgreSQL use the present content of database_url_file");
                }
                state.logged = None;
                let (url, hosts) = changed?;
                state.url = url;
                Some(hosts)
            }
            Err(reason) => {
                if state.logged.as_deref() != Some(reason.as_str()) {
                    tracing::warn!(
                        %path,
                        error = %reason,
                        "the content of database_url_file is not used; new connections to PostgreSQL use the last one that could be"
                    );
                }
                state.logged = Some(reason);
                None
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a file; `None` if its content is the URL in use. The error repeats no part of the content.
fn read(path: &Path, used: &str, hosts: &[Host]) -> Result<Option<(String, Vec<Host>)>, String> {
    let metadata = std::fs::metadata(path).map_err(|error| format!("it can't be read: {error}"))?;
    // The start has read a pipe to its end.
    if !metadata.is_file() {
        return Ok(None);
    }
    if metadata.len() > MAX_BYTES {
        return Err("it is longer than a URL can be".to_owned());
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("it can't be read: {error}"))?;
    let url = text.trim_end_matches(['\r', '\n']);
    if url == used {
        return Ok(None);
    }
    let found = postgres_url::parse(url).map_err(|error| error.to_string())?;
    let database = |host: &Host| (host.name.clone(), host.options.get_database().map(str::to_owned));
    if place(url) != place(used) || !found.iter().map(database).eq(hosts.iter().map(database)) {
        return Err(
            "more than the user and the password has changed: restart the process to use it".to_owned()
        );
    }
    Ok(Some((url.to_owned(), found)))
}

/// Returns a URL without its user and password.
fn place(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let hosts = authority.rfind('@').map_or(authority, |at| &authority[at + 1..]);
    let (path, query) = after.split_once('?').unwrap_or((after, ""));
    let is_credential = |pair: &&str| ["user=", "password="].iter().any(|name| pair.starts_with(name));
    let pairs: Vec<_> = query.split('&').filter(|pair| !is_credential(pair)).collect();
    format!("{scheme}://{hosts}{path}?{}", pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "postgres://ada:old@db1,db2:5433/latchkey?sslmode=require";

    #[test]
    fn a_user_and_a_password_are_taken_over_and_the_last_ones_stay_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url");
        let mut hosts = postgres_url::parse(URL).unwrap();
        let file = UrlFile::new(path.clone(), URL);
        assert!(file.changed(&hosts).is_none() && file.state().logged.is_some(), "missing");
        for content in [
            "",
            "postgres://ada:ne",
            "postgres://ada:new@db1,db2:5433/latchkey",
            "postgres://ada:new@db1,db2:5433/latchkey?sslmode=disable",
            "postgres://ada:new@db1,db3:5433/latchkey?sslmode=require",
            "postgres://ada:new@db1,db2:5433/other?sslmode=require",
            "postgres://ada:new@db1,db2:5433/latchkey?sslmode=require&options=-c%20search_path%3Dx",
        ] {
            std::fs::write(&path, content).unwrap();
            assert!(file.changed(&hosts).is_none(), "{content}");
            let logged = file.state().logged.clone().unwrap();
            assert!(!logged.contains("new") && !logged.contains("ada:"), "{logged}");
        }
        for (url, user) in [
            ("postgres://ada:new@db1,db2:5433/latchkey?sslmode=require", "ada"),
            ("postgres://eve:new@db1,db2:5433/latchkey?sslmode=require", "eve"),
        ] {
            std::fs::write(&path, format!("{url}\n")).unwrap();
            hosts = file.changed(&hosts).unwrap();
            assert!(hosts.len() == 2 && hosts.iter().all(|host| host.options.get_username() == user));
            assert!(file.changed(&hosts).is_none() && file.state().logged.is_none());
        }
        std::fs::remove_file(&path).unwrap();
        assert!(file.changed(&hosts).is_none() && file.state().logged.is_some());
    }

    #[test]
    fn another_user_must_not_lead_to_another_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url");
        let used = "postgres://ada@db";
        std::fs::write(&path, "postgres://eve@db").unwrap();
        let hosts = postgres_url::parse(used).unwrap();
        assert!(UrlFile::new(path, used).changed(&hosts).is_none());
    }
}
