//! Errors of a URL, with the right form. They never repeat the URL, which may hold a password.

/// An invalid address. The message says how to correct it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Unknown scheme, or no host.
    #[error(
        "not the URL of a Redis: write redis://[USER:PASSWORD@]HOST:PORT, rediss:// for TLS, \
         redis+cluster://HOST:PORT,HOST:PORT or rediss+cluster:// for a cluster, \
         redis+sentinel://HOST:PORT,HOST:PORT/NAME or rediss+sentinel:// for Sentinel, or unix:///PATH"
    )]
    Unknown,
    /// Sentinels in another form.
    #[error(
        "not the URL of Sentinels: write redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/NAME, or \
         rediss+sentinel:// for TLS; HOST:PORT are the Sentinels, and USER and PASSWORD are those of Redis"
    )]
    Sentinel,
    /// Sentinels without the name of a primary.
    #[error(
        "the name of the primary is missing or has a character that Sentinel does not permit: write \
         redis+sentinel://HOST:PORT,HOST:PORT/NAME with the NAME of `sentinel monitor` in the Sentinels' configuration"
    )]
    PrimaryName,
    /// Parameter of a Sentinel URL that has no meaning.
    #[error(
        "a parameter of the Sentinel URL has no meaning: there are ?sentinel_user=USER&sentinel_password=PASSWORD, the \
         Sentinels' own credentials"
    )]
    SentinelParameter,
    /// Parameter or fragment of a URL that has no meaning.
    #[error(
        "a parameter or a fragment of the URL has no meaning: write redis://[USER:PASSWORD@]HOST:PORT/NUMBER with the number \
         of the database, and rediss:// for TLS; the only parameter is ?protocol=resp2 or resp3"
    )]
    Parameter,
    /// Parameter or fragment of the URL of a Unix socket that has no meaning.
    #[error(
        "a parameter or a fragment of the URL has no meaning: a Unix socket has ?db=NUMBER&user=USER&pass=PASSWORD and \
         protocol=resp2 or resp3"
    )]
    UnixParameter,
    /// Number of a database that is not a number.
    #[error(
        "the number of the database is not a number: write redis+sentinel://HOST:PORT/NAME/NUMBER, or leave /NUMBER out"
    )]
    DatabaseNumber,
    /// Character in the credentials that ends them, and its percent-encoding.
    #[error("`{0}` in the user or the password ends them there: write it percent-encoded, as {1}")]
    Unescaped(char, &'static str),
    /// A database number with a cluster, which has only one database.
    #[error("a Redis Cluster has no numbered databases: leave /NUMBER out")]
    Numbered,
    /// TLS without verification of the certificate.
    #[error(
        "TLS without certificate verification is not supported: remove #insecure and configure the server's CA"
    )]
    Insecure,
    /// A CA without TLS.
    #[error(
        "a CA is configured, but the URL does not use TLS: write rediss://, rediss+cluster:// or rediss+sentinel://"
    )]
    NoTls,
    /// A CA file without a certificate.
    #[error("the CA file contains no readable certificate: it must be in PEM format")]
    BadCa,
}

impl InvalidUrl {
    /// Returns the error of a URL with an unknown scheme.
    pub(super) fn unknown(url: &str) -> Self {
        let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
        if scheme.contains("sentinel") { Self::Sentinel } else { Self::Unknown }
    }
}

/// Returns the error of credentials that hold a character that ends them.
pub(super) fn unescaped(rest: &str) -> Option<InvalidUrl> {
    let (authority, after) = rest.split_at(rest.find(['/', '?', '#'])?);
    // The last `@` ends the password, unless it is in a value of the query.
    let path = after.split_once('?').map_or(after, |(path, _)| path);
    let first = after.split(['=', '&']).next().unwrap_or_default();
    let in_path = path.contains('@') || first.contains('@');
    if authority.contains('@') && in_path {
        return Some(InvalidUrl::Unescaped('@', "%40"));
    }
    if authority.contains('@') || !after.contains('@') || (!in_path && authority.split(',').all(is_host)) {
        return None;
    }
    match after.chars().next()? {
        '/' => Some(InvalidUrl::Unescaped('/', "%2F")),
        '?' => Some(InvalidUrl::Unescaped('?', "%3F")),
        _ => Some(InvalidUrl::Unescaped('#', "%23")),
    }
}

/// Returns whether the text is a host with a port or without one.
fn is_host(text: &str) -> bool {
    match text.rsplit_once(':') {
        Some((host, port)) => !host.is_empty() && (host.ends_with(']') || port.parse::<u16>().is_ok()),
        None => !text.is_empty(),
    }
}
