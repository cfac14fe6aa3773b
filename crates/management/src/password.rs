//! Passwords: how they are kept (argon2id, so that a stolen database gives none away cheaply), and which are
//! taken at all. Hashing takes tens of milliseconds of a core: it is never done where calls are judged.

pub mod requirements;

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rand::Rng;
use zeroize::Zeroizing;

/// A password as its owner sends it.
#[derive(Clone)]
pub struct PlainPassword(Zeroizing<String>);

impl PlainPassword {
    /// Takes over what was just received.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PlainPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainPassword(redacted)")
    }
}

/// A password as it is kept: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}

/// 19 MiB, two passes, one lane: OWASP's first choice for argon2id.
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

/// A fresh salt.
pub fn salt(random: &mut dyn Rng) -> Salt {
    let mut salt = [0; 16];
    random.fill_bytes(&mut salt);
    salt
}

/// Hashes a password. Takes its time.
#[must_use]
pub fn hash(password: &PlainPassword, salt: &Salt) -> PasswordHash {
    let output = stretch(password, salt, COST).unwrap_or_default();
    let Cost { memory, passes, lanes } = COST;
    let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
    PasswordHash(format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${output}"))
}

/// Whether a password is the one that was hashed; without a hash it never is, after the same time, so that
/// nobody learns by waiting whether there is such a user.
#[must_use]
pub fn verify(password: &PlainPassword, kept: Option<&PasswordHash>) -> bool {
    let read = kept.and_then(parse);
    let (cost, salt, expected) = read.unwrap_or((COST, vec![0; 16], vec![0; HASH_BYTES]));
    let output = stretch(password, &salt, cost).unwrap_or_default();
    let same = aws_lc_rs::constant_time::verify_slices_are_equal(&output, &expected).is_ok();
    same && kept.is_some_and(|hash| parse(hash).is_some()) && !output.is_empty()
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

/// Cost, salt and hash; nothing where a row was spoiled, or asks for more work than we ever did.
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

    #[test]
    fn the_right_password_verifies_and_no_other() {
        let kept = hash(&plain("correct horse battery"), &[7; 16]);
        assert!(kept.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify(&plain("correct horse battery"), Some(&kept)));
        assert!(!verify(&plain("correct horse batterY"), Some(&kept)));
        assert!(!verify(&plain("correct horse battery"), None));
    }

    thread_local! {
        /// What was worked out on this thread.
        pub(super) static STRETCHED: RefCell<Vec<Cost>> = const { RefCell::new(Vec::new()) };
    }

    /// Time can't be asserted; what takes it can: one computation of one cost, whoever asks.
    #[test]
    fn an_unknown_user_costs_what_a_known_one_costs() {
        let kept = hash(&plain("correct horse battery"), &[7; 16]);
        let spoiled = PasswordHash("spoiled".to_owned());
        let cost = |password: &str, kept: Option<&PasswordHash>| {
            STRETCHED.take();
            let _ = verify(&plain(password), kept);
            STRETCHED.take()
        };
        for password in ["correct horse battery", "wrong", ""] {
            for kept in [Some(&kept), Some(&spoiled), None] {
                assert_eq!(cost(password, kept), [COST], "{password:?}, {kept:?}");
            }
        }
    }

    #[test]
    fn a_spoiled_hash_verifies_nothing() {
        for spoiled in ["", "$argon2id$v=19$m=4294967295,t=2,p=1$AAAA$AAAA", "$2b$12$x", "$argon2id$v=19$$$"]
        {
            let spoiled = PasswordHash(spoiled.to_owned());
            assert!(!verify(&plain(""), Some(&spoiled)));
        }
    }
}
