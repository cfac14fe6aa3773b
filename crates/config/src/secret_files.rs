//! Files on this machine that hold secrets: those that settings name, and the settings file itself if a secret is in it.

use std::path::PathBuf;

use super::definitions::{self, ALL};
use super::sources::ConfigSources;
use super::{RootKey, TlsSettings};

/// File that holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile {
    /// Place that names the file, such as `LATCHKEY_ROOT_KEY_FILE`, or the secrets that are in it.
    pub origin: String,
    /// Path of the file.
    pub path: PathBuf,
}

impl SecretFile {
    fn new(origin: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { origin: origin.into(), path: path.into() }
    }
}

/// Returns all files that hold secrets. The file of a master key beside the database is not among them: it is refused if
/// others can read it.
pub(super) fn secret_files(
    sources: &ConfigSources,
    tls: Option<&TlsSettings>,
    root_key: &RootKey,
) -> Vec<SecretFile> {
    let secrets = || ALL.iter().filter(|setting| setting.kind.is_secret());
    let mut files: Vec<_> = secrets()
        .filter_map(|setting| sources.file_of(setting))
        .map(|(origin, path)| SecretFile::new(origin, path))
        .collect();
    if let Some(tls) = tls {
        files.push(SecretFile::new(definitions::TLS_KEY.key, &tls.key));
    }
    if let RootKey::WriteTo(path) = root_key {
        files.push(SecretFile::new(definitions::ROOT_KEY.key, path));
    }
    let inline: Vec<&str> = secrets()
        .filter(|setting| sources.line_of(setting).is_some_and(|value| is_secret(setting.key, value)))
        .map(|setting| setting.key)
        .collect();
    if let Some(path) = sources.settings_file().filter(|_| !inline.is_empty()) {
        files.push(SecretFile::new(format!("the settings file, with {}", inline.join(", ")), path));
    }
    files.dedup_by(|one, other| one.path == other.path);
    files
}

/// Returns whether a value is a secret: a URL is one only if a password is in it.
fn is_secret(key: &str, value: &str) -> bool {
    let urls = [definitions::DATABASE_URL.key, definitions::REDIS_URL.key];
    !urls.contains(&key) || has_password(value)
}

/// Returns whether a URL, or a list of them, has a password before an `@` or in its query.
fn has_password(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let credentials = authority.rsplit_once('@').map(|(credentials, _)| credentials);
    credentials.is_some_and(|credentials| credentials.contains(':')) || url.contains("password=")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn files(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latchkey.toml");
        std::fs::write(&path, text).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let sources = ConfigSources::new(Some(&path), BTreeMap::new(), variables);
        let found = secret_files(&sources, None, &RootKey::Print);
        found.into_iter().map(|file| file.origin).collect()
    }

    #[test]
    fn a_settings_file_is_secret_if_a_secret_is_in_it() {
        let none: &[(&str, &str)] = &[];
        assert!(files("database_url = 'sqlite://a.db'\ngrpc_addr = '127.0.0.1:1'", none).is_empty());
        assert!(files("database_url = 'postgres://ada@db/x'", none).is_empty());
        for text in [
            "database_url = 'postgres://ada:pw@db/x'",
            "redis_url = 'redis://:pw@cache'",
            "redis_url = 'redis+sentinel://u:p@a:1,b:2/m?sentinel_password=x'",
            "root_key = 'abcdefghabcdefghabcdefghabcdefgh'",
        ] {
            assert_eq!(files(text, none).len(), 1, "{text}");
        }
    }

    #[test]
    fn the_files_that_settings_name_are_secret() {
        let found =
            files("", &[("LATCHKEY_DATABASE_URL_FILE", "/run/url"), ("LATCHKEY_ROOT_KEY_FILE", "/k")]);
        assert_eq!(found, ["LATCHKEY_DATABASE_URL_FILE", "LATCHKEY_ROOT_KEY_FILE"]);
    }
}
