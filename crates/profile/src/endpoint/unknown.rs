//! Sentences about parts of a call that its endpoint does not declare, such as a misspelt field of the body.

use latchkey_core::choices::distance;
use latchkey_core::excerpt::Quoted;

/// Most unknown names that an error lists.
const MOST_UNKNOWN: usize = 5;

/// Returns a sentence for each unknown name, with the nearest known one or with all of them. `what` is the part of the call
/// that has the name (`field`).
pub(super) fn sentences(what: &str, unknown: &[&str], known: &[&str]) -> Vec<String> {
    let mut problems: Vec<String> = Vec::new();
    for name in unknown.iter().take(MOST_UNKNOWN) {
        let hint = match known.iter().find(|near| is_near(near, name)) {
            Some(nearest) => format!("did you mean {nearest:?}?"),
            None if known.is_empty() => "it has none.".to_owned(),
            None => format!("the {what}s are {}.", known.join(", ")),
        };
        problems.push(format!("{} is not a {what} of this call; {hint}", Quoted(name)));
    }
    if unknown.len() > MOST_UNKNOWN {
        problems.push(format!("{} more {what}s are unknown.", unknown.len() - MOST_UNKNOWN));
    }
    problems
}

/// Returns whether two names differ by a mistake in typing: in case or punctuation alone, or in one or two characters.
fn is_near(name: &str, other: &str) -> bool {
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_lowercase).take(64).collect()
    };
    let (one, two) = (plain(name), plain(other));
    if one.len().abs_diff(two.len()) > 2 {
        return false;
    }
    distance(&one, &two) <= 2.min(one.len().saturating_sub(1))
}
