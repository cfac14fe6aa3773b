//! The master key, which encrypts values that must be read again. It is given as a setting or, for the embedded database,
//! read from a file next to the database. That file is readable by its owner only, and is created once even if several
//! processes start at the same time. During a rotation, earlier master keys are given as well.
//!
//! A new key is unconfirmed until the database holds its check value: its file has a name of its own until then. A
//! confirmed key is therefore the proof that a database existed, whatever is found in the database's place.

use std::fmt;
use std::fs::{self, File, OpenOptions};
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
    /// File with the confirmed key. If neither it nor the file of an unconfirmed key exists, a key is created.
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
        Self::File(with_suffix(database, ".master-key"))
    }

    /// Returns the key itself: if it is in a file, the confirmed one, else the unconfirmed one, which is created if it
    /// does not exist.
    pub fn reveal(&self) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
        let path = match self {
            Self::Inline(key) => return Ok(key.clone()),
            Self::File(path) => path,
        };
        if path.exists() {
            return read(path);
        }
        let unconfirmed = unconfirmed(path);
        let created = !unconfirmed.exists() && create(&unconfirmed)?;
        let key = read(&unconfirmed);
        if !path.exists() {
            return key;
        }
        // Another process has confirmed its key meanwhile.
        if created {
            remove(&unconfirmed)?;
        }
        read(path)
    }

    /// Returns whether the key can be revealed without being created.
    #[must_use]
    pub fn exists(&self) -> bool {
        match self {
            Self::Inline(_) => true,
            Self::File(path) => path.exists() || unconfirmed(path).exists(),
        }
    }

    /// Confirms the key. Must be called once the database holds its check value, and has no effect later. Blocks for the
    /// time of a few system calls.
    pub fn confirm(&self) -> Result<(), KeyFileError> {
        let Self::File(path) = self else { return Ok(()) };
        let unconfirmed = unconfirmed(path);
        // A link never replaces a file, as a renaming would.
        match fs::hard_link(&unconfirmed, path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.exists() => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // The confirmed key wins. One that differs is kept, in case it was put there by hand.
                if read(&unconfirmed).is_ok_and(|key| read(path).is_ok_and(|confirmed| key == confirmed)) {
                    return remove(&unconfirmed);
                }
                return Ok(());
            }
            Err(error) => return Err(KeyFileError::Io(path.clone(), error)),
        }
        sync_folder(path);
        remove(&unconfirmed)
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

/// Returns the path of an unconfirmed key's file.
fn unconfirmed(path: &Path) -> PathBuf {
    with_suffix(path, ".new")
}

/// Returns a path whose file name is longer by a suffix.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// Removes a file, which another process may have removed already.
fn remove(path: &Path) -> Result<(), KeyFileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(KeyFileError::Io(path.to_owned(), error))
        }
        _ => Ok(()),
    }
}

/// Writes the names in a file's folder to the disk. Some file systems cannot do that for a folder alone; the names are
/// written a little later there.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// Creates a key's file. The key is written to a temporary file, which is then linked to `path`. Linking is atomic and
/// fails if `path` exists, so that of several processes the first one wins and the others read its key. Returns true if
/// this process was the first.
fn create(path: &Path) -> Result<bool, KeyFileError> {
    let io_error = |error| KeyFileError::Io(path.to_owned(), error);
    let mut key = Zeroizing::new([0; 32]);
    SysRng.try_fill_bytes(key.as_mut_slice()).map_err(KeyFileError::Randomness)?;
    let mut salt = [0; 8];
    SysRng.try_fill_bytes(&mut salt).map_err(KeyFileError::Randomness)?;
    let temporary = path.with_extension(format!("{:016x}.draft", u64::from_ne_bytes(salt)));
    let text = Zeroizing::new(format!("{}\n", STANDARD.encode(key.as_slice())));
    let linked = write(&temporary, text.as_bytes()).and_then(|()| fs::hard_link(&temporary, path));
    let removed = fs::remove_file(&temporary);
    let first = match linked {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(io_error(error)),
    };
    removed.map_err(io_error)?;
    sync_folder(path);
    Ok(first)
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
