//! What is wrong with the settings, told all at once: which setting, where its value came from, and what to
//! do about it. Never shows a secret's value.

use std::fmt;

/// One setting that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The setting's key.
    pub setting: String,
    /// Where its value came from.
    pub origin: String,
    /// What is wrong with it, and the remedy.
    pub remedy: String,
}

impl ConfigError {
    /// Makes one.
    pub fn new(setting: &str, origin: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { setting: setting.to_owned(), origin: origin.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.setting, self.origin, self.remedy)
    }
}

/// Every setting that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "a setting is wrong:\n  {one}"),
            all => {
                write!(f, "{} settings are wrong:", all.len())?;
                all.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for ConfigErrors {}
