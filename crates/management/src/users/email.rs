//! Form of an e-mail address in which a user is stored and found.

use latchkey_core::user::canonical_email;
use unicode_normalization::UnicodeNormalization as _;

/// Most bytes of an address in any form.
const MAX_SENT_BYTES: usize = 1024;

/// Returns the form in which a user is stored: in lower case and in NFC (RFC 6532, section 3.1), so that composed and
/// decomposed letters are the same. Returns `None` if the text is not an address.
pub(crate) fn stored_form(text: &str) -> Option<String> {
    let text = text.trim();
    // The longest address has 254 bytes. A text of megabytes takes a long time to compose.
    if text.len() > MAX_SENT_BYTES {
        return None;
    }
    let lower = canonical_email(&text.nfc().collect::<String>())?;
    Some(lower.nfc().collect())
}

/// Returns the forms in which a user with this address can be stored, the likeliest first: the letters as they were sent,
/// as earlier versions stored them, the present form, and decomposed letters, which some systems sent to earlier versions.
/// Most addresses have one form. Returns none if the text is not an address.
pub(crate) fn known_forms(text: &str) -> Vec<String> {
    let decomposed = canonical_email(text).map(|lower| lower.nfd().collect());
    let mut forms: Vec<String> = Vec::new();
    for form in [canonical_email(text), stored_form(text), decomposed].into_iter().flatten() {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_and_decomposed_letters_are_one_address() {
        let (composed, decomposed) = ("jos\u{e9}@example.com", "Jose\u{301}@Example.com");
        assert_eq!(stored_form(composed).as_deref(), Some(composed));
        assert_eq!(stored_form(decomposed).as_deref(), Some(composed));
        let lower = "jose\u{301}@example.com";
        assert_eq!(known_forms(composed), [composed, lower]);
        assert_eq!(known_forms(decomposed), [lower, composed]);
        assert_eq!(known_forms(" Ada@Example.com "), ["ada@example.com"]);
        assert_eq!((stored_form("jose"), known_forms("jose")), (None, Vec::new()));
        assert_ne!(stored_form("jose@example.com"), stored_form(composed), "accents count");
    }
}
