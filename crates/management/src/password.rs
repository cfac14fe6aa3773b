//! Hashing of passwords with argon2id, so that a stolen database does not reveal them cheaply, and the requirements
//! on new passwords. Hashing takes tens of milliseconds of CPU time: it must not run on threads that serve Check.

pub mod requirements;

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rand::Rng;
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

/// Hashes a password; takes tens of milliseconds.
#[must_use]
pub fn hash(password: &PlainPassword, salt: &Salt) -> PasswordHash {
    let output = stretch(password, salt, COST).unwrap_or_default();
    let Cost { memory, passes, lanes } = COST;
    let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
    PasswordHash(format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${output}"))
}

/// Returns true if the password is the one that was hashed. Without a hash the result is false after the same amount
/// of work, so that the response time does not reveal if a user exists.
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

    #[test]
    fn the_right_password_verifies_and_no_other() {
        let kept = hash(&plain("correct horse battery"), &[7; 16]);
        assert!(kept.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify(&plain("correct horse battery"), Some(&kept)));
        assert!(!verify(&plain("correct horse batterY"), Some(&kept)));
        assert!(!verify(&plain("correct horse battery"), None));
    }

    thread_local! {
        /// Costs of the hashes that were computed on this thread.
        pub(super) static STRETCHED: RefCell<Vec<Cost>> = const { RefCell::new(Vec::new()) };
    }

    /// Time can't be asserted. The work can: exactly one computation of one cost in every case.
    #[test]
    fn an_unknown_user_costs_what_a_known_one_costs() {
        let kept = hash(&plain("correct horse battery"), &[7; 16]);
        let corrupt = PasswordHash("corrupt".to_owned());
        let cost = |password: &str, kept: Option<&PasswordHash>| {
            STRETCHED.take();
            let _ = verify(&plain(password), kept);
            STRETCHED.take()
        };
        for password in ["correct horse battery", "wrong", ""] {
            for kept in [Some(&kept), Some(&corrupt), None] {
                assert_eq!(cost(password, kept), [COST], "{password:?}, {kept:?}");
            }
        }
    }

    #[test]
    fn a_corrupt_hash_verifies_nothing() {
        for corrupt in ["", "$argon2id$v=19$m=4294967295,t=2,p=1$AAAA$AAAA", "$2b$12$x", "$argon2id$v=19$$$"]
        {
            let corrupt = PasswordHash(corrupt.to_owned());
            assert!(!verify(&plain(""), Some(&corrupt)));
        }
    }
}
