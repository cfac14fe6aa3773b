//! Which passwords are taken, by NIST SP 800-63B-4 (section 3.1.1.2): long enough, not among the common ones,
//! and nothing that says whose it is. No rules about digits and signs: they make passwords worse.

use latchkey_core::policy::LEAST_PASSWORD_LENGTH;
use passwords::analyzer::is_common_password;

use super::PlainPassword;

/// The greatest length that is taken.
pub const MAX_LENGTH: usize = 256;

/// Why a password is not taken; words for the person who chose it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer characters than this.
    #[error("must have at least {0} characters")]
    TooShort(usize),
    /// More characters than this.
    #[error("must have at most {0} characters")]
    TooLong(usize),
    /// One of those that are tried first.
    #[error("is one of the passwords that are tried first: it is common, or repeats itself")]
    Common,
    /// It is made of the user's own address.
    #[error("must not be made of the e-mail address")]
    Personal,
}

/// Whether a password may be chosen by the user of an address.
pub fn check(password: &PlainPassword, least: usize, email: &str) -> Result<(), WeakPassword> {
    let text = password.text();
    let length = text.chars().count();
    let least = least.max(LEAST_PASSWORD_LENGTH);
    if length < least {
        return Err(WeakPassword::TooShort(least));
    }
    if length > MAX_LENGTH {
        return Err(WeakPassword::TooLong(MAX_LENGTH));
    }
    let folded = text.to_lowercase();
    if is_common(text) || is_common(&folded) {
        return Err(WeakPassword::Common);
    }
    let local = email.split('@').next().unwrap_or_default();
    let rest = folded.replace(email, "").replace(local, "");
    if !local.is_empty() && rest.chars().count() < LEAST_PASSWORD_LENGTH.min(length / 2) {
        return Err(WeakPassword::Personal);
    }
    Ok(())
}

/// On the list, a repetition of something on the list or of a few characters, or a run of neighbours.
fn is_common(text: &str) -> bool {
    let unit = unit(text);
    is_common_password(text) || is_common_password(unit) || unit.chars().count() <= 4 || is_run(text)
}

/// The shortest beginning that the whole is a repetition of; itself, where it repeats nothing.
fn unit(text: &str) -> &str {
    let ends = text.char_indices().map(|(at, _)| at).skip(1);
    let repeats = |end: &usize| {
        let (unit, rest) = text.split_at(*end);
        text.len().is_multiple_of(*end) && rest.as_bytes().chunks(*end).all(|part| part == unit.as_bytes())
    };
    ends.take_while(|end| *end <= text.len() / 2).find(repeats).map_or(text, |end| &text[..end])
}

/// `abcdefghijklmnop`, `9876543210…`: each character is the neighbour of the one before.
fn is_run(text: &str) -> bool {
    let steps = || {
        text.chars().zip(text.chars().skip(1)).map(|(a, b)| i64::from(u32::from(b)) - i64::from(u32::from(a)))
    };
    steps().all(|s| s == 1) || steps().all(|s| s == -1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str, least: usize) -> Result<(), WeakPassword> {
        check(&PlainPassword::new(text.to_owned()), least, "ada.lovelace@example.dev")
    }

    #[test]
    fn length_counts_characters_and_eight_is_the_floor() {
        assert_eq!(judged("fourteen chars", 15), Err(WeakPassword::TooShort(15)));
        assert_eq!(judged("fifteen chars!!", 15), Ok(()));
        assert_eq!(judged("gr\u{fc}n-\u{e4}", 1), Err(WeakPassword::TooShort(8)));
        assert_eq!(judged("q8#kLw2z", 1), Ok(()));
        assert_eq!(judged(&"a1b2".repeat(65), 15), Err(WeakPassword::TooLong(256)));
    }

    #[test]
    fn what_is_tried_first_is_refused() {
        for common in ["password", "Password", "passwordpassword", "aaaaaaaaaaaaaaaa", "abababababababab"] {
            assert_eq!(judged(common, 8), Err(WeakPassword::Common), "{common}");
        }
        assert_eq!(judged("abcdefghijklmnopq", 8), Err(WeakPassword::Common));
        assert_eq!(judged("ada.lovelace@example.dev", 8), Err(WeakPassword::Personal));
        assert_eq!(judged("ada.lovelace1815", 8), Err(WeakPassword::Personal));
        assert_eq!(judged("the sea at night, 1815", 8), Ok(()));
    }
}
