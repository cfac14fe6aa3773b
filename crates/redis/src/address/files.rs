//! The files that an address was read from: that of the URL, and that of the CA certificates. They are read again for each new
//! connection, so that a password or a CA that was rotated is used without a restart. Of the URL, user and password may change;
//! anything else needs a restart: limits would otherwise be counted at two places.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Address, holds_certificates};

/// Longest file that is read. URLs and certificates are shorter.
const MAX_BYTES: u64 = 1 << 20;
/// Parameters that are credentials.
const CREDENTIALS: [&str; 4] = ["user=", "pass=", "sentinel_user=", "sentinel_password="];

/// File that a part of an address was read from.
#[derive(Clone)]
pub(super) struct SourceFile {
    setting: &'static str,
    path: PathBuf,
    /// Reason why the content is not used, once it was logged.
    logged: Arc<Mutex<Option<String>>>,
}

impl SourceFile {
    fn new(setting: &'static str, path: PathBuf) -> Self {
        Self { setting, path, logged: Arc::default() }
    }

    /// Logs once that a changed content is used, or why it is not.
    fn report(&self, read: Result<Option<Address>, String>) -> Option<Address> {
        let (setting, path) = (self.setting, self.path.display());
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(changed) => {
                if logged.take().is_some() || changed.is_some() {
                    tracing::info!(setting, %path, "new connections to Redis use the present content of the file");
                }
                changed
            }
            Err(reason) => {
                if logged.as_deref() != Some(reason.as_str()) {
                    tracing::warn!(
                        setting,
                        %path,
                        error = %reason,
                        "the content of the file is not used; new connections to Redis use the last one that could be"
                    );
                }
                *logged = Some(reason);
                None
            }
        }
    }

    /// Reads the file; `None` if it is a pipe, which the start has read to its end.
    fn content(&self) -> Result<Option<Vec<u8>>, String> {
        content(&self.path).map_err(|error| format!("it can't be read: {error}"))
    }
}

impl Address {
    /// Adds the file whose content was `url`, which this is the address of.
    #[must_use]
    pub fn of_file(self, path: PathBuf, url: &str) -> Self {
        Self { file: Some((SourceFile::new("redis_url_file", path), url.to_owned())), ..self }
    }

    /// Adds the file of the CA certificates.
    #[must_use]
    pub fn of_ca_file(self, path: PathBuf) -> Self {
        Self { ca_file: Some(SourceFile::new("redis_ca", path)), ..self }
    }

    /// Returns the address with the present credentials and CA certificates, if its files have changed. If the content of one
    /// can't be used, the last one that could stays in use.
    pub(crate) fn changed(&self) -> Option<Self> {
        self.read_again(SourceFile::report)
    }

    /// Returns the same as [`Address::changed`], and logs nothing.
    pub(crate) fn changed_silently(&self) -> Option<Self> {
        self.read_again(|_, read| read.ok().flatten())
    }

    fn read_again(
        &self,
        report: impl Fn(&SourceFile, Result<Option<Self>, String>) -> Option<Self>,
    ) -> Option<Self> {
        let url = self.file.as_ref().and_then(|(file, url)| report(file, self.read_url(file, url)));
        let present = url.as_ref().unwrap_or(self);
        let ca = present.ca_file.as_ref().and_then(|file| report(file, present.read_ca(file)));
        ca.or(url)
    }

    /// Reads the URL again; `None` if it is the one in use. The error repeats no part of the content.
    fn read_url(&self, file: &SourceFile, used: &str) -> Result<Option<Self>, String> {
        let Some(bytes) = file.content()? else { return Ok(None) };
        let text = std::str::from_utf8(&bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        let url = text.trim_end_matches(['\r', '\n']);
        if url == used {
            return Ok(None);
        }
        let found = Self::parse(url, self.ca.clone()).map_err(|error| error.to_string())?;
        if place(url) != place(used) {
            return Err(
                "more than the user and the password has changed: restart the process to use it".to_owned()
            );
        }
        let file = Some((file.clone(), url.to_owned()));
        Ok(Some(Self { file, ca_file: self.ca_file.clone(), ..found }))
    }

    /// Reads the CA certificates again; `None` if they are those in use.
    fn read_ca(&self, file: &SourceFile) -> Result<Option<Self>, String> {
        let Some(pem) = file.content()? else { return Ok(None) };
        if self.ca.as_deref() == Some(pem.as_slice()) {
            return Ok(None);
        }
        if !holds_certificates(&pem) {
            return Err("it has no readable certificate".to_owned());
        }
        Ok(Some(Self { ca: Some(pem), ..self.clone() }))
    }
}

fn content(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    if metadata.len() > MAX_BYTES {
        return Err(ErrorKind::FileTooLarge.into());
    }
    std::fs::read(path).map(Some)
}

/// Returns a URL without its credentials.
fn place(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let hosts = authority.rfind('@').map_or(authority, |at| &authority[at + 1..]);
    let (path, query) = after.split_once('?').unwrap_or((after, ""));
    let is_credential = |pair: &&str| CREDENTIALS.iter().any(|name| pair.starts_with(name));
    let pairs: Vec<_> = query.split('&').filter(|pair| !is_credential(pair)).collect();
    format!("{scheme}://{hosts}{path}?{}", pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use latchkey_testing::{Ca, Folder};

    use super::*;

    #[test]
    fn credentials_are_taken_over_and_the_last_ones_stay_otherwise() {
        let (folder, used) = (Folder::new("redis-url"), "redis://ada:old@cache:6379/2");
        let path = folder.write("url", used);
        let address = Address::parse(used, None).unwrap().of_file(path.clone(), used);
        assert!(address.changed().is_none());
        for content in ["", "redis://ada:ne", "redis://ada:new@other:6379/2", "rediss://ada:new@cache:6379/2"]
        {
            let _ = folder.write("url", content);
            assert!(address.changed().is_none(), "{content}");
            let (file, _) = address.file.as_ref().unwrap();
            let logged = file.logged.lock().unwrap().clone().unwrap();
            assert!(!logged.contains("new@") && !logged.contains("ada:"), "{logged}");
        }
        let _ = folder.write("url", "redis://ada:new@cache:6379/2\n");
        let changed = address.changed().unwrap();
        assert_eq!(changed.nodes[0].redis_settings().password(), Some("new"));
        assert!(changed.changed().is_none());
        std::fs::remove_file(&path).unwrap();
        assert!(changed.changed().is_none());
    }

    #[test]
    fn a_replaced_ca_is_taken_over_with_the_credentials() {
        let (folder, url) = (Folder::new("redis-ca"), "rediss://ada:old@cache:6379");
        let (old, new) = (Ca::new(), Ca::new());
        let path = folder.write("ca.pem", old.pem());
        let file = folder.write("url", url);
        let address =
            Address::parse(url, Some(old.pem().into())).unwrap().of_file(file, url).of_ca_file(path);
        assert!(address.changed().is_none());
        let _ = folder.write("ca.pem", "-----BEGIN");
        assert!(address.changed().is_none(), "half of a file");
        let _ = folder.write("ca.pem", new.pem());
        let _ = folder.write("url", "rediss://ada:new@cache:6379");
        let changed = address.changed().unwrap();
        assert_eq!(changed.ca.as_deref(), Some(new.pem().as_bytes()));
        assert_eq!(changed.nodes[0].redis_settings().password(), Some("new"));
        assert!(changed.changed().is_none());
    }

    #[test]
    fn what_is_left_of_a_url_without_its_credentials_is_its_place() {
        for (url, rest) in [
            ("redis+cluster://a:b@c:1,d", "redis+cluster://c:1,d?"),
            ("unix:///run/redis.sock?db=2&user=ada&pass=x", "unix:///run/redis.sock?db=2"),
            ("redis+sentinel://u:p@a:1/m?sentinel_user=e&sentinel_password=x", "redis+sentinel://a:1/m?"),
        ] {
            assert_eq!(place(url), rest);
        }
    }
}
