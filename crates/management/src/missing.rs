//! Errors for objects that a request names and that do not exist, or that the caller may not know of. Both have one
//! text, which repeats the name. A text that may be a credential is not repeated, because a caller can have sent one in
//! the field of a name.

use latchkey_core::error::{MissingName, RequestError};
use latchkey_core::id::{KeyId, UserId};
use latchkey_core::record::TenantRef;
use latchkey_core::token::{is_signing_key_id, looks_like_jwt};

use super::ManagementService;

/// Type of an object that requests name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectType {
    /// A key, by its id.
    Key,
    /// A user, by its id.
    User,
    /// A tenant, by its id or slug.
    Tenant,
    /// A profile, by its name.
    Profile,
    /// A profile with signing keys, by its name.
    KeySet,
    /// A signing key, by its `kid`.
    SigningKey,
    /// A secret of a profile, by its name.
    Secret,
}

impl ObjectType {
    /// Returns the type for an error, and the form of its names.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Key => ("key", "the id of a key (key_…)"),
            Self::User => ("user", "the id of a user (user_…)"),
            Self::Tenant => ("tenant", "the id or the slug of a tenant"),
            Self::Profile => ("profile", "the name of a profile"),
            Self::KeySet => ("profile with signing keys", "the name of a profile"),
            Self::SigningKey => ("signing key", "the id of a signing key (kid)"),
            Self::Secret => ("secret", "the name of a secret"),
        }
    }

    /// Returns whether a text has the form of these names.
    fn is_well_formed(self, text: &str) -> bool {
        match self {
            Self::Key => text.parse::<KeyId>().is_ok(),
            Self::User => text.parse::<UserId>().is_ok(),
            Self::Tenant => TenantRef::parse(text).is_some(),
            Self::Profile | Self::KeySet => {
                is_name(text, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            }
            Self::Secret => is_name(text, |b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)),
            Self::SigningKey => is_signing_key_id(text),
        }
    }
}

/// Returns whether a text has the form of a name in profiles, of characters that `valid` accepts, and not of a token.
fn is_name(text: &str, valid: fn(u8) -> bool) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(valid) && !looks_like_jwt(text)
}

impl ManagementService {
    /// Returns the error of an object that is missing.
    pub(super) fn not_found(&self, object: ObjectType, name: &str) -> RequestError {
        let (what, form) = object.words();
        let name = if !object.is_well_formed(name) {
            MissingName::Malformed(form)
        } else if self.parts.policies.matches_key_format(name) {
            MissingName::Withheld
        } else {
            MissingName::Written(name.to_owned())
        };
        RequestError::NotFound { what, name }
    }
}
