//! Control of the clocks that a running program reads: a test can set the wall clock, and stop the monotonic one.
//! A small library is compiled here and loaded before the system's own (`LD_PRELOAD`), so that the program under
//! test is the unchanged program that ships.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Folder;

/// Clocks of a program, which a test controls.
#[derive(Debug)]
pub struct Clocks {
    library: PathBuf,
    file: PathBuf,
    hands: File,
    _folder: Folder,
}

impl Clocks {
    /// Compiles the library, with the C compiler that linking Rust needs as well.
    #[must_use]
    pub fn new() -> Self {
        let folder = Folder::new("clocks");
        let (library, file) = (folder.path().join("clocks.so"), folder.path().join("hands"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("clocks.c");
        let output =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).output();
        let output = output.expect("cc starts: run scripts/setup");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let hands = File::create(&file).expect("a file in the folder can be written");
        let clocks = Self { library, file, hands, _folder: folder };
        clocks.write(0, 0);
        clocks.write(8, 0);
        clocks
    }

    /// Returns the environment variables that make a program read these clocks.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 2] {
        let path = |path: &Path| path.display().to_string();
        [("LD_PRELOAD", path(&self.library)), ("CLOCKS_FILE", path(&self.file))]
    }

    /// Sets the wall clock ahead of the true one by these seconds; a negative number sets it back.
    pub fn set_ahead(&self, seconds: i64) {
        self.write(0, seconds);
    }

    /// Stops the monotonic clock, or continues it at the true time.
    pub fn stop(&self, stopped: bool) {
        self.write(8, i64::from(stopped));
    }

    fn write(&self, at: u64, value: i64) {
        self.hands.write_all_at(&value.to_ne_bytes(), at).expect("the hands can be moved");
    }
}

impl Default for Clocks {
    fn default() -> Self {
        Self::new()
    }
}
