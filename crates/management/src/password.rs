//! Hashing of passwords with argon2id, so that a stolen database does not reveal them cheaply, and the requirements
//! on new passwords. Hashing takes tens of milliseconds of CPU time: it must not run on threads that serve Check.

pub mod requirements;

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rand::Rng;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// Password as its owner sends it.
#[derive(Clone)]
pub struct PlainPassword(Zeroizing<String>);

impl PlainPassword {
    /// Takes ownership of a received password; its memory is cleared when it is dropped.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Returns the password in the form that is hashed, NFKC: keyboards and systems write one character in different
    /// ways, and full-width letters for letters (NIST SP 800-63B-4, section 3.1.1.2).
    pub(crate) fn normalized(&self) -> Self {
        // One allocation as a rule, so that no part of the password stays in freed memory.
        let mut text = Zeroizing::new(String::with_capacity(self.0.len() * 4));
        text.extend(self.0.nfkc());
        Self(text)
    }
}

impl fmt::Debug for PlainPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainPassword(redacted)")
    }
}

/// Password hash as it is stored: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}

/// Cost of new hashes: 19 MiB, two passes, one lane; the first choice of OWASP for argon2id.
const COST: Cost = Cost { memory: 19 * 1024, passes: 2, lanes: 1 };
const HASH_BYTES: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    memory: u32,
    passes: u32,
    lanes: u32,
}

/// Sixteen random bytes.
pub type Salt = [u8; 16];

/// Salt of 16 random bytes.
pub fn salt(random: &mut dyn Rng) -> Salt {
    let mut salt = [0; 16];
    random.fill_bytes(&mut salt);
    salt
}

/// Hashes the normalized form of a password; takes tens of milliseconds.
#[must_use]
pub fn hash(password: &PlainPassword, salt: &Salt) -> PasswordHash {
    let output = stretch(&password.normalized(), salt, COST).unwrap_or_default();
    let Cost { memory, passes, lanes } = COST;
    let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
    PasswordHash(format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${output}"))
}

/// Result of the comparison of a password with a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// True if the password is the one that was hashed.
    pub correct: bool,
    /// True if the hash is not that of the normalized form at the present cost, and should be replaced.
    pub outdated: bool,
}

/// Compares a password with a hash: its normalized form, and as it was sent if that differs, since earlier hashes are
/// of that. Without a hash the result is false after the same amount of work, so that the response time does not reveal
/// if a user exists.
#[must_use]
pub fn verify(password: &PlainPassword, kept: Option<&PasswordHash>) -> Comparison {
    let read = kept.and_then(parse);
    let usable = read.is_some();
    let (cost, salt, expected) = read.unwrap_or((COST, vec![0; 16], vec![0; HASH_BYTES]));
    let matches = |form: &PlainPassword| {
        let output = stretch(form, &salt, cost).unwrap_or_default();
        aws_lc_rs::constant_time::verify_slices_are_equal(&output, &expected).is_ok() && !output.is_empty()
    };
    let normalized = password.normalized();
    let of_normalized = matches(&normalized);
    let of_sent = normalized.text() != password.text() && matches(password);
    let correct = usable && (of_normalized || of_sent);
    Comparison { correct, outdated: correct && (!of_normalized || cost != COST) }
}

fn stretch(password: &PlainPassword, salt: &[u8], cost: Cost) -> Option<Vec<u8>> {
    #[cfg(test)]
    tests::STRETCHED.with_borrow_mut(|all| all.push(cost));
    let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(HASH_BYTES)).ok()?;
    let mut output = vec![0; HASH_BYTES];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(password.text().as_bytes(), salt, &mut output).ok()?;
    Some(output)
}

/// Returns cost, salt and hash, or `None` for a corrupt hash or one with a cost far above [`COST`].
fn parse(kept: &PasswordHash) -> Option<(Cost, Vec<u8>, Vec<u8>)> {
    let rest = kept.0.strip_prefix("$argon2id$v=19$")?;
    let mut parts = rest.split('$');
    let (cost, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let mut numbers = cost.split(',').zip(["m=", "t=", "p="]).map(|(n, name)| n.strip_prefix(name));
    let mut number = || numbers.next().flatten().and_then(|n| n.parse::<u32>().ok());
    let cost = Cost { memory: number()?, passes: number()?, lanes: number()? };
    let bounded = cost.memory <= 256 * 1024 && cost.passes <= 16 && cost.lanes <= 16;
    let (salt, hash) = (STANDARD_NO_PAD.decode(salt).ok()?, STANDARD_NO_PAD.decode(hash).ok()?);
    (bounded && parts.next().is_none() && hash.len() == HASH_BYTES).then_some((cost, salt, hash))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn plain(text: &str) -> PlainPassword {
        PlainPassword::new(text.to_owned())
    }

    fn correct(password: &str, kept: Option<&PasswordHash>) -> bool {
        verify(&plain(password), kept).correct
    }

    #[test]
    fn the_right_password_verifies_and_no_other() {
        let kept = hash(&plain("correct horse battery"), &[7; 16]);
        assert!(kept.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let right = verify(&plain("correct horse battery"), Some(&kept));
        assert_eq!(right, Comparison { correct: true, outdated: false });
        assert!(!correct("correct horse batterY", Some(&kept)));
        assert!(!correct("correct horse battery", None));
    }

    /// Ways to write one password: composed and decomposed, with full-width letters, ligatures and other spaces.
    const SPELLINGS: [[&str; 3]; 3] = [
        [
            "gr\u{fc}ne \u{e9}toile 1815",
            "gru\u{308}ne e\u{301}toile 1815",
            "gr\u{fc}ne e\u{301}toile\u{a0}1815",
        ],
        ["the sea at night", "\u{ff54}\u{ff48}\u{ff45} sea at night", "the sea\u{3000}at night"],
        [
            "\u{ac00}\u{b098}\u{b2e4} office",
            "\u{1100}\u{1161}\u{b098}\u{b2e4} office",
            "\u{ac00}\u{b098}\u{b2e4} o\u{fb03}ce",
        ],
    ];

    #[test]
    fn a_password_is_the_same_however_a_keyboard_writes_it() {
        for spellings in SPELLINGS {
            for set in spellings {
                let kept = hash(&plain(set), &[7; 16]);
                for sent in spellings {
                    let compared = verify(&plain(sent), Some(&kept));
                    assert_eq!(compared, Comparison { correct: true, outdated: false }, "{set} {sent}");
                }
            }
        }
        let kept = hash(&plain(SPELLINGS[0][0]), &[7; 16]);
        assert!(!correct("grune etoile 1815", Some(&kept)), "accents count");
    }

    /// Hash of a password as it was sent, as versions before the normalization stored it.
    fn hash_as_sent(password: &str) -> PasswordHash {
        let output = stretch(&plain(password), &[7; 16], COST).unwrap();
        let (salt, output) = (STANDARD_NO_PAD.encode([7; 16]), STANDARD_NO_PAD.encode(output));
        PasswordHash(format!("$argon2id$v=19$m={},t={},p=1${salt}${output}", COST.memory, COST.passes))
    }

    #[test]
    fn an_earlier_hash_verifies_the_password_as_it_was_set_and_is_outdated() {
        let [composed, decomposed, _] = SPELLINGS[0];
        let kept = hash_as_sent(decomposed);
        assert_eq!(verify(&plain(decomposed), Some(&kept)), Comparison { correct: true, outdated: true });
        assert!(!correct(composed, Some(&kept)));
        let kept = hash_as_sent(composed);
        assert_eq!(verify(&plain(composed), Some(&kept)), Comparison { correct: true, outdated: false });
        assert!(correct(decomposed, Some(&kept)), "its normalized form was set");
    }

    thread_local! {
        /// Costs of the hashes that were computed on this thread.
        pub(super) static STRETCHED: RefCell<Vec<Cost>> = const { RefCell::new(Vec::new()) };
    }

    /// Time can't be asserted. The work can: the same number of computations of one cost in every case.
    #[test]
    fn an_unknown_user_costs_what_a_known_one_costs() {
        let kept = hash(&plain("correct horse battery"), &[7; 16]);
        let corrupt = PasswordHash("corrupt".to_owned());
        let cost = |password: &str, kept: Option<&PasswordHash>| {
            STRETCHED.take();
            let _ = verify(&plain(password), kept);
            STRETCHED.take()
        };
        for (password, forms) in [("correct horse battery", 1), ("wrong", 1), ("", 1), ("e\u{301}", 2)] {
            for kept in [Some(&kept), Some(&corrupt), None] {
                assert_eq!(cost(password, kept), vec![COST; forms], "{password:?}, {kept:?}");
            }
        }
    }

    #[test]
    fn a_corrupt_hash_verifies_nothing() {
        for corrupt in ["", "$argon2id$v=19$m=4294967295,t=2,p=1$AAAA$AAAA", "$2b$12$x", "$argon2id$v=19$$$"]
        {
            let corrupt = PasswordHash(corrupt.to_owned());
            assert!(!correct("", Some(&corrupt)));
        }
    }
}
