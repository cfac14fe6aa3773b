//! Where people keep their own configuration, by the XDG Base Directory Specification.

use std::path::PathBuf;

/// `latchkey/config.toml` in `$XDG_CONFIG_HOME`, or in `~/.config`.
#[must_use]
pub fn user_config_path() -> Option<PathBuf> {
    let place = |name: &str| std::env::var_os(name).map(PathBuf::from);
    // A relative path there is to be ignored, says the specification.
    let named = place("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let folder = named.or_else(|| Some(place("HOME")?.join(".config")))?;
    Some(folder.join("latchkey/config.toml"))
}
