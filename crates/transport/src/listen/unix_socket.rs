//! Files of Unix sockets: created with their final permissions, replaced if the process that listened there has ended, and
//! removed at the end.

use std::fs::{self, File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::address::UnixSocketFile;

/// Number of attempts to lock the folder of a socket, and the pause between two of them.
const LOCK_ATTEMPTS: (u32, Duration) = (100, Duration::from_millis(20));

/// File of a socket that this process listens on; removed when it is dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode; another process may have created a new file with this name.
    identity: (u64, u64),
}

impl SocketFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A file that is already gone needs no removal, and any other failure leaves a file that the next start replaces.
        if fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity) {
            drop(fs::remove_file(&self.path));
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Binds a socket to its file. Fails if another process listens there, or if the file is not a socket.
pub(super) fn bind(file: &UnixSocketFile, backlog: u32) -> io::Result<(UnixListener, SocketFile)> {
    let path = &file.path;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Two processes that start at once must not both take the file of a third one for an abandoned one.
    let lock = lock(folder, thread::sleep)?;
    remove_abandoned(path)?;
    let socket = UnixSocket::new_stream()?;
    // The file is never open to more clients than at the end: Linux creates it with the permissions of the socket.
    fchmod(&socket, Mode::from_raw_mode(file.mode))?;
    socket.bind(path)?;
    let created = SocketFile { path: path.clone(), identity: identity(&fs::symlink_metadata(path)?) };
    if let Some(group) = file.group {
        chown(path, None, Some(group)).map_err(|error| {
            io::Error::new(error.kind(), format!("the group {group} cannot be set, {error}: the user of the process must be one of its members"))
        })?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(file.mode))?;
    let listener = socket.listen(backlog)?;
    drop(lock);
    Ok((listener, created))
}

/// Locks the folder of a socket against other processes that bind a socket there. Calls `sleep` while one of them has it.
fn lock(folder: &Path, mut sleep: impl FnMut(Duration)) -> io::Result<File> {
    let folder_error = |error: io::Error| {
        let remedy =
            "create the folder (systemd: RuntimeDirectory=latchkey), and let the process write to it";
        io::Error::new(error.kind(), format!("folder {}: {error}: {remedy}", folder.display()))
    };
    let opened = File::open(folder).map_err(folder_error)?;
    let (attempts, pause) = LOCK_ATTEMPTS;
    for _ in 0..attempts {
        match opened.try_lock() {
            Ok(()) => return Ok(opened),
            Err(TryLockError::WouldBlock) => sleep(pause),
            Err(TryLockError::Error(error)) => return Err(folder_error(error)),
        }
    }
    Err(folder_error(io::Error::new(io::ErrorKind::WouldBlock, "another process keeps it locked (flock)")))
}

/// Removes the file of a socket that no process listens on.
fn remove_abandoned(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let in_use = |text: String| Err(io::Error::new(io::ErrorKind::AddrInUse, text));
    let living = |process: String| {
        in_use(format!("{process} listens on it: stop that process, or choose another path"))
    };
    if !found.file_type().is_socket() {
        return in_use(
            "the file is there, and is not a socket: remove it, or choose another path".to_owned(),
        );
    }
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let client = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match connect(&client, &SocketAddrUnix::new(path)?) {
        Err(Errno::CONNREFUSED | Errno::NOENT) => fs::remove_file(path)
            .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }),
        // The queue of the listener is full.
        Err(Errno::AGAIN | Errno::PROTOTYPE) => living("another process".to_owned()),
        Err(error) => Err(error.into()),
        Ok(()) => {
            let client = UnixStream::from_std(client.into())?;
            // A process in another namespace of processes has no identifier here.
            let pid = client.peer_cred().ok().and_then(|credentials| credentials.pid());
            living(pid.filter(|pid| *pid > 0).map_or_else(|| "another process".to_owned(), process_name))
        }
    }
}

/// Returns a text that names a process.
fn process_name(pid: i32) -> String {
    match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("process {pid} ({})", name.trim()),
        Err(_) => format!("process {pid}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixListener as StdListener};

    use super::*;

    fn file(path: &Path, mode: u32) -> UnixSocketFile {
        UnixSocketFile { path: path.to_owned(), mode, group: None }
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_socket_has_its_permissions_and_is_removed_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grpc.sock");
        for permissions in [0o600, 0o660, 0o666] {
            let bound = bind(&file(&path, permissions), 1).unwrap();
            assert_eq!(mode(&path), permissions);
            drop(bound);
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn an_abandoned_socket_is_replaced_and_one_in_use_is_refused_with_its_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grpc.sock");
        let other = StdListener::bind(&path).unwrap();
        let error = bind(&file(&path, 0o600), 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        drop(other);
        assert!(path.exists(), "a process that ends leaves its file");
        drop(bind(&file(&path, 0o600), 1).unwrap());
        drop(UnixDatagram::bind(&path).unwrap());
        assert!(bind(&file(&path, 0o600), 1).is_ok(), "of any type");
    }

    #[tokio::test]
    async fn only_sockets_are_replaced_and_only_a_listeners_own_file_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grpc.sock");
        fs::write(&path, "text").unwrap();
        let error = bind(&file(&path, 0o600), 1).unwrap_err();
        assert!(error.to_string().contains("is not a socket"), "{error}");
        fs::remove_file(&path).unwrap();
        let (listener, created) = bind(&file(&path, 0o600), 1).unwrap();
        fs::remove_file(&path).unwrap();
        let _other = StdListener::bind(&path).unwrap();
        drop((listener, created));
        assert!(path.exists(), "the file of another process");
    }

    #[tokio::test]
    async fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = bind(&file(&folder.path().join("none/grpc.sock"), 0o600), 1).unwrap_err();
        assert!(error.to_string().contains("none") && error.to_string().contains("create"), "{error}");
    }

    #[test]
    fn two_processes_that_start_at_once_wait_for_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let first = |_| panic!("the folder is free");
        let (mut held, mut pauses) = (Some(lock(folder.path(), first).unwrap()), 0);
        let second = lock(folder.path(), |_| {
            pauses += 1;
            if pauses == 3 {
                held = None;
            }
        });
        assert!(second.is_ok());
        assert_eq!(pauses, 3, "it waits until the first one has let go");
        let third = lock(folder.path(), |_| {}).unwrap_err();
        assert!(third.to_string().contains("keeps it locked"), "{third}");
    }
}
