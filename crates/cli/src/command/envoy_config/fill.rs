//! Filling of the template with values.

/// Returns a text with values in place of its words. A word in a value, such as a text of the profile, stays as it is. No
/// word begins with another one.
pub(super) fn fill(text: &str, words: &[(&str, String)]) -> String {
    let mut filled = String::with_capacity(2 * text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        let found = words.iter().find(|(word, _)| after.starts_with(word));
        let (word, value) = found.map_or(("$", "$"), |(word, value)| (*word, value.as_str()));
        filled.extend([before, value]);
        rest = &after[word.len()..];
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_in_a_value_stays_as_it_is() {
        let words = [("$REPLIES", r#"["$BODY","$5"]"#.to_owned()), ("$BODY", "null".to_owned())];
        let filled = fill("replies: $REPLIES\nbody: $BODY # $x", &words);
        assert_eq!(filled, "replies: [\"$BODY\",\"$5\"]\nbody: null # $x");
    }
}
