//! Permissions of callers: every RPC of the contract has its row here.

use std::collections::BTreeSet;

use latchkey_proto::v1::{GetTenantRequest, ListTenantsRequest, Tenant, UpdateTenantRequest};
use latchkey_testing::{Caller, Database, ROOT_KEY, field_mask, key, on_both};
use prost_types::FileDescriptorSet;
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;

use crate::{Shop, refused, scoped};

on_both!(
    a_call_without_a_credential_is_unauthenticated,
    a_key_without_the_scope_may_not_manage,
    a_tenants_key_may_not_do_what_operators_do,
    every_way_of_sending_a_credential_is_taken,
    an_invalid_credential_is_unauthenticated,
);

/// RPCs that every caller may call; the message has the credential.
const OPEN: [&str; 6] = [
    "CheckService/Check",
    "CheckService/BatchCheck",
    "TokenService/IssueJwt",
    "TokenService/RefreshJwt",
    "TokenService/RevokeJwt",
    "TokenService/GetJwks",
];
/// RPCs for operators, and for a tenant's keys and users with the scope `api_keys.manage`.
const KEEPERS: [&str; 19] = [
    "KeyService/CreateKey",
    "KeyService/GetKey",
    "KeyService/ListKeys",
    "KeyService/UpdateKey",
    "KeyService/RotateKey",
    "KeyService/RevokeKey",
    "KeyService/DeleteKey",
    "KeyService/RevokeKeys",
    "KeyService/DisableKeys",
    "KeyService/GetPublishableKey",
    "KeyService/ImportKeys",
    "KeyService/GetKeyUsage",
    "TenantService/CreateUser",
    "TenantService/ListUsers",
    "TenantService/SetUserPassword",
    "TenantService/UpdateUser",
    "TenantService/DisableUser",
    "TenantService/DeleteUser",
    "UsageService/GetUsageReport",
];
/// RPCs for operators alone.
const OPERATORS: [&str; 21] = [
    "TenantService/CreateTenant",
    "TenantService/ListTenants",
    "TenantService/UpdateTenant",
    "TenantService/SuspendTenant",
    "TenantService/ResumeTenant",
    "TenantService/DeleteTenant",
    "ProfileService/ApplyProfile",
    "ProfileService/DiffProfile",
    "ProfileService/ListProfileVersions",
    "ProfileService/RollbackProfile",
    "ProfileService/GetProfile",
    "ProfileService/ListProfiles",
    "ProfileService/DeleteProfile",
    "ProfileService/SetProfileSecret",
    "ProfileService/ListProfileSecrets",
    "ProfileService/DeleteProfileSecret",
    "AuditService/VerifyAuditLog",
    "ShadowService/GetShadowReport",
    "SigningKeyService/ListSigningKeys",
    "SigningKeyService/RotateSigningKey",
    "SigningKeyService/WithdrawSigningKey",
];
/// RPCs for operators, and for tenants' own objects.
const OWNERS: [&str; 2] = ["TenantService/GetTenant", "AuditService/ListAuditEvents"];

/// RPCs for every caller with a valid credential.
const AUTHENTICATED: [&str; 1] = ["CallerService/WhoAmI"];

/// Returns every method that needs a credential.
pub(crate) fn authenticated() -> impl Iterator<Item = &'static str> {
    KEEPERS.into_iter().chain(OPERATORS).chain(OWNERS).chain(AUTHENTICATED)
}

/// Calls any method with an empty message.
pub(crate) async fn call(port: u16, method: &str, credential: Option<&str>) -> Code {
    let channel =
        Endpoint::from_shared(format!("http://127.0.0.1:{port}")).expect("an address").connect_lazy();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.expect("Latchkey listens");
    let mut request = tonic::Request::new(());
    if let Some(credential) = credential {
        let value = format!("Bearer {credential}").parse().expect("a metadata value");
        request.metadata_mut().insert("authorization", value);
    }
    let path = format!("/latchkey.v1.{method}").parse().expect("a path");
    let answer = client.unary::<(), (), _>(request, path, ProstCodec::default()).await;
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

#[test]
fn every_rpc_of_the_contract_has_a_row() {
    let set: FileDescriptorSet =
        prost::Message::decode(latchkey_proto::FILE_DESCRIPTOR_SET).expect("the descriptors are whole");
    let files = set.file.iter().filter(|file| file.package() == "latchkey.v1");
    let contract: BTreeSet<String> = files
        .flat_map(|file| &file.service)
        .flat_map(|service| service.method.iter().map(move |m| format!("{}/{}", service.name(), m.name())))
        .collect();
    let rows = OPEN.iter().chain(&KEEPERS).chain(&OPERATORS).chain(&OWNERS).chain(&AUTHENTICATED);
    assert_eq!(contract, rows.map(|row| (*row).to_owned()).collect());
}

async fn a_call_without_a_credential_is_unauthenticated(database: Database) {
    let shop = Shop::open(database).await;
    for method in authenticated() {
        let code = call(shop.latchkey.grpc(), method, None).await;
        assert_eq!(code, Code::Unauthenticated, "{method}");
    }
    for method in &OPEN[..2] {
        assert_eq!(call(shop.latchkey.grpc(), method, None).await, Code::Ok, "{method}");
    }
}

async fn a_key_without_the_scope_may_not_manage(database: Database) {
    let shop = Shop::open(database).await;
    let value = shop.operator.key(scoped("acme", &["orders.read", "orders.write"])).await.1;
    for method in KEEPERS.iter().chain(&OPERATORS) {
        let code = call(shop.latchkey.grpc(), method, Some(&value)).await;
        assert_eq!(code, Code::PermissionDenied, "{method}");
    }
    let caller = shop.latchkey.caller(&value);
    assert_eq!(refused(caller.try_key(key("", "live")).await), Code::PermissionDenied);
}

async fn a_tenants_key_may_not_do_what_operators_do(database: Database) {
    let shop = Shop::open(database).await;
    let manager = scoped("acme", &["api_keys.manage", "orders.read", "orders.write"]);
    let value = shop.operator.key(manager).await.1;
    for method in OPERATORS {
        let code = call(shop.latchkey.grpc(), method, Some(&value)).await;
        assert_eq!(code, Code::PermissionDenied, "{method}");
    }
    let caller = shop.latchkey.caller(&value);
    let widen = UpdateTenantRequest {
        tenant: Some(Tenant { slug: "acme".to_owned(), plan: "big".to_owned(), ..Tenant::default() }),
        update_mask: Some(field_mask(&["plan"])),
    };
    assert_eq!(refused(caller.tenants().update_tenant(widen).await), Code::PermissionDenied);
    let other = GetTenantRequest { tenant: "bank".to_owned() };
    let code = refused(caller.tenants().get_tenant(other).await);
    assert!(matches!(code, Code::NotFound | Code::PermissionDenied), "{code:?}");
    assert_eq!(
        refused(caller.tenants().list_tenants(ListTenantsRequest::default()).await),
        Code::PermissionDenied
    );
}

async fn every_way_of_sending_a_credential_is_taken(database: Database) {
    let shop = Shop::open(database).await;
    let port = shop.latchkey.grpc();
    let bearer = format!("bearer {ROOT_KEY}");
    for metadata in [[("x-api-key", ROOT_KEY)], [("authorization", bearer.as_str())]] {
        let caller = Caller::sending(port, &metadata);
        let answer = caller.tenants().list_tenants(ListTenantsRequest::default()).await;
        assert_eq!(answer.expect("an operator may").into_inner().tenants.len(), 2, "{metadata:?}");
    }
}

async fn an_invalid_credential_is_unauthenticated(database: Database) {
    let shop = Shop::open(database).await;
    let port = shop.latchkey.grpc();
    let (made, revoked) = shop.operator.key(scoped("acme", &["api_keys.manage"])).await;
    let _ = shop.operator.revoke(&made.id).await;
    let (bearer, other) = (format!("Bearer {ROOT_KEY}"), format!("Bearer {revoked}"));
    let wrong: [&[(&str, &str)]; 9] = [
        &[("x-api-key", "")],
        &[("x-api-key", "nonsense")],
        &[("x-api-key", &revoked)],
        &[("authorization", "Basic cm9vdDpyb290")],
        &[("authorization", &other)],
        &[("x-api-key", &ROOT_KEY[1..])],
        &[("x-api-key", ROOT_KEY), ("x-api-key", &revoked)],
        &[("authorization", &bearer), ("x-api-key", &revoked)],
        &[("authorization", &bearer), ("authorization", &other)],
    ];
    for metadata in wrong {
        let answer =
            Caller::sending(port, metadata).tenants().list_tenants(ListTenantsRequest::default()).await;
        let code = answer.map_or_else(|status| status.code(), |_| Code::Ok);
        assert_eq!(code, Code::Unauthenticated, "{metadata:?}");
    }
}
