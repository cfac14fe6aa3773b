//! Error of a TLS file that cannot be used.

use std::fmt;

/// Error in a TLS file. It never shows any part of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFileError {
    /// Name of the setting that names the file.
    pub setting: &'static str,
    /// Path of the file.
    pub origin: String,
    /// Description of the error and its remedy.
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
