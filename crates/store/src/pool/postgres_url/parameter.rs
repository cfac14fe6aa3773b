//! Names of parameters that a URL of PostgreSQL must not have. The name of an unknown parameter may be a part of a password
//! with a character that is not escaped, so that an error has its number, and names from the lists here alone.

use latchkey_core::choices::misspelt;

/// Parameters that have a meaning.
const KNOWN: [&str; 14] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "target_session_attrs",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    "statement-cache-capacity",
];

/// Parameters of libpq and of other libraries that URLs often have.
const ELSEWHERE: [&str; 35] = [
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "connection_limit",
    "currentSchema",
    "fallback_application_name",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "loginTimeout",
    "max_protocol_version",
    "min_protocol_version",
    "passfile",
    "pgbouncer",
    "pool_max_conns",
    "pool_timeout",
    "replication",
    "require_auth",
    "requirepeer",
    "schema",
    "search_path",
    "service",
    "socketTimeout",
    "ssl",
    "sslcrl",
    "sslnegotiation",
    "sslpassword",
    "sslsni",
    "statement_timeout",
    "tcp_user_timeout",
    "timezone",
];

/// Returns the name of an unknown parameter if other libraries have it, or the known name of which it is a misspelling.
pub(super) fn recognised(name: &str) -> Option<&'static str> {
    ELSEWHERE.into_iter().find(|other| *other == name).or_else(|| misspelt(name, &KNOWN))
}

/// Returns a recognised name as an error has it after the parameter's number.
pub(in crate::pool) fn named(name: Option<&'static str>) -> String {
    match name {
        Some(name) if KNOWN.contains(&name) => format!(" (did you mean {name}?)"),
        Some(name) => format!(" ({name})"),
        None => String::new(),
    }
}
