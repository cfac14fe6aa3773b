//! Characters in a PostgreSQL URL that end its parts early, named so that they can be written percent-encoded.

use percent_encoding::percent_decode_str;

/// Returns the error of a PostgreSQL URL whose user or password holds a character that ends them. The error names the
/// character and not the password.
pub(super) fn unescaped(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let escape = |character: char, code: &str| {
        Some(format!(
            "`{character}` in the user, the password or the name of the database ends it there: write it percent-encoded, \
             as {code}"
        ))
    };
    if rest.contains('#') {
        return escape('#', "%23");
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(end);
    // The last `@` ends the password, unless it is in a value of the query.
    let path = after.split_once('?').map_or(after, |(path, _)| path);
    let first = after.split(['=', '&']).next().unwrap_or_default();
    let in_path = path.contains('@') || first.contains('@');
    let ends = authority.matches('@').count();
    if ends > 1 || (ends == 1 && in_path) {
        return escape('@', "%40");
    }
    if authority.rsplit_once('@').is_some_and(|(user, _)| percent_decode_str(user).decode_utf8().is_err()) {
        let text = "`%` with two hexadecimal digits is a byte, and the user or the password is no UTF-8 with it: write a `%` \
                    itself as %25";
        return Some(text.to_owned());
    }
    let ends_early = ends == 0 && after.contains('@') && (in_path || !is_host(authority));
    match after.chars().next() {
        Some('/') if ends_early => escape('/', "%2F"),
        Some('?') if ends_early => escape('?', "%3F"),
        _ => None,
    }
}

/// Returns whether an authority without a user is a list of hosts, each with a port or without one.
fn is_host(authority: &str) -> bool {
    authority.split(',').all(|host| match host.rsplit_once(':') {
        Some((_, port)) => host.ends_with(']') || port.parse::<u16>().is_ok(),
        None => true,
    })
}

#[cfg(test)]
mod tests {
    use crate::DatabaseUrl;

    #[test]
    fn a_character_that_ends_the_password_is_named_and_the_password_is_not() {
        for (url, character, code) in [
            ("postgres://ada:can@ary@db/latchkey", "`@`", "%40"),
            ("postgres://ada:can/ary@db/latchkey", "`/`", "%2F"),
            ("postgres://ada:12/ary@db/latchkey", "`/`", "%2F"),
            ("postgres://ada:can@a/ary@db/latchkey", "`@`", "%40"),
            ("postgres://ada:can@a?ary@db/latchkey", "`@`", "%40"),
            ("postgres://ada:canary%ff@db/latchkey", "`%`", "%25"),
            ("postgres://ada:can#ary@db:5432/latchkey", "`#`", "%23"),
            ("postgres://ada:can?ary@db/latchkey", "`?`", "%3F"),
            ("postgres://ada:12?ary@db/latchkey?sslmode=require", "`?`", "%3F"),
        ] {
            let error = DatabaseUrl::parse(url).unwrap_err();
            assert!(error.contains(character) && error.contains(code), "{url}: {error}");
            assert!(!error.contains("ary") && !error.contains("ada"), "{error}");
        }
        for url in [
            "postgres://ada:50%off%@db/latchkey",
            "postgres://ada:can%40%2F%23%3F%25%C3%A9ary@db/latchkey",
            "postgres://db:5432/latchkey?user=ada@corp",
            "postgres://[::1]:5432/latchkey?user=ada@corp",
            "postgres:///latchkey?host=/run/postgresql&user=ada@corp",
        ] {
            assert!(DatabaseUrl::parse(url).is_ok(), "{url}");
        }
    }
}
