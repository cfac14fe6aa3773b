//! Fields of requests that hold a time or a duration, each with a call that sends it.

use latchkey_proto::v1;
use latchkey_proto::v1::audit_service_client::AuditServiceClient;
use latchkey_proto::v1::create_key_request::Expiry;
use latchkey_proto::v1::key_service_client::KeyServiceClient;
use latchkey_proto::v1::rotate_key_request::Expiry as RotateExpiry;
use latchkey_proto::v1::shadow_service_client::ShadowServiceClient;
use latchkey_proto::v1::signing_key_service_client::SigningKeyServiceClient;
use latchkey_proto::v1::tenant_service_client::TenantServiceClient;
use latchkey_proto::v1::token_service_client::TokenServiceClient;
use latchkey_proto::v1::usage_service_client::UsageServiceClient;
use tonic::Status;

use crate::harness::{GOOD, Harness, ROOT, TestService, with_api_key};

/// Returns a `google.protobuf.Timestamp`.
pub(crate) fn time(seconds: i64, nanos: i32) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos }
}

/// Returns a `google.protobuf.Duration`.
pub(crate) fn duration(seconds: i64, nanos: i32) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos }
}

/// Returns a client of `KeyService`.
pub(crate) fn keys(harness: &Harness) -> KeyServiceClient<TestService> {
    KeyServiceClient::new(harness.routes.clone())
}

/// Returns a client of `TenantService`.
fn tenants(harness: &Harness) -> TenantServiceClient<TestService> {
    TenantServiceClient::new(harness.routes.clone())
}

fn new_key(expiry: Expiry) -> v1::CreateKeyRequest {
    let (name, tenant) = ("till 2".into(), "acme".into());
    v1::CreateKeyRequest { name, tenant, expiry: Some(expiry), ..v1::CreateKeyRequest::default() }
}

/// Field of a request that holds a time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TimeField {
    CreateExpiry,
    UpdateExpiry,
    ImportExpiry,
    ImportCreation,
    RotateExpiry,
    UsageStart,
    UsageEnd,
    ShadowStart,
    AuditStart,
    AuditEnd,
    ReportStart,
    ReportEnd,
    UnusedSince,
    Keys(fn(&mut v1::ListKeysRequest, prost_types::Timestamp)),
    Tenants(fn(&mut v1::ListTenantsRequest, prost_types::Timestamp)),
    Users(fn(&mut v1::ListUsersRequest, prost_types::Timestamp)),
}

impl TimeField {
    /// All fields, each with the path that a violation names.
    pub(crate) const ALL: [(Self, &'static str); 23] = [
        (Self::CreateExpiry, "expire_time"),
        (Self::UpdateExpiry, "key.expire_time"),
        (Self::ImportExpiry, "keys[0].key.expire_time"),
        (Self::ImportCreation, "keys[0].create_time"),
        (Self::RotateExpiry, "expire_time"),
        (Self::UsageStart, "start_time"),
        (Self::UsageEnd, "end_time"),
        (Self::ShadowStart, "start_time"),
        (Self::AuditStart, "start_time"),
        (Self::AuditEnd, "end_time"),
        (Self::ReportStart, "start_time"),
        (Self::ReportEnd, "end_time"),
        (Self::UnusedSince, "filter.unused_since"),
        (Self::Keys(|list, time| list.created_after = Some(time)), "created_after"),
        (Self::Keys(|list, time| list.created_before = Some(time)), "created_before"),
        (Self::Keys(|list, time| list.last_used_after = Some(time)), "last_used_after"),
        (Self::Keys(|list, time| list.last_used_before = Some(time)), "last_used_before"),
        (Self::Keys(|list, time| list.expires_after = Some(time)), "expires_after"),
        (Self::Keys(|list, time| list.expires_before = Some(time)), "expires_before"),
        (Self::Tenants(|list, time| list.created_after = Some(time)), "created_after"),
        (Self::Tenants(|list, time| list.created_before = Some(time)), "created_before"),
        (Self::Users(|list, time| list.created_after = Some(time)), "created_after"),
        (Self::Users(|list, time| list.created_before = Some(time)), "created_before"),
    ];

    /// Sends an otherwise valid request with this value as an operator.
    pub(crate) async fn send(self, harness: &Harness, time: prost_types::Timestamp) -> Result<(), Status> {
        match self {
            Self::CreateExpiry => create(harness, Expiry::ExpireTime(time)).await.map(drop),
            Self::UpdateExpiry => update_expiry(harness, time).await.map(drop),
            Self::ImportExpiry => import(harness, new_key(Expiry::ExpireTime(time)), None).await,
            Self::ImportCreation => import(harness, new_key(Expiry::Ttl(duration(1, 0))), Some(time)).await,
            Self::RotateExpiry => rotate(harness, RotateExpiry::ExpireTime(time)).await,
            Self::UsageStart => usage(harness, Some(time), None).await,
            Self::UsageEnd => usage(harness, None, Some(time)).await,
            Self::ShadowStart => {
                let request = v1::GetShadowReportRequest { start_time: Some(time), ..Default::default() };
                let mut client = ShadowServiceClient::new(harness.routes.clone());
                client.get_shadow_report(with_api_key(request, ROOT)).await.map(drop)
            }
            Self::AuditStart => audit(harness, Some(time), None).await,
            Self::AuditEnd => audit(harness, None, Some(time)).await,
            Self::ReportStart => report(harness, Some(time), None).await,
            Self::ReportEnd => report(harness, None, Some(time)).await,
            Self::UnusedSince => {
                let tenant = "acme".to_owned();
                let filter = v1::KeysFilter { tenant, unused_since: Some(time), ..Default::default() };
                let request =
                    v1::RevokeKeysRequest { filter: Some(filter), dry_run: true, ..Default::default() };
                keys(harness).revoke_keys(with_api_key(request, ROOT)).await.map(drop)
            }
            Self::Keys(set) => {
                let mut request = v1::ListKeysRequest { tenant: "acme".to_owned(), ..Default::default() };
                set(&mut request, time);
                keys(harness).list_keys(with_api_key(request, ROOT)).await.map(drop)
            }
            Self::Tenants(set) => {
                let mut request = v1::ListTenantsRequest::default();
                set(&mut request, time);
                tenants(harness).list_tenants(with_api_key(request, ROOT)).await.map(drop)
            }
            Self::Users(set) => {
                let mut request = v1::ListUsersRequest { tenant: "acme".to_owned(), ..Default::default() };
                set(&mut request, time);
                tenants(harness).list_users(with_api_key(request, ROOT)).await.map(drop)
            }
        }
    }
}

/// Field of a request that holds a duration.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DurationField {
    CreateTtl,
    ImportTtl,
    RotateOverlap,
    RotateTtl,
    IssueTtl,
    SigningLead,
}

impl DurationField {
    /// All fields, each with the path that a violation names.
    pub(crate) const ALL: [(Self, &'static str); 6] = [
        (Self::CreateTtl, "ttl"),
        (Self::ImportTtl, "keys[0].key.ttl"),
        (Self::RotateOverlap, "overlap"),
        (Self::RotateTtl, "ttl"),
        (Self::IssueTtl, "ttl"),
        (Self::SigningLead, "lead"),
    ];

    /// Sends an otherwise valid request with this value as an operator.
    pub(crate) async fn send(self, harness: &Harness, duration: prost_types::Duration) -> Result<(), Status> {
        match self {
            Self::CreateTtl => create(harness, Expiry::Ttl(duration)).await.map(drop),
            Self::ImportTtl => import(harness, new_key(Expiry::Ttl(duration)), None).await,
            Self::RotateOverlap => {
                let id = harness.good.to_string();
                let request = v1::RotateKeyRequest { id, overlap: Some(duration), expiry: None };
                keys(harness).rotate_key(with_api_key(request, ROOT)).await.map(drop)
            }
            Self::RotateTtl => rotate(harness, RotateExpiry::Ttl(duration)).await,
            Self::IssueTtl => {
                let grant = Some(v1::issue_jwt_request::Grant::ApiKey(GOOD.into()));
                let request = v1::IssueJwtRequest { grant, ttl: Some(duration), ..Default::default() };
                TokenServiceClient::new(harness.routes.clone()).issue_jwt(request).await.map(drop)
            }
            Self::SigningLead => {
                let request = v1::RotateSigningKeyRequest { profile: "shop".into(), lead: Some(duration) };
                let mut client = SigningKeyServiceClient::new(harness.routes.clone());
                client.rotate_signing_key(with_api_key(request, ROOT)).await.map(drop)
            }
        }
    }
}

/// Rotates a key, whose successor has this expiry.
async fn rotate(harness: &Harness, expiry: RotateExpiry) -> Result<(), Status> {
    let id = harness.good.to_string();
    let request = v1::RotateKeyRequest { id, overlap: None, expiry: Some(expiry) };
    keys(harness).rotate_key(with_api_key(request, ROOT)).await.map(drop)
}

/// Creates a key.
pub(crate) async fn create(harness: &Harness, expiry: Expiry) -> Result<v1::Key, Status> {
    let created = keys(harness).create_key(with_api_key(new_key(expiry), ROOT)).await?;
    Ok(created.into_inner().key.unwrap())
}

/// Changes the expiry of the harness's key.
pub(crate) async fn update_expiry(
    harness: &Harness,
    time: prost_types::Timestamp,
) -> Result<v1::Key, Status> {
    let key = v1::Key { id: harness.good.to_string(), expire_time: Some(time), ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["expire_time".into()] });
    let request = v1::UpdateKeyRequest { key: Some(key), update_mask };
    Ok(keys(harness).update_key(with_api_key(request, ROOT)).await?.into_inner())
}

async fn import(
    harness: &Harness,
    key: v1::CreateKeyRequest,
    create_time: Option<prost_types::Timestamp>,
) -> Result<(), Status> {
    let key = v1::CreateKeyRequest { tenant: String::new(), ..key };
    let secret = Some(v1::imported_key::Secret::Sha256(vec![7; 32]));
    let keys_to_import = vec![v1::ImportedKey { secret, key: Some(key), create_time, ..Default::default() }];
    let request = v1::ImportKeysRequest { tenant: "acme".into(), keys: keys_to_import, validate_only: false };
    keys(harness).import_keys(with_api_key(request, ROOT)).await.map(drop)
}

async fn usage(
    harness: &Harness,
    start_time: Option<prost_types::Timestamp>,
    end_time: Option<prost_types::Timestamp>,
) -> Result<(), Status> {
    let request =
        v1::GetKeyUsageRequest { id: harness.good.to_string(), start_time, end_time, ..Default::default() };
    keys(harness).get_key_usage(with_api_key(request, ROOT)).await.map(drop)
}

async fn report(
    harness: &Harness,
    start_time: Option<prost_types::Timestamp>,
    end_time: Option<prost_types::Timestamp>,
) -> Result<(), Status> {
    let request = v1::GetUsageReportRequest { start_time, end_time, ..Default::default() };
    let mut client = UsageServiceClient::new(harness.routes.clone());
    client.get_usage_report(with_api_key(request, ROOT)).await.map(drop)
}

async fn audit(
    harness: &Harness,
    start_time: Option<prost_types::Timestamp>,
    end_time: Option<prost_types::Timestamp>,
) -> Result<(), Status> {
    let request = v1::ListAuditEventsRequest { start_time, end_time, ..Default::default() };
    let mut client = AuditServiceClient::new(harness.routes.clone());
    client.list_audit_events(with_api_key(request, ROOT)).await.map(drop)
}
