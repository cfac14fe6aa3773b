//! Identifiers. They sort by the time at which they were made (UUID version 7, RFC 9562 section 5.7), so that
//! a list by identifier is a list by age. A tenant's identifier is written as a plain UUID, because some
//! products show it that way.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use arrayvec::ArrayString;
use rand::Rng;
use uuid::{Builder, Uuid};

use crate::time::Timestamp;

fn uuid_v7(now: Timestamp, random: &mut dyn Rng) -> Uuid {
    let mut tail = [0; 10];
    random.fill_bytes(&mut tail);
    let millis = u64::try_from(now.0).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
}

/// A text that is not an identifier of the expected type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier")]
pub struct InvalidId;

/// Text of an identifier, kept without an allocation because a Check writes several.
#[derive(Clone, Copy)]
pub struct IdText(ArrayString<48>);

impl IdText {
    fn new(prefix: &str, digits: &str) -> Self {
        let mut text = ArrayString::new();
        text.push_str(prefix);
        text.push_str(digits);
        Self(text)
    }
}

impl Deref for IdText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Returns a new identifier, made at `now`.
            pub fn new(now: Timestamp, random: &mut dyn Rng) -> Self {
                Self(uuid_v7(now, random))
            }

            /// Returns the text form.
            #[must_use]
            pub fn text(&self) -> IdText {
                IdText::new($prefix, self.0.simple().encode_lower(&mut Uuid::encode_buffer()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let digits = text.strip_prefix($prefix).ok_or(InvalidId)?;
                canonical(digits, 32).map(Self)
            }
        }
    };
}

identifier! {
    /// A key's identifier: `key_` and 32 hexadecimal digits.
    KeyId, "key_"
}
identifier! {
    /// A user's identifier: `user_` and 32 hexadecimal digits.
    UserId, "user_"
}
identifier! {
    /// The identifier of a family of tokens: `fam_` and 32 hexadecimal digits.
    FamilyId, "fam_"
}

/// A tenant's identifier: a UUID with hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub Uuid);

impl TenantId {
    /// Returns a new identifier, made at `now`.
    pub fn new(now: Timestamp, random: &mut dyn Rng) -> Self {
        Self(uuid_v7(now, random))
    }

    /// Returns the text form.
    #[must_use]
    pub fn text(&self) -> IdText {
        IdText::new("", self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl FromStr for TenantId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        // Hexadecimal digits of a UUID have no case (RFC 9562 section 4), and some products show tenants as UUIDs.
        canonical(&text.to_ascii_lowercase(), 36).map(Self)
    }
}

/// Parses the only accepted spelling of an identifier: lower case and of exactly this length, so that no two
/// texts mean the same identifier.
fn canonical(text: &str, length: usize) -> Result<Uuid, InvalidId> {
    if text.len() != length || text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(InvalidId);
    }
    Uuid::try_parse(text).map_err(|_| InvalidId)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        let mut random = rand::rngs::StdRng::from_seed([7; 32]);
        let early = KeyId::new(Timestamp(1_000), &mut random);
        let late = KeyId::new(Timestamp(1_001), &mut random);
        assert!(early < late && early.to_string() < late.to_string());
    }

    #[test]
    fn a_tenants_uuid_is_read_in_either_case() {
        let id = TenantId::new(Timestamp(1_700_000_000_000), &mut rand::rngs::StdRng::from_seed([7; 32]));
        assert_eq!((id.to_string().parse(), id.to_string().to_uppercase().parse()), (Ok(id), Ok(id)));
        for bad in [id.0.simple().to_string(), format!("{{{id}}}"), format!("urn:uuid:{id}")] {
            assert_eq!(bad.parse::<TenantId>(), Err(InvalidId));
        }
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = KeyId::new(Timestamp(1_700_000_000_000), &mut rand::rngs::StdRng::from_seed([7; 32]));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse::<KeyId>(), Err(InvalidId));
        assert_eq!(id.0.to_string().parse::<KeyId>(), Err(InvalidId));
    }
}
