//! Socket of the process's supervisor, which systemd passes in the environment.

use std::ffi::OsString;

/// Returns the address that notifications are sent to: the path of a Unix socket, or `@` and a name in the abstract
/// namespace. Source: `sd_notify(3)`.
#[must_use]
pub fn notify_socket() -> Option<OsString> {
    std::env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty())
}
