//! URLs of PostgreSQL in libpq's form, with one host or several.
//!
//! The values that sqlx does not know, or takes for something weaker than libpq does, are handled here:
//! `target_session_attrs`, `sslrootcert=system`, and `sslmode=require` with a root certificate. Values that sqlx would take
//! from the environment are not used.

mod defaults;
mod parameter;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sea_orm::sqlx::ConnectOptions as _;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx_core::Url;

pub(super) use self::parameter::named;
use super::InvalidUrl;

/// CA certificates of the system, as one PEM text. Certificates that can't serve as a CA are left out.
static SYSTEM_ROOTS: LazyLock<String> = LazyLock::new(|| {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a CA certificate of the system can't be read");
    }
    let usable = found.certs.iter().filter(|der| webpki::anchor_from_trusted_cert(der).is_ok());
    let pem = |der: &[u8]| {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der))
    };
    usable.map(|der| pem(der)).collect()
});

/// Parameters that the library knows, besides those that are handled here.
const PASSED_ON: [&str; 9] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "statement-cache-capacity",
    "user",
];

/// Protection of the connection to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A connection within this machine.
    Local,
    /// Plain text, or plain text if the server offers no TLS.
    Plain,
    /// TLS, without verifying the server's certificate.
    Unverified,
    /// TLS with a certificate that is verified.
    Verified,
}

/// A host of the database.
pub(super) struct Host {
    /// Host and port, or the folder of a socket.
    pub(super) name: String,
    pub(super) options: PgConnectOptions,
    /// Files that the URL names, each with its parameter.
    pub(super) files: Vec<(&'static str, PathBuf)>,
    pub(super) transport: Transport,
}

/// Parses a URL with one host or several, separated by commas.
pub(super) fn parse(url: &str) -> Result<Vec<Host>, InvalidUrl> {
    let (scheme, rest) = url.split_once("://").ok_or(InvalidUrl::Form)?;
    let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, hosts) = authority.rfind('@').map_or(("", authority), |at| authority.split_at(at + 1));
    hosts.split(',').map(|host| parse_one(&format!("{scheme}://{user}{host}{after}"))).collect()
}

/// Values of the URL's query that are not passed on as they are.
#[derive(Default)]
struct Query {
    mode: Option<String>,
    root: Option<String>,
    files: Vec<(&'static str, PathBuf)>,
    /// Names of the parameters that the library gets.
    names: Vec<String>,
}

fn parse_one(text: &str) -> Result<Host, InvalidUrl> {
    let mut url = Url::parse(text).map_err(|_| InvalidUrl::Form)?;
    let (mut query, mut passed) = (Query::default(), Vec::new());
    for (number, (name, value)) in (1..).zip(url.query_pairs()) {
        match &*name {
            "target_session_attrs" => {
                if !matches!(&*value, "any" | "read-write" | "primary") {
                    return Err(InvalidUrl::SessionAttributes);
                }
                continue;
            }
            "sslmode" | "ssl-mode" => query.mode = Some(value.clone().into_owned()),
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" => {
                query.root = Some(value.clone().into_owned());
                if value == "system" {
                    continue;
                }
                query.files.push(("sslrootcert", value.as_ref().into()));
            }
            "sslcert" | "ssl-cert" => query.files.push(("sslcert", value.as_ref().into())),
            "sslkey" | "ssl-key" => query.files.push(("sslkey", value.as_ref().into())),
            name if PASSED_ON.contains(&name) || name.starts_with("options[") => {}
            // The library would ignore it, and write its value to the log.
            name => return Err(InvalidUrl::Parameter(number, parameter::recognised(name))),
        }
        passed.push((name.into_owned(), value.into_owned()));
    }
    query.names = passed.iter().map(|(name, _)| name.clone()).collect();
    if passed.is_empty() {
        url.set_query(None);
    } else {
        url.query_pairs_mut().clear().extend_pairs(passed);
    }
    let options = PgConnectOptions::from_url(&url).map_err(|_| match query.mode.as_deref().map(known) {
        Some(false) => InvalidUrl::SslMode,
        Some(true) | None => InvalidUrl::Form,
    })?;
    host(defaults::complete(options, &url, &query.names)?, query)
}

fn known(mode: &str) -> bool {
    ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"].contains(&mode)
}

fn host(options: PgConnectOptions, query: Query) -> Result<Host, InvalidUrl> {
    // A pooler refuses parameters that it does not know, and no number here is a float.
    let options = options.extra_float_digits(None).disable_statement_logging();
    let socket = options.get_socket().map(|socket| socket.display().to_string());
    let on_socket =
        socket.or_else(|| options.get_host().starts_with('/').then(|| options.get_host().to_owned()));
    if let Some(name) = on_socket {
        // As in libpq, there is no TLS on a socket.
        let options = options.ssl_mode(PgSslMode::Disable);
        return Ok(Host { name, options, files: query.files, transport: Transport::Local });
    }
    let name = match (options.get_host(), options.get_port()) {
        (host, port) if host.contains(':') => format!("[{host}]:{port}"),
        (host, port) => format!("{host}:{port}"),
    };
    let options = verification(options, &query)?;
    let local = is_local(options.get_host());
    let transport = match options.get_ssl_mode() {
        PgSslMode::VerifyCa | PgSslMode::VerifyFull => Transport::Verified,
        _ if local => Transport::Local,
        PgSslMode::Require => Transport::Unverified,
        PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer => Transport::Plain,
    };
    Ok(Host { name, options, files: query.files, transport })
}

/// Returns whether a host is this machine.
fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Sets what the server's certificate is verified with, as libpq does: `require` with a root certificate verifies the
/// CA, and the system's CAs need `verify-full`, since they certify every name.
fn verification(options: PgConnectOptions, query: &Query) -> Result<PgConnectOptions, InvalidUrl> {
    let system = query.root.as_deref() == Some("system");
    let mode = options.get_ssl_mode();
    match (mode, query.root.as_deref()) {
        (_, Some("system")) if query.mode.is_some() && !matches!(mode, PgSslMode::VerifyFull) => {
            return Err(InvalidUrl::WeakVerification);
        }
        (PgSslMode::VerifyCa, None) => return Err(InvalidUrl::WeakVerification),
        _ => {}
    }
    Ok(match mode {
        _ if system => with_system_roots(options.ssl_mode(PgSslMode::VerifyFull)),
        PgSslMode::VerifyFull if query.root.is_none() => with_system_roots(options),
        PgSslMode::Require if query.root.is_some() => options.ssl_mode(PgSslMode::VerifyCa),
        _ => options,
    })
}

fn with_system_roots(options: PgConnectOptions) -> PgConnectOptions {
    options.ssl_root_cert_from_pem(SYSTEM_ROOTS.clone().into_bytes())
}
