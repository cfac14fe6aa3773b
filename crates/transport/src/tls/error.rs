//! A file that TLS can't be served with.

use std::fmt;

/// What is wrong with a file, and the setting that names it. Nothing of a key is ever shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFileError {
    /// Name of the setting.
    pub setting: &'static str,
    /// Path of the file.
    pub origin: String,
    /// What is wrong with it, and what to do.
    pub remedy: String,
}

impl TlsFileError {
    pub(super) fn new(setting: &'static str, origin: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { setting, origin: origin.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for TlsFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.setting, self.origin, self.remedy)
    }
}
