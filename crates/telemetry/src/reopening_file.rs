//! A file that lines are appended to by path. If the file was moved away (rotated) or replaced, it is opened again. A
//! write to a pipe without a reader blocks, so only a dedicated thread may write here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Permissions of a new file: the lines show who calls what, so others may not read them.
const MODE: u32 = 0o640;

/// File that is opened again when its path names another file.
pub(crate) struct ReopeningFile {
    path: PathBuf,
    /// Open file, with its device and inode.
    open: Option<(File, (u64, u64))>,
}

impl ReopeningFile {
    /// Opens the file at a path for appending. A pipe is opened at the first write, since it may have no reader yet.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let pipe = fs::metadata(path).is_ok_and(|data| data.file_type().is_fifo());
        let open = if pipe { None } else { Some(open_file(path)?) };
        Ok(Self { path: path.to_owned(), open })
    }

    /// Returns the file that is at the path now.
    fn current(&mut self) -> io::Result<&mut File> {
        let present = fs::metadata(&self.path).map(|data| (data.dev(), data.ino())).ok();
        let open = match self.open.take() {
            Some((file, which)) if present == Some(which) => (file, which),
            Some(_) | None => open_file(&self.path)?,
        };
        Ok(&mut self.open.insert(open).0)
    }
}

fn open_file(path: &Path) -> io::Result<(File, (u64, u64))> {
    let file = OpenOptions::new().append(true).create(true).mode(MODE).open(path)?;
    let data = file.metadata()?;
    Ok((file, (data.dev(), data.ino())))
}

impl Write for ReopeningFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.current()?.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), |(file, _)| file.flush())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_moved_away_is_created_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("d.jsonl"), folder.path().join("d.jsonl.1"));
        fs::write(&path, "before\n").unwrap();
        let mut file = ReopeningFile::open(&path).unwrap();
        file.write_all(b"one\n").unwrap();
        fs::rename(&path, &old).unwrap();
        file.write_all(b"two\n").unwrap();
        file.write_all(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(&old).unwrap(), "before\none\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\nthree\n");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another\n").unwrap();
        file.write_all(b"four\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "another\nfour\n");
    }

    #[test]
    fn a_path_that_cannot_be_written_fails_at_once_and_is_tried_again_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("there/d.jsonl");
        assert!(ReopeningFile::open(&path).is_err() && ReopeningFile::open(folder.path()).is_err());
        fs::create_dir(folder.path().join("there")).unwrap();
        let mut file = ReopeningFile::open(&path).unwrap();
        fs::remove_dir_all(folder.path().join("there")).unwrap();
        assert!(file.write_all(b"lost\n").is_err());
        fs::create_dir(folder.path().join("there")).unwrap();
        file.write_all(b"kept\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept\n");
    }
}
