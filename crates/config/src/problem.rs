//! What is wrong with the settings, told all at once: which setting, where its value came from, and what to
//! do about it. Never shows a secret's value.

use std::fmt;

/// One setting that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting's key.
    pub setting: String,
    /// Where its value came from.
    pub place: String,
    /// What is wrong with it, and the remedy.
    pub remedy: String,
}

impl Problem {
    /// Makes one.
    pub fn new(setting: &str, place: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { setting: setting.to_owned(), place: place.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.setting, self.place, self.remedy)
    }
}

/// Every setting that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSettings(pub Vec<Problem>);

impl fmt::Display for BadSettings {
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

impl std::error::Error for BadSettings {}
