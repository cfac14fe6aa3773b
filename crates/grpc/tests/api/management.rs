//! Tests of management RPCs: created objects can be read, invalid fields are named, and objects of another tenant are
//! not found.

use latchkey_proto::v1;
use latchkey_proto::v1::key_service_client::KeyServiceClient;
use latchkey_proto::v1::profile_service_client::ProfileServiceClient;
use latchkey_proto::v1::tenant_service_client::TenantServiceClient;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::harness::{DOCUMENT, GOOD, Harness, OTHER, ROOT, TestService, with_api_key};

fn keys(harness: &Harness) -> KeyServiceClient<TestService> {
    KeyServiceClient::new(harness.routes.clone())
}

fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    details.bad_request().unwrap().field_violations.iter().map(|v| v.field.clone()).collect()
}

fn create() -> v1::CreateKeyRequest {
    v1::CreateKeyRequest { name: "till 2".into(), scopes: vec!["items.view".into()], ..Default::default() }
}

#[tokio::test]
async fn a_key_is_created_read_listed_and_revoked() {
    let harness = Harness::new();
    let mut client = keys(&harness);
    let mut request = with_api_key(create(), GOOD);
    request.metadata_mut().insert("x-request-id", "r-77".parse().unwrap());
    let created = client.create_key(request).await.unwrap().into_inner();
    let key = created.key.unwrap();
    assert!(created.secret.starts_with("sk_live_") && created.secret.ends_with(&key.hint));
    assert_eq!((key.state(), key.scopes.as_slice()), (v1::KeyState::Active, &["items.read".to_owned()][..]));
    assert_eq!(key.created_by, harness.good.to_string());
    assert_eq!(harness.store.audit.lock().unwrap()[0].request_id, "r-77");
    let id = key.id.clone();
    let read =
        client.get_key(with_api_key(v1::GetKeyRequest { id: id.clone() }, GOOD)).await.unwrap().into_inner();
    assert_eq!((&read.id, read.value.as_str()), (&key.id, ""));
    let listed =
        client.list_keys(with_api_key(v1::ListKeysRequest::default(), GOOD)).await.unwrap().into_inner();
    assert_eq!(listed.keys.len(), 3);
    let revoke = v1::RevokeKeyRequest { id: id.clone(), reason: "lost".into() };
    let revoked = client.revoke_key(with_api_key(revoke.clone(), GOOD)).await.unwrap().into_inner();
    assert!(revoked.revision > 0);
    let key = revoked.key.unwrap();
    assert_eq!((key.state(), key.revoke_reason.as_str()), (v1::KeyState::Revoked, "lost"));
    assert_eq!(key.revoke_time.unwrap().seconds, 2_000);
    let again = v1::RevokeKeyRequest { reason: "again".into(), ..revoke };
    let again = client.revoke_key(with_api_key(again, GOOD)).await.unwrap().into_inner().key.unwrap();
    assert_eq!(
        (again.state(), again.revoke_reason.as_str()),
        (v1::KeyState::Revoked, "lost"),
        "it stays as it was"
    );
}

#[tokio::test]
async fn a_rotated_key_has_a_successor() {
    let harness = Harness::new();
    let overlap = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let request = v1::RotateKeyRequest { id: harness.good.to_string(), overlap, expiry: None };
    let rotated = keys(&harness).rotate_key(with_api_key(request, GOOD)).await.unwrap().into_inner();
    let (key, replaced) = (rotated.key.unwrap(), rotated.replaced.unwrap());
    assert_eq!((key.rotated_from, replaced.rotated_to), (replaced.id, key.id));
    assert_eq!(replaced.expire_time.unwrap().seconds, 2_060);
    assert!(rotated.secret.starts_with("sk_live_"));
}

#[tokio::test]
async fn another_tenants_key_is_not_there() {
    let harness = Harness::new();
    let get = |id: String| keys(&harness).get_key_owned(id);
    let foreign = get(harness.good.to_string()).await;
    let nothing = get("key_00000000000000000000000000000000".into()).await;
    assert_eq!((foreign.code(), nothing.code()), (Code::NotFound, Code::NotFound));
    assert_eq!(foreign.message(), format!("key \"{}\" was not found", harness.good));
    let alike = |text: &str| text.replace(&harness.good.to_string(), "key_00000000000000000000000000000000");
    assert_eq!(alike(foreign.message()), nothing.message());
    let info = |status: &Status| status.get_details_resource_info().expect("names the resource");
    assert_eq!(info(&foreign).resource_type, info(&nothing).resource_type);
    assert_eq!(info(&foreign).resource_name, harness.good.to_string());
    assert_eq!(alike(&info(&foreign).description), info(&nothing).description);
}

trait GetOwned {
    async fn get_key_owned(self, id: String) -> Status;
}

impl GetOwned for KeyServiceClient<TestService> {
    async fn get_key_owned(mut self, id: String) -> Status {
        self.get_key(with_api_key(v1::GetKeyRequest { id }, OTHER)).await.unwrap_err()
    }
}

#[tokio::test]
async fn every_invalid_field_is_named() {
    let harness = Harness::new();
    let mut client = keys(&harness);
    let status = client
        .list_keys(with_api_key(v1::ListKeysRequest { state: 42, ..Default::default() }, GOOD))
        .await
        .unwrap_err();
    assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec!["state".to_owned()]));
    let never = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
    let expiry = Some(v1::create_key_request::Expiry::ExpireTime(never));
    let status =
        client.create_key(with_api_key(v1::CreateKeyRequest { expiry, ..create() }, GOOD)).await.unwrap_err();
    assert_eq!(fields(&status), ["expire_time"]);
    let negative = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    let rotate = v1::RotateKeyRequest { id: harness.good.to_string(), overlap: negative, expiry: None };
    assert_eq!(fields(&client.rotate_key(with_api_key(rotate, GOOD)).await.unwrap_err()), ["overlap"]);
    let status = client.create_key(with_api_key(v1::CreateKeyRequest::default(), GOOD)).await.unwrap_err();
    assert!(fields(&status).contains(&"name".to_owned()));
}

#[tokio::test]
async fn only_the_fields_of_the_mask_change() {
    let harness = Harness::new();
    let update = |paths: &[&str]| {
        let key = v1::Key {
            id: harness.good.to_string(),
            name: "new".into(),
            disabled: true,
            ..Default::default()
        };
        let paths = paths.iter().map(ToString::to_string).collect();
        let update_mask = Some(prost_types::FieldMask { paths });
        with_api_key(v1::UpdateKeyRequest { key: Some(key), update_mask }, ROOT)
    };
    let mut client = keys(&harness);
    let status = client.update_key(update(&["name", "hash"])).await.unwrap_err();
    assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec!["update_mask".to_owned()]));
    let key = client.update_key(update(&["name"])).await.unwrap().into_inner();
    assert_eq!((key.name.as_str(), key.disabled), ("new", false));
}

#[tokio::test]
async fn two_different_credentials_are_rejected() {
    let harness = Harness::new();
    let mut request = with_api_key(v1::ListKeysRequest::default(), GOOD);
    request.metadata_mut().insert("authorization", format!("Bearer {OTHER}").parse().unwrap());
    assert_eq!(keys(&harness).list_keys(request).await.unwrap_err().code(), Code::Unauthenticated);
    let mut request = with_api_key(v1::ListKeysRequest::default(), GOOD);
    request.metadata_mut().insert("authorization", format!("Bearer {GOOD}").parse().unwrap());
    assert!(keys(&harness).list_keys(request).await.is_ok());
}

#[tokio::test]
async fn a_tenant_is_created_changed_and_suspended() {
    let harness = Harness::new();
    let mut client = TenantServiceClient::new(harness.routes.clone());
    let create =
        v1::CreateTenantRequest { slug: "third".into(), profile: "shop".into(), ..Default::default() };
    let created = client.create_tenant(with_api_key(create.clone(), ROOT)).await.unwrap().into_inner();
    assert_eq!((created.slug.as_str(), created.suspended), ("third", false));
    let again = client.create_tenant(with_api_key(create, ROOT)).await.unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists);
    let limits = [("default".to_owned(), "key 20/min burst 5; tenant 100/min".to_owned())];
    let tenant =
        v1::Tenant { slug: "third".into(), rate_limits: limits.clone().into(), ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["rate_limits".into()] });
    let update = v1::UpdateTenantRequest { tenant: Some(tenant), update_mask };
    let changed = client.update_tenant(with_api_key(update, ROOT)).await.unwrap().into_inner();
    assert_eq!(changed.rate_limits, limits.into());
    let suspend = v1::SuspendTenantRequest { tenant: created.id.clone(), reason: "unpaid".into() };
    assert!(client.suspend_tenant(with_api_key(suspend, ROOT)).await.unwrap().into_inner().suspended);
    let resume = v1::ResumeTenantRequest { tenant: created.id };
    assert!(!client.resume_tenant(with_api_key(resume, ROOT)).await.unwrap().into_inner().suspended);
}

/// Profile with two errors, in its third line and in its last.
const BROKEN: &str = r#"
name = "shop"
unmatched_routes = "maybe"
[[kinds]]
name = "secret"
prefixes = { live = "sk_live_" }
secret = "hex:1x"
"#;

#[tokio::test]
async fn each_error_of_a_profile_has_its_position() {
    let harness = Harness::new();
    let mut client = ProfileServiceClient::new(harness.routes.clone());
    let apply = |document: &str, validate_only| {
        with_api_key(
            v1::ApplyProfileRequest { document: document.into(), validate_only, ..Default::default() },
            ROOT,
        )
    };
    let status = client.apply_profile(apply(BROKEN, false)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    assert!(violations.len() >= 2 && violations.iter().all(|v| v.field.starts_with("document:")));
    assert!(violations.iter().any(|v| v.description.starts_with("line 3, column ")));
    assert!(harness.store.profiles.lock().unwrap().is_empty());
    let checked = client.apply_profile(apply(DOCUMENT, true)).await.unwrap().into_inner();
    assert_eq!((checked.name.as_str(), checked.version, checked.apply_time), ("shop", 0, None));
    let applied = client.apply_profile(apply(DOCUMENT, false)).await.unwrap().into_inner();
    assert_eq!((applied.version, applied.apply_time.unwrap().seconds), (1, 7));
    let get = v1::GetProfileRequest { name: "shop".into(), version: 0 };
    let read = client.get_profile(with_api_key(get, ROOT)).await.unwrap().into_inner();
    assert_eq!(read.document, DOCUMENT);
}

#[tokio::test]
async fn an_outage_is_unavailable() {
    let harness = Harness::new();
    harness.fail_store();
    let status =
        keys(&harness).list_keys(with_api_key(v1::ListKeysRequest::default(), GOOD)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_error_details().retry_info().is_some());
}
