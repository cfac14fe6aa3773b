//! Place of a SQLite database's file. SQLite keeps the newest commits in files beside the name by which the database was
//! opened: under another name, or where that folder is not kept, they are missing, and revoked keys would be accepted.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// List of the mounts that this process sees.
const MOUNTS: &str = "/proc/self/mountinfo";
/// Number of the field of a line of [`MOUNTS`] that holds the path.
const MOUNT_POINT: usize = 4;

/// Types of network file systems, on which SQLite's write-ahead log does not work.
const NETWORK_FILE_SYSTEMS: [&str; 5] = ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs"];

/// Place in which a SQLite database must not be used. The text says what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsafePlace {
    /// File with several names, and their number.
    #[error(
        "{path} has {1} names (hard links), and SQLite keeps the newest commits in {path}-wal, beside the name by which the \
         file is opened: under another name they would be missing. Remove the other names, which \
         `find FOLDER -samefile {path}` lists",
        path = .0.display()
    )]
    SeveralNames(PathBuf, u64),
    /// File that is a mount of its own, without its folder.
    #[error(
        "{path} is mounted alone, without its folder, and SQLite keeps the newest commits in {path}-wal beside it, which would \
         be lost with the container: mount the folder",
        path = .0.display()
    )]
    MountedAlone(PathBuf),
}

/// Checks the place of a database's file, which exists.
pub(super) fn check(path: &Path, metadata: &Metadata) -> Result<(), UnsafePlace> {
    if metadata.nlink() > 1 {
        return Err(UnsafePlace::SeveralNames(path.to_owned(), metadata.nlink()));
    }
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // Other systems than Linux have no such list.
    let mounts = fs::read(MOUNTS).unwrap_or_default();
    if is_mount_point(&mounts, &real) { Err(UnsafePlace::MountedAlone(real)) } else { Ok(()) }
}

/// Logs that a database's file is on a network file system.
pub(super) fn warn_of_network(path: &Path) {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let kind = file_system(&fs::read(MOUNTS).unwrap_or_default(), &real);
    if let Some(kind) = kind.filter(|kind| NETWORK_FILE_SYSTEMS.contains(&kind.as_str())) {
        tracing::warn!(
            path = %path.display(),
            "the database is on a network file system ({kind}), on which SQLite's write-ahead log and locks do not work: use \
             a local disk, or PostgreSQL"
        );
    }
}

/// Returns the type of the file system that holds a path, by the lines of [`MOUNTS`].
fn file_system(mounts: &[u8], path: &Path) -> Option<String> {
    let lines = String::from_utf8_lossy(mounts);
    let holding = lines.lines().filter_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        let point = unescape(mount.split(' ').nth(MOUNT_POINT)?.as_bytes());
        let point = Path::new(OsStr::from_bytes(&point));
        path.starts_with(point).then(|| (point.components().count(), source.split(' ').next()))
    });
    // Of several mounts at one place, the last one is in force.
    holding.max_by_key(|(depth, _)| *depth).and_then(|(_, kind)| kind.map(str::to_owned))
}

/// Returns whether a path is a mount point by the lines of [`MOUNTS`].
fn is_mount_point(mounts: &[u8], path: &Path) -> bool {
    let mut points = mounts.split(|byte| *byte == b'\n').filter_map(|line| {
        let field = line.split(|byte| *byte == b' ').nth(MOUNT_POINT)?;
        Some(unescape(field))
    });
    points.any(|point| Path::new(OsStr::from_bytes(&point)) == path)
}

/// Replaces the escapes of the list, `\` and three octal digits, by the bytes that they mean.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, others)) = rest.split_first() {
        let escaped = (*first == b'\\').then(|| others.split_at_checked(3)).flatten();
        let byte = escaped.and_then(|(digits, _)| {
            std::str::from_utf8(digits).ok().and_then(|digits| u8::from_str_radix(digits, 8).ok())
        });
        plain.push(byte.unwrap_or(*first));
        rest = match (escaped, byte) {
            (Some((_, after)), Some(_)) => after,
            _ => others,
        };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_a_second_name_is_refused_and_one_with_a_link_to_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("keys.db"), folder.path().join("other.db"));
        fs::write(&path, b"").unwrap();
        std::os::unix::fs::symlink(&path, folder.path().join("link.db")).unwrap();
        let checked = |path: &Path| check(path, &fs::metadata(path).unwrap());
        assert_eq!([checked(&path), checked(&folder.path().join("link.db"))], [Ok(()), Ok(())]);
        fs::hard_link(&path, &other).unwrap();
        for name in [&path, &other] {
            let error = checked(name).unwrap_err();
            assert_eq!(error, UnsafePlace::SeveralNames(name.clone(), 2));
            assert!(error.to_string().contains("find FOLDER -samefile"), "{error}");
        }
        fs::remove_file(&other).unwrap();
        assert_eq!(checked(&path), Ok(()));
    }

    #[test]
    fn a_file_that_is_mounted_alone_is_distinguished_from_one_in_a_mounted_folder() {
        let mounts = b"22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
            41 22 254:0 /srv/a\\040b/keys.db /data/a\\040b/keys.db rw,relatime - ext4 /dev/vda rw\n\
            42 22 254:0 /srv/folder /data/folder rw,relatime - ext4 /dev/vda rw\n";
        assert!(is_mount_point(mounts, Path::new("/data/a b/keys.db")));
        assert!(!is_mount_point(mounts, Path::new("/data/folder/keys.db")));
        assert!(!is_mount_point(b"", Path::new("/keys.db")));
        assert_eq!(unescape(br"a\134b\\0 \9"), br"a\b\\0 \9");
    }

    #[test]
    fn the_file_system_of_a_path_is_that_of_the_nearest_mount() {
        let mounts = b"22 1 254:0 / / rw - ext4 /dev/vda rw\n\
            40 22 0:40 / /data rw shared:1 - nfs4 server:/export rw,vers=4.2\n\
            41 40 0:41 / /data/fast\\040disk rw - xfs /dev/vdb rw\n";
        for (path, kind) in [
            ("/keys.db", "ext4"),
            ("/data/keys.db", "nfs4"),
            ("/database/keys.db", "ext4"),
            ("/data/fast disk/keys.db", "xfs"),
        ] {
            assert_eq!(file_system(mounts, Path::new(path)).as_deref(), Some(kind), "{path}");
        }
        assert_eq!(file_system(b"", Path::new("/keys.db")), None);
    }
}
