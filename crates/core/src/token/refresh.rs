//! Refresh tokens: opaque values that are stored as hashes, each good for one refresh. A token family has all
//! tokens that descend from one issue. It has a fixed end, and ends at once when a refresh token of it is
//! used a second time.

use std::time::Duration;

use rand::Rng;

use super::claims::TokenSubject;
use crate::id::{FamilyId, TenantId};
use crate::key_kind::{CHECKSUM_CHARACTERS, checksum};
use crate::mint::random_text;
use crate::seal::Sealed;
use crate::secret::{KeyHash, PlainKey};
use crate::time::Timestamp;

/// Prefix of every refresh token.
pub const PREFIX: &str = "lkr_";
/// Base62 characters of a refresh token; they hold 256 bits.
const RANDOM_CHARACTERS: usize = 43;
/// Time for which the refresh token that was used last still returns its successor again.
pub const REUSE_GRACE: Duration = Duration::from_secs(10);

/// Returns a new refresh token.
pub fn mint(random: &mut dyn Rng) -> PlainKey {
    let mut value = format!("{PREFIX}{}", random_text(RANDOM_CHARACTERS, random));
    value.extend(checksum(&value).map(char::from));
    PlainKey::new(value)
}

/// Returns whether a value has the format of a refresh token. Other values cost no lookup.
#[must_use]
pub fn matches_format(value: &str) -> bool {
    let random = value.strip_prefix(PREFIX).filter(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric()));
    let covered = PREFIX.len() + RANDOM_CHARACTERS;
    random.is_some_and(|rest| rest.len() == RANDOM_CHARACTERS + CHECKSUM_CHARACTERS)
        && value.as_bytes()[covered..] == checksum(&value[..covered])
}

/// Record of a token family: a refresh token and all tokens that descend from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyRecord {
    /// The identifier.
    pub id: FamilyId,
    /// The tenant.
    pub tenant: TenantId,
    /// The key or user that the tokens stand for.
    pub parent: TokenSubject,
    /// The user's generation at the time of issue; of no meaning for a key.
    pub generation: u64,
    /// Audience of the tokens.
    pub audience: String,
    /// Lifetime of the family's access tokens.
    pub ttl: Duration,
    /// Time of issue.
    pub created: Timestamp,
    /// Time after which no token of the family is refreshed.
    pub ends: Timestamp,
    /// Time at which the family was ended early.
    pub ended: Option<Timestamp>,
}

/// A refresh token, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshRecord {
    /// The hash of the value.
    pub hash: KeyHash,
    /// The token family.
    pub family: FamilyId,
    /// Scopes that a refresh can grant.
    pub scopes: Vec<Box<str>>,
    /// The use of the token, if it was used.
    pub spent: Option<Redemption>,
}

/// The single use of a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redemption {
    /// Time of the use.
    pub at: Timestamp,
    /// Value of the successor, sealed for the hash of the token that it succeeds.
    pub successor: Sealed,
    /// Scopes of the successor.
    pub scopes: Vec<Box<str>>,
}

/// Returns the owner that a successor's value is sealed for, by the hash of the token that it succeeds.
#[must_use]
pub fn seal_owner(hash: &KeyHash) -> String {
    hash.0.iter().fold(String::from("refresh "), |mut text, byte| {
        use std::fmt::Write as _;
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_minted_token_matches_and_a_changed_one_does_not() {
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
