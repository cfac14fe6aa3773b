//! The calls that take access away, each with a Check that is allowed until then.

use std::time::Duration;

use latchkey_proto::v1::{self, CheckRequest};
use latchkey_testing::{Caller, answered, field_mask, key, user, with_key};
use tonic::Status;

/// A call that takes access away.
#[derive(Clone)]
pub(super) enum Call {
    RevokeKey(String),
    RotateKey(String),
    UpdateKey(Box<v1::Key>),
    SuspendTenant(String),
    DisableUser(String),
    UpdateUser(Box<v1::User>),
    RevokeJwt(String),
    ApplyProfile(String),
    WithdrawSigningKey(String),
    DeleteKey(String),
    RevokeKeys(String),
    DisableKeys(Box<v1::KeysFilter>),
    RevokeKeysOf(Box<v1::KeysFilter>),
    DeleteUser(String),
    DeleteTenant(String),
    DeleteProfile(String),
}

impl Call {
    pub(super) async fn send(self, caller: &Caller, deadline: Option<Duration>) -> Result<(), Status> {
        let (mut keys, mut tenants) = (caller.keys(), caller.tenants());
        match self {
            Self::RevokeKey(id) => {
                let ask = v1::RevokeKeyRequest { id, reason: String::new() };
                keys.revoke_key(timed(ask, deadline)).await.map(drop)
            }
            Self::RotateKey(id) => {
                let ask = v1::RotateKeyRequest { id, overlap: None, expiry: None };
                keys.rotate_key(timed(ask, deadline)).await.map(drop)
            }
            Self::UpdateKey(key) => {
                let ask =
                    v1::UpdateKeyRequest { key: Some(*key), update_mask: Some(field_mask(&["disabled"])) };
                keys.update_key(timed(ask, deadline)).await.map(drop)
            }
            Self::SuspendTenant(tenant) => {
                let ask = v1::SuspendTenantRequest { tenant, reason: String::new() };
                tenants.suspend_tenant(timed(ask, deadline)).await.map(drop)
            }
            Self::DisableUser(id) => {
                let ask = v1::DisableUserRequest { id };
                tenants.disable_user(timed(ask, deadline)).await.map(drop)
            }
            Self::UpdateUser(user) => {
                let ask =
                    v1::UpdateUserRequest { user: Some(*user), update_mask: Some(field_mask(&["role"])) };
                tenants.update_user(timed(ask, deadline)).await.map(drop)
            }
            Self::RevokeJwt(token) => {
                let ask = v1::RevokeJwtRequest { token };
                caller.tokens().revoke_jwt(timed(ask, deadline)).await.map(drop)
            }
            Self::ApplyProfile(document) => {
                let ask = v1::ApplyProfileRequest { document, force: true, ..Default::default() };
                caller.profiles().apply_profile(timed(ask, deadline)).await.map(drop)
            }
            Self::WithdrawSigningKey(id) => {
                let ask = v1::WithdrawSigningKeyRequest { id };
                caller.signing_keys().withdraw_signing_key(timed(ask, deadline)).await.map(drop)
            }
            deletion_or_bulk => Box::pin(deletion_or_bulk.send_to_many(caller, deadline)).await,
        }
    }

    /// Sends a call that changes several keys, or deletes something.
    async fn send_to_many(self, caller: &Caller, deadline: Option<Duration>) -> Result<(), Status> {
        let (mut keys, mut tenants) = (caller.keys(), caller.tenants());
        match self {
            Self::RevokeKeys(id) => {
                let ask = v1::RevokeKeysRequest { ids: vec![id], ..v1::RevokeKeysRequest::default() };
                keys.revoke_keys(timed(ask, deadline)).await.map(drop)
            }
            Self::DisableKeys(filter) => {
                let ask =
                    v1::DisableKeysRequest { filter: Some(*filter), ..v1::DisableKeysRequest::default() };
                keys.disable_keys(timed(ask, deadline)).await.map(drop)
            }
            Self::RevokeKeysOf(filter) => {
                let ask = v1::RevokeKeysRequest { filter: Some(*filter), ..v1::RevokeKeysRequest::default() };
                keys.revoke_keys(timed(ask, deadline)).await.map(drop)
            }
            Self::DeleteKey(id) => {
                let ask = v1::DeleteKeyRequest { id, force: true };
                keys.delete_key(timed(ask, deadline)).await.map(drop)
            }
            Self::DeleteUser(id) => {
                let ask = v1::DeleteUserRequest { id };
                tenants.delete_user(timed(ask, deadline)).await.map(drop)
            }
            Self::DeleteTenant(tenant) => {
                let ask = v1::DeleteTenantRequest { tenant };
                tenants.delete_tenant(timed(ask, deadline)).await.map(drop)
            }
            Self::DeleteProfile(name) => {
                let ask = v1::DeleteProfileRequest { name, force: true };
                caller.profiles().delete_profile(timed(ask, deadline)).await.map(drop)
            }
            _ => unreachable!("`send` sends all others"),
        }
    }
}

fn timed<T>(ask: T, deadline: Option<Duration>) -> tonic::Request<T> {
    let mut request = tonic::Request::new(ask);
    if let Some(deadline) = deadline {
        request.set_timeout(deadline);
    }
    request
}

/// A call, and a Check that is allowed until then.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) call: Call,
    pub(super) question: CheckRequest,
}

/// Returns a profile for one case, so that no case takes away access that another one checks.
fn profile(name: &str, unmatched: &str) -> String {
    format!(
        r#"
name = "{name}"
unmatched_routes = "{unmatched}"
[credential]
sources = ["header:x-api-key"]
[[kinds]]
name = "secret"
default = true
prefixes = {{ live = "{name}_live_" }}
default_scopes = ["read"]
[[scopes]]
name = "read"
[rate_limits]
default = []
[jwt]
issuer = "https://{name}.example.dev"
audience = "{name}"
[[roles]]
name = "clerk"
scopes = ["read"]
[[roles]]
name = "guest"
scopes = []
"#
    )
}

pub(super) fn question(profile: &str, credential: &str) -> CheckRequest {
    CheckRequest {
        credential: credential.to_owned(),
        profile: profile.to_owned(),
        method: "GET".to_owned(),
        path: "/things".to_owned(),
        ..CheckRequest::default()
    }
}

/// Returns the filter of all keys of a tenant.
fn keys_of(tenant: &str) -> Box<v1::KeysFilter> {
    Box::new(v1::KeysFilter { tenant: tenant.to_owned(), ..v1::KeysFilter::default() })
}

/// Returns the filter of the active keys of a tenant, which a repeated call finds changed.
fn active_keys_of(tenant: &str) -> Box<v1::KeysFilter> {
    Box::new(v1::KeysFilter { state: v1::KeyState::Active.into(), ..*keys_of(tenant) })
}

/// Creates a product and a tenant of this name, and a key.
async fn product(operator: &Caller, name: &str) -> (v1::Key, String) {
    let document = profile(name, "authenticate");
    answered(|| operator.apply(&document)).await.expect("applied");
    let _ = answered(|| operator.try_tenant(name, name, "")).await;
    answered(|| operator.try_key(key(name, "live"))).await.expect("a key")
}

/// Creates a user, and a token of that user.
async fn signed_in(operator: &Caller, tenant: &str, email: &str) -> (v1::User, v1::IssueJwtResponse) {
    const PASSWORD: &str = "the sea at night, 1815";
    let user = operator.user(user(tenant, (email, PASSWORD), "clerk")).await;
    let grant = v1::PasswordGrant { email: email.to_owned(), password: PASSWORD.to_owned() };
    let ask = v1::IssueJwtRequest {
        grant: Some(v1::issue_jwt_request::Grant::Password(grant)),
        tenant: tenant.to_owned(),
        ..v1::IssueJwtRequest::default()
    };
    let issued = answered(|| async { operator.tokens().issue_jwt(ask.clone()).await }).await;
    (user, issued.expect("issued").into_inner())
}

async fn token(operator: &Caller, key: &str) -> v1::IssueJwtResponse {
    let issued = answered(|| async { operator.tokens().issue_jwt(with_key(key)).await }).await;
    issued.expect("issued").into_inner()
}

pub(super) async fn cases_of_keys(operator: &Caller) -> Vec<Case> {
    let mut cases = Vec::new();
    let (revoked, value) = product(operator, "mill").await;
    let mut case =
        |name, call, value: &str| cases.push(Case { name, call, question: question("mill", value) });
    case("RevokeKey", Call::RevokeKey(revoked.id), &value);
    let (rotated, value) = operator.plain_key("mill", "live").await;
    case("RotateKey", Call::RotateKey(rotated.id), &value);
    let (disabled, value) = operator.plain_key("mill", "live").await;
    case("UpdateKey", Call::UpdateKey(Box::new(v1::Key { disabled: true, ..disabled })), &value);
    let _ = operator.tenant("brewery", "mill", "").await;
    let (_, value) = operator.plain_key("brewery", "live").await;
    case("SuspendTenant", Call::SuspendTenant("brewery".to_owned()), &value);
    let (deleted, value) = operator.plain_key("mill", "live").await;
    case("DeleteKey", Call::DeleteKey(deleted.id), &value);
    let (revoked, value) = operator.plain_key("mill", "live").await;
    case("RevokeKeys", Call::RevokeKeys(revoked.id), &value);
    let _ = operator.tenant("distillery", "mill", "").await;
    let (_, value) = operator.plain_key("distillery", "live").await;
    case("DisableKeys", Call::DisableKeys(keys_of("distillery")), &value);
    let _ = operator.tenant("smithy", "mill", "").await;
    let (_, value) = operator.plain_key("smithy", "live").await;
    case("DisableKeys by state", Call::DisableKeys(active_keys_of("smithy")), &value);
    let _ = operator.tenant("tannery", "mill", "").await;
    let (_, value) = operator.plain_key("tannery", "live").await;
    case("RevokeKeys by state", Call::RevokeKeysOf(active_keys_of("tannery")), &value);
    let _ = operator.tenant("bakery", "mill", "").await;
    let (_, value) = operator.plain_key("bakery", "live").await;
    case("DeleteTenant", Call::DeleteTenant("bakery".to_owned()), &value);
    let (_, value) = product(operator, "quarry").await;
    let call = Call::DeleteProfile("quarry".to_owned());
    cases.push(Case { name: "DeleteProfile", call, question: question("quarry", &value) });
    let (_, value) = product(operator, "forge").await;
    let call = Call::ApplyProfile(profile("forge", "deny"));
    cases.push(Case { name: "ApplyProfile", call, question: question("forge", &value) });
    cases
}

pub(super) async fn cases_of_tokens(operator: &Caller) -> Vec<Case> {
    let (_, parent) = product(operator, "mint").await;
    let (disabled, of_disabled) = signed_in(operator, "mint", "ada@example.dev").await;
    let (changed, of_changed) = signed_in(operator, "mint", "bob@example.dev").await;
    let changed = v1::User { role: "guest".to_owned(), ..changed };
    let (deleted, of_deleted) = signed_in(operator, "mint", "eve@example.dev").await;
    let _ = answered(|| operator.try_tenant("vault", "mint", "")).await;
    let (_, of_ended) = signed_in(operator, "vault", "ada@example.dev").await;
    let (lost, parent_of_lost) = operator.plain_key("mint", "live").await;
    let of_lost = token(operator, &parent_of_lost).await;
    let revoked = token(operator, &parent).await;
    let case = |name, call, token: &str| Case { name, call, question: question("mint", token) };
    let mut cases = vec![
        case("DisableUser", Call::DisableUser(disabled.id), &of_disabled.access_token),
        case("UpdateUser", Call::UpdateUser(Box::new(changed)), &of_changed.access_token),
        case("DeleteUser", Call::DeleteUser(deleted.id), &of_deleted.access_token),
        case("DeleteKey", Call::DeleteKey(lost.id), &of_lost.access_token),
        case("DeleteTenant", Call::DeleteTenant("vault".to_owned()), &of_ended.access_token),
        case("RevokeJwt", Call::RevokeJwt(revoked.refresh_token), &revoked.access_token),
    ];
    let (_, parent) = product(operator, "seal").await;
    let withdrawn = token(operator, &parent).await;
    let listed = operator.signing_keys().list_signing_keys(v1::ListSigningKeysRequest {}).await;
    let keys = listed.expect("listed").into_inner().keys;
    let signing = keys.into_iter().find(|key| key.profile == "seal" && key.state == "signing").expect("one");
    let call = Call::WithdrawSigningKey(signing.id);
    cases.push(Case {
        name: "WithdrawSigningKey",
        call,
        question: question("seal", &withdrawn.access_token),
    });
    cases
}
