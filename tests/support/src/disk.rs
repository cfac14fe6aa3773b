//! A small disk in memory that can be filled to the last byte. Mounting it takes root, as CI has.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use crate::Folder;

/// A mounted disk, which is unmounted when it is dropped.
#[derive(Debug)]
pub struct Disk(Folder);

impl Disk {
    /// Mounts a disk of this size in KiB.
    #[must_use]
    pub fn of(kib: u32) -> Self {
        let folder = Folder::new("disk");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kib}k,mode=0755"), "tmpfs"])
            .arg(folder.path())
            .output();
        let mount = mount.expect("mount starts");
        let errors = String::from_utf8_lossy(&mount.stderr);
        assert!(mount.status.success(), "a small disk can't be mounted, which takes root: {errors}");
        Self(folder)
    }

    /// Path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills the free space.
    pub fn fill(&self) {
        let mut file = std::fs::File::create(self.ballast()).expect("a file on the disk");
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    /// Frees the space again.
    pub fn empty(&self) {
        std::fs::remove_file(self.ballast()).expect("what filled it");
    }

    fn ballast(&self) -> std::path::PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A process with open files there keeps them until it ends.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
