//! Requests that most tests send: a tenant, a key, a revocation, a check.

use latchkey_proto::v1;
use latchkey_proto::v1::issue_jwt_request::Grant;
use prost_types::FieldMask;
use tonic::Status;

use crate::Caller;

impl Caller {
    /// Creates a tenant.
    pub async fn tenant(&self, slug: &str, profile: &str, plan: &str) -> v1::Tenant {
        let made = self.try_tenant(slug, profile, plan).await;
        made.unwrap_or_else(|status| panic!("no tenant {slug}: {status:?}"))
    }

    /// Tries to create a tenant.
    pub async fn try_tenant(&self, slug: &str, profile: &str, plan: &str) -> Result<v1::Tenant, Status> {
        let ask = v1::CreateTenantRequest {
            slug: slug.to_owned(),
            display_name: format!("Tenant {slug}"),
            profile: profile.to_owned(),
            plan: plan.to_owned(),
            ..v1::CreateTenantRequest::default()
        };
        Ok(self.tenants().create_tenant(ask).await?.into_inner())
    }

    /// Creates a key; returns it and its value.
    pub async fn key(&self, ask: v1::CreateKeyRequest) -> (v1::Key, String) {
        let made = self.try_key(ask).await;
        made.unwrap_or_else(|status| panic!("no key: {status:?}"))
    }

    /// Tries to create a key.
    pub async fn try_key(&self, ask: v1::CreateKeyRequest) -> Result<(v1::Key, String), Status> {
        let made = self.keys().create_key(ask).await?.into_inner();
        Ok((made.key.expect("a created key is returned"), made.secret))
    }

    /// Creates a key without optional attributes.
    pub async fn plain_key(&self, tenant: &str, environment: &str) -> (v1::Key, String) {
        self.key(key(tenant, environment)).await
    }

    /// Creates a key with these scopes, in `live`.
    pub async fn scoped_key(&self, tenant: &str, scopes: &[&str]) -> (v1::Key, String) {
        self.key(scoped(tenant, scopes)).await
    }

    /// Creates a user.
    pub async fn user(&self, ask: v1::CreateUserRequest) -> v1::User {
        let made = self.tenants().create_user(ask).await;
        made.unwrap_or_else(|status| panic!("no user: {status:?}")).into_inner()
    }

    /// Revokes a key.
    pub async fn revoke(&self, id: &str) -> v1::RevokeKeyResponse {
        let ask = v1::RevokeKeyRequest { id: id.to_owned(), reason: "the test says so".to_owned() };
        let done = self.keys().revoke_key(ask).await;
        done.unwrap_or_else(|status| panic!("not revoked: {status:?}")).into_inner()
    }

    /// Sends a Check.
    pub async fn check(&self, ask: v1::CheckRequest) -> v1::CheckResponse {
        let answer = self.checks().check(ask).await;
        answer.unwrap_or_else(|status| panic!("no answer: {status:?}")).into_inner()
    }

    /// Applies a profile.
    pub async fn apply(&self, document: &str) -> Result<v1::Profile, Status> {
        let ask = v1::ApplyProfileRequest { document: document.to_owned(), ..Default::default() };
        Ok(self.profiles().apply_profile(ask).await?.into_inner())
    }

    /// Applies a profile, even if it takes access away from keys, users or tenants.
    pub async fn force_apply(&self, document: &str) -> Result<v1::Profile, Status> {
        let document = document.to_owned();
        let ask = v1::ApplyProfileRequest { document, force: true, ..Default::default() };
        Ok(self.profiles().apply_profile(ask).await?.into_inner())
    }
}

/// Returns a request for a key without optional attributes, which tests can add.
#[must_use]
pub fn key(tenant: &str, environment: &str) -> v1::CreateKeyRequest {
    v1::CreateKeyRequest {
        tenant: tenant.to_owned(),
        name: "api-server".to_owned(),
        environment: environment.to_owned(),
        ..v1::CreateKeyRequest::default()
    }
}

/// Returns a request for a key with these scopes, in `live`.
#[must_use]
pub fn scoped(tenant: &str, scopes: &[&str]) -> v1::CreateKeyRequest {
    let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
    v1::CreateKeyRequest { scopes, ..key(tenant, "live") }
}

/// Returns a request for a user without optional attributes, which tests can add.
#[must_use]
pub fn user(tenant: &str, (email, password): (&str, &str), role: &str) -> v1::CreateUserRequest {
    v1::CreateUserRequest {
        tenant: tenant.to_owned(),
        email: email.to_owned(),
        password: password.to_owned(),
        role: role.to_owned(),
        ..v1::CreateUserRequest::default()
    }
}

/// Returns a request for a token in exchange for a key.
#[must_use]
pub fn with_key(value: &str) -> v1::IssueJwtRequest {
    v1::IssueJwtRequest { grant: Some(Grant::ApiKey(value.to_owned())), ..v1::IssueJwtRequest::default() }
}

/// Returns a mask of these fields, for a request that changes them.
#[must_use]
pub fn field_mask(fields: &[&str]) -> FieldMask {
    FieldMask { paths: fields.iter().map(|&field| field.to_owned()).collect() }
}
