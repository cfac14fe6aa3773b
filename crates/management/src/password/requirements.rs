//! Requirements on passwords by NIST SP 800-63B-4 (section 3.1.1.2): a minimum length, not a common password, and not
//! derived from the user's address. There are no rules about digits and special characters: they make passwords
//! worse.

use latchkey_core::policy::LEAST_PASSWORD_LENGTH;
use passwords::analyzer::is_common_password;
use unicode_normalization::UnicodeNormalization as _;

use super::PlainPassword;

/// Greatest accepted length, in code points of the normalized password.
pub const MAX_LENGTH: usize = 256;

/// Greatest length of a password as it was sent, in bytes. The same bound is that of a login.
pub const MAX_BYTES: usize = 4096;

/// Reason why a password is rejected; the text is for the person who chose it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer characters than required.
    #[error("must have at least {0} characters")]
    TooShort(usize),
    /// More characters than allowed.
    #[error("must have at most {0} characters")]
    TooLong(usize),
    /// A common or repetitive password.
    #[error("is too easy to guess: it is common or repetitive")]
    Common,
    /// A password derived from the user's own address.
    #[error("must not be derived from the e-mail address")]
    Personal,
}

/// Checks a password that the user of an e-mail address chooses, in its normalized form. `least` is the minimum length in
/// code points; values below [`LEAST_PASSWORD_LENGTH`] count as that. A character that becomes many by normalization, also in
/// the form NFC, counts as one for the minimum, since a guess of it is one guess.
pub fn check(password: &PlainPassword, least: usize, email: &str) -> Result<(), WeakPassword> {
    if password.text().len() > MAX_BYTES {
        return Err(WeakPassword::TooLong(MAX_LENGTH));
    }
    let normalized = password.normalized();
    let text = normalized.text();
    let length = text.chars().count();
    let least = least.max(LEAST_PASSWORD_LENGTH);
    let source = password.text();
    let chosen = source.nfc().count().min(source.chars().count()).min(length);
    if chosen < least {
        return Err(WeakPassword::TooShort(least));
    }
    if length > MAX_LENGTH {
        return Err(WeakPassword::TooLong(MAX_LENGTH));
    }
    let folded = text.to_lowercase();
    if is_common(text) || is_common(&folded) || is_common(source) {
        return Err(WeakPassword::Common);
    }
    let local = email.split('@').next().unwrap_or_default();
    let rest = folded.replace(email, "").replace(local, "");
    if !local.is_empty() && rest.chars().count() < LEAST_PASSWORD_LENGTH.min(length / 2) {
        return Err(WeakPassword::Personal);
    }
    Ok(())
}

/// Returns true for a listed password, a repetition of a listed password or of at most four characters, or a run of
/// adjacent characters.
fn is_common(text: &str) -> bool {
    let unit = unit(text);
    is_common_password(text) || is_common_password(unit) || unit.chars().count() <= 4 || is_run(text)
}

/// Returns the shortest prefix of which the whole text is a repetition; the whole text if there is none.
fn unit(text: &str) -> &str {
    let ends = text.char_indices().map(|(at, _)| at).skip(1);
    let repeats = |end: &usize| {
        let (unit, rest) = text.split_at(*end);
        text.len().is_multiple_of(*end) && rest.as_bytes().chunks(*end).all(|part| part == unit.as_bytes())
    };
    ends.take_while(|end| *end <= text.len() / 2).find(repeats).map_or(text, |end| &text[..end])
}

/// Returns true if each character is adjacent to the one before: `abcdefghijklmnop`, `9876543210`.
fn is_run(text: &str) -> bool {
    let steps = || {
        text.chars().zip(text.chars().skip(1)).map(|(a, b)| i64::from(u32::from(b)) - i64::from(u32::from(a)))
    };
    steps().all(|s| s == 1) || steps().all(|s| s == -1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str, least: usize) -> Result<(), WeakPassword> {
        check(&PlainPassword::new(text.to_owned()), least, "ada.lovelace@example.dev")
    }

    #[test]
    fn length_counts_characters_and_eight_is_the_floor() {
        assert_eq!(checked("fourteen chars", 15), Err(WeakPassword::TooShort(15)));
        assert_eq!(checked("fifteen chars!!", 15), Ok(()));
        assert_eq!(checked("gr\u{fc}n-\u{e4}", 1), Err(WeakPassword::TooShort(8)));
        assert_eq!(checked("q8#kLw2z", 1), Ok(()));
        assert_eq!(checked(&"a1b2".repeat(65), 15), Err(WeakPassword::TooLong(256)));
    }

    #[test]
    fn length_counts_what_was_chosen_and_is_left_after_normalization() {
        // Each letter and its accent are one code point.
        assert_eq!(checked(&"e\u{301}".repeat(14), 15), Err(WeakPassword::TooShort(15)));
        assert_eq!(checked(&"qu\u{308}x\u{301}".repeat(60), 15), Err(WeakPassword::Common), "a repetition");
        // One character can become many, and is one choice all the same.
        assert_eq!(checked("\u{fdfa}", 15), Err(WeakPassword::TooShort(15)));
        assert_eq!(checked("\u{fdfa}1815", 15), Err(WeakPassword::TooShort(15)));
        assert_eq!(
            checked(&format!("\u{fdfa}{}", "e\u{301}".repeat(12)), 15),
            Err(WeakPassword::TooShort(15))
        );
        // Notes of music, each of which is two or three code points in every form.
        let notes = "\u{1d15e}\u{1d15f}\u{1d160}\u{1d161}\u{1d162}\u{1d163}\u{1d164}";
        assert_eq!(checked(notes, 15), Err(WeakPassword::TooShort(15)));
        assert_eq!(
            checked(&"\u{fdfa}".repeat(9), 8),
            Err(WeakPassword::Common),
            "a repetition of one character"
        );
        assert_eq!(checked("\u{fdfa} the sea, 1815", 15), Ok(()));
        assert_eq!(checked(&"\u{fdfa}1".repeat(20), 15), Err(WeakPassword::TooLong(256)));
        assert_eq!(checked("\u{1f512}\u{1f511}sea night", 8), Ok(()), "one code point each");
    }

    #[test]
    fn a_common_password_is_common_in_full_width_letters_too() {
        let wide: String =
            "passwordpassword".chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap()).collect();
        assert_eq!(checked(&wide, 8), Err(WeakPassword::Common));
    }

    #[test]
    fn a_password_that_attackers_try_first_is_refused() {
        for common in ["password", "Password", "passwordpassword", "aaaaaaaaaaaaaaaa", "abababababababab"] {
            assert_eq!(checked(common, 8), Err(WeakPassword::Common), "{common}");
        }
        assert_eq!(checked("abcdefghijklmnopq", 8), Err(WeakPassword::Common));
        assert_eq!(checked("ada.lovelace@example.dev", 8), Err(WeakPassword::Personal));
        assert_eq!(checked("ada.lovelace1815", 8), Err(WeakPassword::Personal));
        assert_eq!(checked("the sea at night, 1815", 8), Ok(()));
    }
}
