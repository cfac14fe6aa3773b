//! Errors of the server in which no value of a key is shown.

/// Returns a text in which a quoted text that may be the value of a key is not shown: in a file with a missing comma, a value
/// is where a scope or a kind belongs. Names of scopes and kinds are short, or have no digits.
pub(super) fn without_values(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.+/=…".contains(c);
    let may_be_value = |quoted: &str| {
        quoted.chars().count() >= 16
            && quoted.chars().all(is_plain)
            && quoted.contains(|c: char| c.is_ascii_digit())
    };
    let parts = text.split('"').enumerate().map(|(number, part)| {
        let is_quoted = number % 2 == 1;
        if is_quoted && may_be_value(part) { "not shown, because it may be a key" } else { part }
    });
    parts.collect::<Vec<_>>().join("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_shows_no_value_that_is_where_a_name_belongs() {
        for (text, shown) in [
            (
                "\"sk_live_canary123456789\" is not one of orders.read, orders.write",
                "\"not shown, because it may be a key\" is not one of orders.read, orders.write",
            ),
            (
                "does not have the format of the kind \"550e8400-e29b-41d4-a716-446655440000\"",
                "does not have the format of the kind \"not shown, because it may be a key\"",
            ),
        ] {
            assert_eq!(without_values(text), shown);
        }
        for text in [
            "\"orders.write\" is not one of orders.read",
            "\"payments.refunds.write\" is not one of payments.read",
            "those of the kind \"legacy\" match the pattern \"[A-Za-z0-9_-]{8,40}\" with 16 to 40 characters",
        ] {
            assert_eq!(without_values(text), text);
        }
    }
}
