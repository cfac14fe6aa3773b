//! Patterns of paths as Envoy's configuration and a test of it need them.

/// Returns the literal texts before and after the parameter of a segment of a pattern, if it has one.
fn around_parameter(part: &str) -> Option<(&str, &str)> {
    let (prefix, rest) = part.split_once('{')?;
    let (_, suffix) = rest.split_once('}')?;
    Some((prefix, suffix))
}

/// Returns a pattern with other texts in place of its parameters and of the rest of the path.
pub(super) fn replace_placeholders(pattern: &str, value: &str, rest: &str) -> String {
    let replaced = pattern.split('/').map(|part| match around_parameter(part) {
        _ if part == "**" => rest.to_owned(),
        Some((prefix, suffix)) => format!("{prefix}{value}{suffix}"),
        None => part.to_owned(),
    });
    replaced.collect::<Vec<_>>().join("/")
}

/// Returns a regular expression of the paths that match a pattern, with or without a slash at the end.
pub(super) fn regex(pattern: &str) -> String {
    let parts = pattern.split('/').map(|part| match around_parameter(part) {
        _ if part == "**" => ".*".to_owned(),
        Some((prefix, suffix)) => format!("{}[^/]+{}", escape(prefix), escape(suffix)),
        None => escape(part),
    });
    let whole = parts.collect::<Vec<_>>().join("/");
    if whole.ends_with('*') { whole } else { format!("{}/?", whole.trim_end_matches('/')) }
}

fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, letter| {
        if !letter.is_ascii_alphanumeric() && letter != '/' && letter != '_' {
            out.push('\\');
        }
        out.push(letter);
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_a_regular_expression_and_a_sample() {
        for (pattern, expression, sample) in [
            ("/v1.0/keys", r"/v1\.0/keys/?", "/v1.0/keys"),
            ("/shops/{shop}/keys", "/shops/[^/]+/keys/?", "/shops/x/keys"),
            ("/keys/{id}.json", r"/keys/[^/]+\.json/?", "/keys/x.json"),
            ("/keys/{id}:revoke", r"/keys/[^/]+\:revoke/?", "/keys/x:revoke"),
            ("/files/v{version}/**", "/files/v[^/]+/.*", "/files/vx/x"),
            ("/", "/?", "/"),
        ] {
            let found = (regex(pattern), replace_placeholders(pattern, "x", "x"));
            assert_eq!(found, (expression.to_owned(), sample.to_owned()));
        }
    }
}
