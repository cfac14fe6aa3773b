//! Errors of PgBouncer itself, which have one code. Its messages are not translated.

/// Words of its messages, each with what an operator can do.
const REMEDIES: [(&str, &str); 6] = [
    (
        "statement pooling mode",
        "set PgBouncer's pool_mode to session, or to transaction with database_pooler = \"transaction\"",
    ),
    (
        "authentication failed",
        "correct the user and password in database_url, or PgBouncer's auth_file or auth_query",
    ),
    ("no such user", "correct the user in database_url, or add it to PgBouncer's auth_file"),
    (
        "no such database",
        "correct the database's name in database_url, or add it to PgBouncer's section [databases]",
    ),
    ("query_wait_timeout", "raise PgBouncer's default_pool_size, or lower database_connections"),
    ("max_client_conn", "raise PgBouncer's max_client_conn, or lower database_connections"),
];

/// Returns what an operator can do about an error with the code 08P01.
pub(super) fn remedy(message: &str) -> Option<&'static str> {
    REMEDIES.into_iter().find(|(words, _)| message.contains(words)).map(|(_, remedy)| remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_refusals_name_what_to_correct() {
        for (message, named) in [
            ("password authentication failed", "auth_file"),
            ("no such database: keys", "[databases]"),
            ("query_wait_timeout", "default_pool_size"),
            ("no more connections allowed (max_client_conn)", "raise PgBouncer's max_client_conn"),
        ] {
            assert!(remedy(message).is_some_and(|text| text.contains(named)), "{message}");
        }
        assert_eq!(remedy("invalid server"), None);
    }
}
