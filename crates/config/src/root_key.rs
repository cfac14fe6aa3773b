//! First key of the operators: a value that the operator chose, or the place where a generated one is written.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use latchkey_core::secret::PlainKey;

use super::reader::SettingsReader;
use super::{DatabaseSettings, LogFormat, LogSettings, definitions};

/// Least length of a key that an operator chose, in characters.
const SHORTEST_ROOT_KEY: usize = 32;
/// File in the working directory for the first key of a database on a server, unless another one is given.
const DEFAULT_FILE: &str = "latchkey.root-key";

/// First key of the operators.
#[derive(Clone, Debug)]
pub enum RootKey {
    /// Value that the operator chose. It is ensured, whatever other keys exist.
    Given(PlainKey),
    /// File for a generated key, with mode 0600. It is written if the database has no operators yet.
    WriteTo(PathBuf),
    /// A generated key is printed to standard error.
    Print,
}

impl RootKey {
    /// Returns the default place of a generated key. Many people can usually read a log in JSON, so the key is never
    /// printed between its lines.
    pub(crate) fn default_for(database: Option<&Path>, log: Option<&LogSettings>) -> Self {
        let format = log.and_then(|log| log.format);
        let text = format.map_or_else(|| io::stderr().is_terminal(), |format| format == LogFormat::Text);
        if text {
            return Self::Print;
        }
        Self::WriteTo(database.map_or_else(
            || PathBuf::from(DEFAULT_FILE),
            |file| {
                let mut name = file.as_os_str().to_owned();
                name.push(".root-key");
                name.into()
            },
        ))
    }

    /// Writes a generated key to a new file that only its owner can read.
    pub fn write(path: &Path, key: &PlainKey) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(format!("{}\n", key.reveal()).as_bytes())?;
        file.sync_all()
    }
}

impl SettingsReader<'_> {
    /// Reads the first key, or the place where a generated one is written: a given file that does not exist yet.
    pub(super) fn root_key(
        &mut self,
        database: Option<&DatabaseSettings>,
        log: Option<&LogSettings>,
    ) -> RootKey {
        if let Some(path) = self.absent_file(&definitions::ROOT_KEY) {
            return RootKey::WriteTo(path);
        }
        let given = self.read(&definitions::ROOT_KEY, |text| {
            let characters = text.chars().count();
            if characters < SHORTEST_ROOT_KEY {
                return Err(format!(
                    "a key of {characters} characters could be guessed: give at least {SHORTEST_ROOT_KEY}, \
                     for example the output of `openssl rand -hex 32`"
                ));
            }
            if text.len() > 1024 || !text.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(
                    "it could not be sent as metadata: use at most 1024 printable ASCII characters, without \
                     spaces"
                        .to_owned(),
                );
            }
            Ok(PlainKey::new(text.to_owned()))
        });
        given.map_or_else(
            || RootKey::default_for(database.and_then(|database| database.url.embedded()), log),
            RootKey::Given,
        )
    }
}
