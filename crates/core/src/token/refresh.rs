//! Refresh tokens: opaque, known by their hash alone, each good for one refresh. A family is everything that
//! came of one issue; it has an absolute end, and ends at once when an old token of it is used again.

use std::time::Duration;

use rand::Rng;

use super::claims::TokenSubject;
use crate::id::{FamilyId, TenantId};
use crate::key_kind::checksum;
use crate::mint::random_text;
use crate::seal::Sealed;
use crate::secret::{KeyHash, PlainKey};
use crate::time::Timestamp;

/// What every refresh token starts with.
pub const PREFIX: &str = "lkr_";
/// Base62 characters that hold 256 bits.
const RANDOM: usize = 43;
/// How long the token that was spent last still gets the successor that it got.
pub const REUSE_GRACE: Duration = Duration::from_secs(10);

/// A new refresh token.
pub fn mint(random: &mut dyn Rng) -> PlainKey {
    let mut value = format!("{PREFIX}{}", random_text(RANDOM, random));
    value.extend(checksum(&value).map(char::from));
    PlainKey::new(value)
}

/// Whether a value has the form of a refresh token, so that anything else costs no look-up.
#[must_use]
pub fn matches_format(value: &str) -> bool {
    let random = value.strip_prefix(PREFIX).filter(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric()));
    let covered = PREFIX.len() + RANDOM;
    random.is_some_and(|rest| rest.len() == RANDOM + 6)
        && value.as_bytes()[covered..] == checksum(&value[..covered])
}

/// Everything that came of one issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyRecord {
    /// Its identifier.
    pub id: FamilyId,
    /// The tenant.
    pub tenant: TenantId,
    /// What stands behind it.
    pub parent: TokenSubject,
    /// For a user's: the generation of the user's password at the time.
    pub generation: u64,
    /// Whom its tokens are for.
    pub audience: String,
    /// How long its access tokens live.
    pub ttl: Duration,
    /// When it was issued.
    pub created: Timestamp,
    /// After this nothing is refreshed.
    pub ends: Timestamp,
    /// When it was ended before its time.
    pub ended: Option<Timestamp>,
}

/// A refresh token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshRecord {
    /// Its hash.
    pub hash: KeyHash,
    /// Its family.
    pub family: FamilyId,
    /// What it can be refreshed to.
    pub scopes: Vec<Box<str>>,
    /// What became of it.
    pub spent: Option<Redemption>,
}

/// A token's one use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redemption {
    /// When.
    pub at: Timestamp,
    /// The successor's value, sealed for the hash of the token that it succeeds.
    pub successor: Sealed,
    /// The successor's scopes.
    pub scopes: Vec<Box<str>>,
}

/// Whose successor a sealed value is: what it is sealed for.
#[must_use]
pub fn seal_owner(hash: &KeyHash) -> String {
    hash.0.iter().fold(String::from("refresh "), |mut text, byte| {
        use std::fmt::Write as _;
        // Writing into a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_minted_token_fits_and_a_changed_one_does_not() {
        let mut random = rand::rngs::StdRng::from_seed([4; 32]);
        let token = mint(&mut random);
        let value = token.reveal();
        assert!(
            matches_format(value) && !matches_format(&value[1..]) && !matches_format(&format!("{value}0"))
        );
        let other = if value.ends_with('0') { "1" } else { "0" };
        assert!(!matches_format(&format!("{}{other}", &value[..value.len() - 1])));
        assert!(
            !matches_format(&value.replace("lkr_", "lkx_"))
                && !matches_format("lkr_é")
                && !matches_format("")
        );
    }
}
