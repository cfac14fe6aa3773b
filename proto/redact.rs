//! `Debug` of the messages that carry a secret: their names alone, so that no log, panic or error can
//! show what is in them.

use std::fmt::{Debug, Formatter, Result};

use crate::{envoy, v1};

macro_rules! redact {
    ($($message:ty => $name:literal),* $(,)?) => {$(
        impl Debug for $message {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                f.debug_struct($name).finish_non_exhaustive()
            }
        }
    )*};
}

redact! {
    v1::CheckRequest => "CheckRequest",
    v1::Key => "Key",
    v1::CreateKeyResponse => "CreateKeyResponse",
    v1::RotateKeyResponse => "RotateKeyResponse",
    v1::ImportedKey => "ImportedKey",
    v1::imported_key::Secret => "Secret",
    v1::ImportedHash => "ImportedHash",
    v1::SetProfileSecretRequest => "SetProfileSecretRequest",
    v1::IssueJwtRequest => "IssueJwtRequest",
    v1::issue_jwt_request::Grant => "Grant",
    v1::PasswordGrant => "PasswordGrant",
    v1::RefreshJwtRequest => "RefreshJwtRequest",
    v1::IssueJwtResponse => "IssueJwtResponse",
    v1::RefreshJwtResponse => "RefreshJwtResponse",
    v1::RevokeJwtRequest => "RevokeJwtRequest",
    v1::CreateUserRequest => "CreateUserRequest",
    v1::SetUserPasswordRequest => "SetUserPasswordRequest",
    envoy::auth::attribute_context::HttpRequest => "HttpRequest",
    envoy::core::HeaderValue => "HeaderValue",
}
