//! Values that begin with a hyphen and a digit, such as `-1s`. The parser would take them for flags, although no flag
//! begins with a digit. They are joined to the flag before them, so that they are refused as invalid values.

use std::ffi::OsString;

/// Returns the command line with each such value joined to its flag: `--flag -1s` becomes `--flag=-1s`.
pub(super) fn joined(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut all: Vec<OsString> = Vec::new();
    for word in words {
        match all.last_mut().filter(|last| is_flag(last) && is_negative(&word)) {
            Some(flag) => {
                flag.push("=");
                flag.push(word);
            }
            None => all.push(word),
        }
    }
    all
}

fn is_flag(word: &OsString) -> bool {
    word.to_str().is_some_and(|word| word.len() > 2 && word.starts_with("--") && !word.contains('='))
}

fn is_negative(word: &OsString) -> bool {
    let digit = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    word.to_str().and_then(|word| word.strip_prefix('-')).is_some_and(digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_value_belongs_to_its_flag() {
        let of = |line: &str| {
            let words = joined(line.split(' ').map(OsString::from));
            words.iter().map(|word| word.to_str().unwrap().to_owned()).collect::<Vec<_>>().join("|")
        };
        assert_eq!(of("x serve --poll-interval -1s --insecure"), "x|serve|--poll-interval=-1s|--insecure");
        assert_eq!(of("x a -f - -- -1"), "x|a|-f|-|--|-1");
        assert_eq!(of("x --a=b -1"), "x|--a=b|-1");
        assert_eq!(of("x --ttl -h"), "x|--ttl|-h");
    }
}
