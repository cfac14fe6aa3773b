//! Tokens, users and signing keys: what is asked, and what is shown.

use std::time::Duration;

use latchkey_core::secret::PlainKey;
use latchkey_core::time::Timestamp;
use latchkey_core::token::SigningKeyRecord;
use latchkey_core::user::UserRecord;
use latchkey_management::password::PlainPassword;
use latchkey_management::{Grant, IssueJwt, IssuedJwt};
use latchkey_proto::v1;

use super::time::{duration, stamp};
use super::{Wrong, unordered};

/// What tokens are asked for with.
pub(crate) fn issue(ask: v1::IssueJwtRequest, wrong: &mut Wrong) -> IssueJwt {
    let grant = ask.grant.map(|grant| match grant {
        v1::issue_jwt_request::Grant::ApiKey(value) => Grant::Key(PlainKey::new(value)),
        v1::issue_jwt_request::Grant::Password(v1::PasswordGrant { email, password }) => {
            Grant::Password(email, PlainPassword::new(password))
        }
    });
    let ttl = duration("ttl", ask.ttl, wrong);
    IssueJwt { grant, tenant: ask.tenant, scopes: ask.scopes, audience: ask.audience, ttl }
}

const BEARER: &str = "Bearer";

/// Tokens that were issued.
pub(crate) fn issued(tokens: &IssuedJwt) -> v1::IssueJwtResponse {
    v1::IssueJwtResponse {
        access_token: tokens.access.reveal().to_owned(),
        token_type: BEARER.to_owned(),
        expires_in: Some(length(tokens.ttl)),
        refresh_token: tokens.refresh.reveal().to_owned(),
        refresh_expires_in: Some(length(tokens.refresh_ttl)),
        scopes: tokens.scopes.clone(),
        user: tokens.user.as_ref().map(user),
    }
}

/// Tokens that were renewed.
pub(crate) fn renewed(tokens: &IssuedJwt) -> v1::RefreshJwtResponse {
    v1::RefreshJwtResponse {
        access_token: tokens.access.reveal().to_owned(),
        token_type: BEARER.to_owned(),
        expires_in: Some(length(tokens.ttl)),
        refresh_token: tokens.refresh.reveal().to_owned(),
        refresh_expires_in: Some(length(tokens.refresh_ttl)),
        scopes: tokens.scopes.clone(),
    }
}

/// A user.
pub(crate) fn user(user: &UserRecord) -> v1::User {
    v1::User {
        id: user.id.to_string(),
        tenant_id: user.tenant.to_string(),
        email: user.email.clone(),
        role: user.role.to_string(),
        bindings: unordered(&user.bindings),
        disabled: user.disabled,
        environment: user.environment.as_deref().unwrap_or_default().to_owned(),
    }
}

/// A signing key.
pub(crate) fn signing_key(key: &SigningKeyRecord, now: Timestamp) -> v1::SigningKey {
    v1::SigningKey {
        id: key.id.to_string(),
        profile: key.profile.to_string(),
        algorithm: key.algorithm.name().to_owned(),
        state: key.stage(now).name().to_owned(),
        create_time: Some(stamp(key.created)),
        sign_time: Some(stamp(key.signs_from)),
        retire_time: key.signs_until.map(stamp),
    }
}

fn length(length: Duration) -> prost_types::Duration {
    let seconds = i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
    prost_types::Duration { seconds, nanos: i32::try_from(length.subsec_nanos()).unwrap_or_default() }
}
