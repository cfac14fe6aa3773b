//! Path of the user's own configuration, by the XDG Base Directory Specification.

use std::path::PathBuf;

/// Returns the path `latchkey/config.toml` in `$XDG_CONFIG_HOME`, or in `~/.config`.
#[must_use]
pub fn user_config_path() -> Option<PathBuf> {
    let place = |name: &str| std::env::var_os(name).map(PathBuf::from);
    // The specification requires that a relative path in this variable is ignored.
    let named = place("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let folder = named.or_else(|| Some(place("HOME")?.join(".config")))?;
    Some(folder.join("latchkey/config.toml"))
}
