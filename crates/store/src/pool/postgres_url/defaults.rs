//! Values that a URL does not give. The library would take them from variables such as `PGHOST` and from `~/.pgpass`; here,
//! they are the defaults of libpq, so that a connection depends on the URL alone.
//!
//! `PGOPTIONS`, `PGSSLCERT` and `PGSSLKEY` can't be replaced: the settings refuse them.

use std::path::Path;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx_core::Url;

use super::InvalidUrl;

const PORT: u16 = 5432;
/// Folders in which servers on this machine have their sockets.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Sets each value that the URL does not give; `given` has the names of its parameters.
pub(super) fn complete(
    mut options: PgConnectOptions,
    url: &Url,
    given: &[String],
) -> Result<PgConnectOptions, InvalidUrl> {
    let has = |names: &[&str]| given.iter().any(|name| names.contains(&name.as_str()));
    let user = options.get_username().to_owned();
    if user.is_empty() || (url.username().is_empty() && !has(&["user"])) {
        return Err(InvalidUrl::User);
    }
    if url.port().is_none() && !has(&["port"]) {
        options = options.port(PORT);
    }
    let names_host = url.host_str().is_some_and(|host| !host.is_empty()) || has(&["host", "hostaddr"]);
    let host = if names_host {
        without_brackets(options.get_host()).to_owned()
    } else {
        default_host(options.get_port()).to_owned()
    };
    options = options.host(&host);
    if url.path().trim_start_matches('/').is_empty() && !has(&["dbname"]) {
        options = options.database(&user);
    }
    if url.password().is_none() && !has(&["password"]) {
        // Sent only to a server that asks for a password, as no password is.
        options = options.password("");
    }
    if !has(&["sslmode", "ssl-mode"]) {
        options = options.ssl_mode(PgSslMode::Prefer);
    }
    if !has(&["application_name"]) {
        options = options.application_name("latchkey");
    }
    Ok(options)
}

/// Returns a host without the brackets that an IPv6 address has in a URL.
fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Returns the folder of the server's socket, if there is one on this machine; else this machine's name.
fn default_host(port: u16) -> &'static str {
    let socket = format!(".s.PGSQL.{port}");
    SOCKET_FOLDERS.into_iter().find(|folder| Path::new(folder).join(&socket).exists()).unwrap_or("localhost")
}
