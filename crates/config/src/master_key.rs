//! The master key, which encrypts values that must be read again. It is given as a setting or, for the embedded database,
//! read from a file next to the database. That file is readable by its owner only, and is created once even if several
//! processes start at the same time. During a rotation, earlier master keys are given as well.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_core::seal::Sealer;
use rand::TryRng as _;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

/// Master key, or the file that holds it.
#[derive(Clone)]
pub enum MasterKey {
    /// Key itself.
    Inline(Zeroizing<[u8; 32]>),
    /// File with the key, which is created if it does not exist.
    File(PathBuf),
}

/// Earlier master keys during a rotation: they decrypt values that are still encrypted with them, and encrypt nothing.
#[derive(Clone, Default)]
pub struct PreviousKeys(Vec<Zeroizing<[u8; 32]>>);

impl PreviousKeys {
    /// Parses keys of 32 bytes in base64, separated by commas or line ends. The error does not quote them.
    pub fn from_base64(text: &str) -> Result<Self, String> {
        let keys = text.split([',', '\n']).map(str::trim).filter(|key| !key.is_empty());
        let read = |(number, key): (usize, &str)| {
            let message = || {
                format!(
                    "number {number} of them is not 32 bytes in base64: write it exactly as it was given as master_key"
                )
            };
            decode(key).ok_or_else(message)
        };
        (1..).zip(keys).map(read).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Debug for PreviousKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PreviousKeys({}, redacted)", self.0.len())
    }
}

/// Returns a sealer that encrypts with `current` and decrypts with `current` and `previous`.
pub fn sealer(current: &MasterKey, previous: &PreviousKeys) -> Result<Sealer, KeyFileError> {
    let sealer = Sealer::new(&*current.reveal()?);
    Ok(sealer.with_previous(previous.0.iter().map(|key| &**key)))
}

/// Error of the master key's file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// File that cannot be read or created.
    #[error("the master key's file {path} can't be read or created: {1}", path = .0.display())]
    Io(PathBuf, io::Error),
    /// File that others may read.
    #[error("the master key's file {path} can be read by others: run `chmod 600 {path}`", path = .0.display())]
    Permissions(PathBuf),
    /// File that does not hold a master key.
    #[error("the master key's file {} does not hold 32 bytes in base64: restore the original file", .0.display())]
    Malformed(PathBuf),
    /// Failure of the system's random number generator.
    #[error("the system returned no random bytes for a master key: {0}")]
    Randomness(rand::rngs::SysError),
}

impl MasterKey {
    /// Parses 32 bytes in base64. The error does not quote them.
    pub fn from_base64(text: &str) -> Result<Self, String> {
        let remedy = "it is not 32 bytes in base64: create one with `openssl rand -base64 32`";
        decode(text).map(Self::Inline).ok_or_else(|| remedy.to_owned())
    }

    /// Returns the file next to an embedded database.
    #[must_use]
    pub fn next_to(database: &Path) -> Self {
        let mut name = database.file_name().unwrap_or_default().to_owned();
        name.push(".master-key");
        Self::File(database.with_file_name(name))
    }

    /// Returns the key itself, from its file if it is in one.
    pub fn reveal(&self) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
        match self {
            Self::Inline(key) => Ok(key.clone()),
            Self::File(path) if path.exists() => read(path),
            Self::File(path) => {
                create(path)?;
                read(path)
            }
        }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("Inline(redacted)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

fn decode(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    let key: [u8; 32] = bytes.as_slice().try_into().ok()?;
    Some(Zeroizing::new(key))
}

fn read(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    let io_error = |error| KeyFileError::Io(path.to_owned(), error);
    let mode = fs::metadata(path).map_err(io_error)?.mode();
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Permissions(path.to_owned()));
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(io_error)?);
    decode(&text).ok_or_else(|| KeyFileError::Malformed(path.to_owned()))
}

/// Creates the key's file. The key is written to a temporary file, which is then linked to `path`. Linking is atomic and
/// fails if `path` exists, so that of several processes the first one wins and the others read its key.
fn create(path: &Path) -> Result<(), KeyFileError> {
    let io_error = |error| KeyFileError::Io(path.to_owned(), error);
    let mut key = Zeroizing::new([0; 32]);
    SysRng.try_fill_bytes(key.as_mut_slice()).map_err(KeyFileError::Randomness)?;
    let mut salt = [0; 8];
    SysRng.try_fill_bytes(&mut salt).map_err(KeyFileError::Randomness)?;
    let temporary = path.with_extension(format!("{:016x}.draft", u64::from_ne_bytes(salt)));
    let text = Zeroizing::new(format!("{}\n", STANDARD.encode(key.as_slice())));
    let linked = write(&temporary, text.as_bytes()).and_then(|()| fs::hard_link(&temporary, path));
    let removed = fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        linked => linked.map_err(io_error)?,
    }
    removed.map_err(io_error)
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn racing_starts_make_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let key = MasterKey::next_to(&folder.path().join("latchkey.db"));
        let together = Barrier::new(50);
        let made: Vec<[u8; 32]> = std::thread::scope(|scope| {
            let start = || {
                together.wait();
                *key.reveal().unwrap()
            };
            let starts: Vec<_> = (0..50).map(|_| scope.spawn(start)).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(made.iter().all(|key| *key == made[0] && *key != [0; 32]));
        let remaining: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(remaining, ["latchkey.db.master-key"], "no temporary file is left");
    }

    #[test]
    fn the_file_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        let key = MasterKey::File(path.clone());
        key.reveal().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(key.reveal().unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn a_malformed_file_is_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        write(&path, b"c2hvcnQ=\n").unwrap();
        assert!(matches!(MasterKey::File(path.clone()).reveal(), Err(KeyFileError::Malformed(_))));
        assert_eq!(fs::read(&path).unwrap(), b"c2hvcnQ=\n");
    }

    #[test]
    fn a_given_key_has_32_bytes_and_never_shows() {
        let text = STANDARD.encode([7; 32]);
        assert_eq!(*MasterKey::from_base64(&text).unwrap().reveal().unwrap(), [7; 32]);
        assert!(!format!("{:?}", MasterKey::from_base64(&text).unwrap()).contains('7'));
        let several = PreviousKeys::from_base64(&format!("{text}, {text}\n{text}\n")).unwrap();
        assert_eq!(several.0.len(), 3);
        assert_eq!(format!("{several:?}"), "PreviousKeys(3, redacted)");
        let error = PreviousKeys::from_base64(&format!("{text},canary")).unwrap_err();
        assert!(error.contains("number 2") && !error.contains("canary"), "{error}");
        let error = MasterKey::from_base64("canary").unwrap_err();
        assert!(!error.contains("canary") && error.contains("openssl rand -base64 32"));
    }
}
