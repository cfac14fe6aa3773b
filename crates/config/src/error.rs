//! Configuration errors, which are reported together. Each names the setting, the origin of its value and the remedy, and
//! none shows a secret's value.

use std::fmt;

/// Invalid setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Key of the setting.
    pub setting: String,
    /// Origin of the value: a flag, a variable or a place in the file.
    pub origin: String,
    /// Description of the error and its remedy.
    pub remedy: String,
}

impl ConfigError {
    /// Creates an error.
    pub fn new(setting: &str, origin: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { setting: setting.to_owned(), origin: origin.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.setting, self.origin, self.remedy)
    }
}

/// All invalid settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "a setting is invalid:\n  {one}"),
            all => {
                write!(f, "{} settings are invalid:", all.len())?;
                all.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for ConfigErrors {}
