//! Conversion of requests and responses about tokens, users and signing keys.

use latchkey_core::secret::PlainKey;
use latchkey_core::time::Timestamp;
use latchkey_core::token::SigningKeyRecord;
use latchkey_core::user::UserRecord;
use latchkey_management::password::PlainPassword;
use latchkey_management::{IssueJwt, IssuedTokens, TokenGrant};
use latchkey_proto::v1;

use super::time::{duration_from_proto, duration_to_proto, timestamp_to_proto};
use super::{Violations, to_hash_map};

/// Converts the request for tokens.
pub(crate) fn issue(request: v1::IssueJwtRequest, violations: &mut Violations) -> IssueJwt {
    let grant = request.grant.map(|grant| match grant {
        v1::issue_jwt_request::Grant::ApiKey(value) => TokenGrant::Key(PlainKey::new(value)),
        v1::issue_jwt_request::Grant::Password(v1::PasswordGrant { email, password }) => {
            TokenGrant::Password(email, PlainPassword::new(password))
        }
    });
    let ttl = duration_from_proto("ttl", request.ttl, violations);
    IssueJwt {
        grant,
        tenant: request.tenant,
        scopes: request.scopes,
        audience: request.audience,
        ttl,
        violations: Vec::new(),
    }
}

const TOKEN_TYPE: &str = "Bearer";

/// Converts issued tokens to their message.
pub(crate) fn issue_response(tokens: &IssuedTokens) -> v1::IssueJwtResponse {
    v1::IssueJwtResponse {
        access_token: tokens.access.reveal().to_owned(),
        token_type: TOKEN_TYPE.to_owned(),
        expires_in: Some(duration_to_proto(tokens.ttl)),
        refresh_token: tokens.refresh.reveal().to_owned(),
        refresh_expires_in: Some(duration_to_proto(tokens.refresh_ttl)),
        scopes: tokens.scopes.clone(),
        user: tokens.user.as_ref().map(user),
    }
}

/// Converts refreshed tokens to their message.
pub(crate) fn refresh_response(tokens: &IssuedTokens) -> v1::RefreshJwtResponse {
    v1::RefreshJwtResponse {
        access_token: tokens.access.reveal().to_owned(),
        token_type: TOKEN_TYPE.to_owned(),
        expires_in: Some(duration_to_proto(tokens.ttl)),
        refresh_token: tokens.refresh.reveal().to_owned(),
        refresh_expires_in: Some(duration_to_proto(tokens.refresh_ttl)),
        scopes: tokens.scopes.clone(),
    }
}

/// Converts a user to its message.
pub(crate) fn user(user: &UserRecord) -> v1::User {
    v1::User {
        id: user.id.to_string(),
        tenant_id: user.tenant.to_string(),
        email: user.email.clone(),
        role: user.role.to_string(),
        bindings: to_hash_map(&user.bindings),
        disabled: user.disabled,
        environment: user.environment.as_deref().unwrap_or_default().to_owned(),
    }
}

/// Converts a signing key to its message, with its state at the time `now`.
pub(crate) fn signing_key(key: &SigningKeyRecord, now: Timestamp) -> v1::SigningKey {
    v1::SigningKey {
        id: key.id.to_string(),
        profile: key.profile.to_string(),
        algorithm: key.algorithm.name().to_owned(),
        state: key.stage(now).name().to_owned(),
        create_time: Some(timestamp_to_proto(key.created)),
        sign_time: Some(timestamp_to_proto(key.signs_from)),
        retire_time: key.signs_until.map(timestamp_to_proto),
    }
}
