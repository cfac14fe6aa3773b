//! Error texts of Redis for logs and findings, without any part of the request.

use redis::RedisError;

/// Longest text.
const MAX_CHARS: usize = 300;
/// Text after which Redis repeats the arguments of an unknown command, which can hold a password.
const ARGUMENTS: &str = ", with args beginning with";
/// Text by which Redis refuses a longer request without a password. It does not name the cause.
const UNAUTHENTICATED: &str = "unauthenticated multibulk length";

/// Texts of the library about a connection that the server, or the network, closed.
const CLOSED: [&str; 2] = ["broken pipe", "Connection reset"];

/// Returns the error text of the server, or that of the network or of TLS.
pub(crate) fn of(error: &RedisError) -> String {
    let text = match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => error.to_string(),
    };
    let text = text.split(ARGUMENTS).next().unwrap_or_default();
    let text = if text.contains(UNAUTHENTICATED) {
        format!("NOAUTH Authentication required ({text})")
    } else if error.is_connection_dropped() && CLOSED.iter().any(|closed| text.starts_with(closed)) {
        // The library loses what Redis says before it closes a new connection.
        format!(
            "{text}: the connection was closed, as Redis does when it stops, when maxclients is reached, and when its port \
             expects TLS and redis_url is without it"
        )
    } else {
        text.to_owned()
    };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_CHARS).collect()
}
