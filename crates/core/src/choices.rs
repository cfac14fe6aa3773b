//! Error messages for an unknown name: the name, the most similar known name, and all known names.

use crate::excerpt::Quoted;

/// Most names that an error lists.
const MOST: usize = 20;

/// Returns the description of a name that is not one of `known`: the known names, and the one that is
/// probably meant.
///
/// ```
/// use latchkey_core::choices::not_one_of;
///
/// assert_eq!(not_one_of("starer", ["pro", "starter"]), r#""starer" is not one of pro, starter; did you mean starter?"#);
/// assert_eq!(not_one_of("pro", []), r#""pro" cannot be named here, because there are none"#);
/// ```
#[must_use]
pub fn not_one_of<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if known.is_empty() {
        return format!("{} cannot be named here, because there are none", Quoted(name));
    }
    format!("{} is not one of {}{}", Quoted(name), listed(&known), hint(name, &known))
}

/// Returns the end of a message about an unknown name: the known name that is probably meant; empty if none is near.
///
/// ```
/// use latchkey_core::choices::hint;
///
/// assert_eq!(hint("starer", &["pro", "starter"]), "; did you mean starter?");
/// assert_eq!(hint("gold", &["pro", "starter"]), "");
/// ```
#[must_use]
pub fn hint(name: &str, known: &[&str]) -> String {
    nearest(name, known).map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}

/// Returns names with commas; of many names the first ones and the number of the others.
#[must_use]
pub fn listed(names: &[&str]) -> String {
    match names.len() {
        0 => "none".to_owned(),
        count if count > MOST => format!("{} and {} others", names[..MOST].join(", "), count - MOST),
        _ => names.join(", "),
    }
}

/// Returns the name that differs from a misspelt one by letter case, punctuation, or at most two characters.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let name = plain(name);
    let far = |other: &str| distance(&name, &plain(other));
    let near = known.iter().map(|other| (far(other), *other)).min()?;
    (near.0 <= 2.min(name.len().saturating_sub(1))).then_some(near.1)
}

/// Returns the known name of which another name is a misspelling: it has other letter cases or punctuation, one character
/// too many, too few or another one, or two neighbours swapped. Names of up to three characters must have the same
/// characters.
///
/// ```
/// use latchkey_core::choices::misspelt;
///
/// assert_eq!(misspelt("shpo", &["shop", "merchant"]), Some("shop"));
/// assert_eq!(misspelt("step", &["shop", "merchant"]), None);
/// ```
#[must_use]
pub fn misspelt<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let name = plain(name);
    let is_swapped = |other: &[char], one: &[char]| {
        let differ: Vec<usize> = (0..one.len()).filter(|at| one[*at] != other[*at]).collect();
        matches!(differ[..], [a, b] if b == a + 1 && one[a] == other[b] && one[b] == other[a])
    };
    let is_near = |other: &str| {
        let (one, two): (Vec<char>, Vec<char>) = (name.chars().collect(), other.chars().collect());
        name == other
            || (one.len().min(two.len()) > 3 && distance(&name, other) == 1)
            || (one.len() == two.len() && is_swapped(&two, &one))
    };
    known.iter().copied().find(|other| is_near(&plain(other)))
}

/// Returns the letters and digits of a name in lower case, as far as they are compared.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(64).collect()
}

/// Returns the number of characters to insert, delete or replace (Levenshtein).
#[must_use]
pub fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (number, left) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = number + 1;
        for (column, right) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_named_with_the_nearest_one() {
        let hint = |name: &str| not_one_of(name, ["orders.read", "orders.write", "api_keys.manage"]);
        for name in ["orders.raed", "Orders.Read", "orders_read", "ordrs.read"] {
            assert!(hint(name).ends_with("did you mean orders.read?"), "{}", hint(name));
        }
        assert_eq!(hint("x"), r#""x" is not one of orders.read, orders.write, api_keys.manage"#);
    }

    #[test]
    fn many_names_are_counted() {
        let names: Vec<String> = (0..25).map(|n| format!("scope{n}")).collect();
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(listed(&known).ends_with("scope19 and 5 others"), "{}", listed(&known));
        assert_eq!(listed(&[]), "none");
    }
}
