//! Free space of the file system that holds the embedded database.

use std::path::Path;

use super::{HostCheck, HostFinding, finding};
use crate::doctor::{Area, Severity};

/// Free space below which the next writes fail.
const FULL: u64 = 1 << 20;
/// Free space above which a disk is never reported, however large it is.
const ENOUGH: u64 = 1 << 30;

/// Returns the finding about the disk of a database's file.
pub(super) fn examine(file: &Path) -> Option<HostFinding> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(folder).ok()?;
    describe(folder, disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize)
}

fn describe(folder: &Path, free: u64, size: u64) -> Option<HostFinding> {
    let (severity, key, state) = match free {
        free if free < FULL => (Severity::Error, "full", "is full: writes fail, and Checks go on"),
        free if free < ENOUGH && free < size / 10 => {
            (Severity::Warning, "nearly full", "is nearly full: writes will fail when it is")
        }
        _ => return None,
    };
    let what = format!(
        "the file system of {} {state} ({} KiB of {} KiB are free)",
        folder.display(),
        free >> 10,
        size >> 10
    );
    let found = finding(Area::Database, severity, what, "free some space; no restart is needed");
    Some(HostFinding::new(HostCheck::Disk, key, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_reported_before_and_when_it_is_full() {
        let severity =
            |free, size| describe(Path::new("/data"), free, size).map(|found| found.finding.severity);
        assert_eq!(severity(1 << 29, 1 << 30), None);
        assert_eq!(severity(1 << 26, 1 << 30), Some(Severity::Warning));
        assert_eq!(severity(2 << 30, 1 << 50), None, "a large disk");
        assert_eq!(severity(0, 1 << 24), Some(Severity::Error));
        assert_eq!(severity(6 << 20, 8 << 20), None, "a small disk");
        let text = describe(Path::new("/data"), 4_096, 1 << 20).unwrap().finding.message;
        assert!(text.contains("/data is full") && text.contains("4 KiB of 1024 KiB"), "{text}");
    }
}
