//! Rights of a certificate's name: only the table in the settings grants them.

use latchkey_proto::v1;
use latchkey_proto::v1::caller_service_client::CallerServiceClient;
use latchkey_proto::v1::key_service_client::KeyServiceClient;
use latchkey_testing::{Folder, Pair, Setup};
use tonic::Code;

use crate::fixture::Fixture;

const TABLE: &str = r#"
[operators]
"spiffe://corp.example/ops" = { scopes = ["latchkey.admin"] }
"spiffe://corp.example/desk" = { scopes = ["latchkey.support"] }
"spiffe://corp.example/wall" = { tenant = "latchkey", scopes = ["latchkey.read"] }
"deploy.acme.example" = { tenant = "acme", scopes = ["api_keys.manage", "things.read"] }
"reader.acme.example" = { tenant = "acme", scopes = ["things.read"] }
"#;

fn with_table(setup: Setup, folder: &Folder) -> Setup {
    setup.environment("LATCHKEY_CONFIG", &folder.write("latchkey.toml", TABLE).display().to_string())
}

fn tenant(slug: &str) -> v1::CreateTenantRequest {
    let (slug, display_name, profile) = (slug.to_owned(), slug.to_owned(), "demo".to_owned());
    v1::CreateTenantRequest { slug, display_name, profile, ..v1::CreateTenantRequest::default() }
}

async fn make(fixture: &Fixture, pair: &Pair, tenant: &str, scopes: &[&str]) -> Result<v1::Key, Code> {
    let channel = Fixture::channel(fixture.latchkey.grpc(), &fixture.ca, Some(pair));
    let ask = v1::CreateKeyRequest {
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        ..latchkey_testing::key(tenant, "")
    };
    let made = KeyServiceClient::new(channel).create_key(ask).await;
    made.map(|made| made.into_inner().key.expect("a created key is returned")).map_err(|status| status.code())
}

#[tokio::test]
async fn a_name_may_do_what_the_table_says_and_no_more() {
    let fixture = Fixture::start(true, with_table);
    let ops = fixture.clients.issue(&["spiffe://corp.example/ops"]);
    for slug in ["acme", "other"] {
        fixture.tenants(Some(&ops)).create_tenant(tenant(slug)).await.expect("an operator makes tenants");
    }
    let deploy = fixture.clients.issue(&["deploy.acme.example"]);
    let key = make(&fixture, &deploy, "acme", &["things.read"]).await.expect("its own tenant's keys");
    assert_eq!(key.created_by, "certificate deploy.acme.example");
    assert_eq!(make(&fixture, &deploy, "acme", &["things.write"]).await.unwrap_err(), Code::PermissionDenied);
    assert_eq!(make(&fixture, &deploy, "other", &["things.read"]).await.unwrap_err(), Code::NotFound);
    let refused = fixture.tenants(Some(&deploy)).create_tenant(tenant("third")).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "operators alone make tenants");
    let reader = fixture.clients.issue(&["reader.acme.example"]);
    assert_eq!(make(&fixture, &reader, "acme", &[]).await.unwrap_err(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_name_has_the_role_that_the_table_gives_it() {
    let fixture = Fixture::start(true, with_table);
    let ops = fixture.clients.issue(&["spiffe://corp.example/ops"]);
    fixture.tenants(Some(&ops)).create_tenant(tenant("acme")).await.expect("an operator makes tenants");
    let key = make(&fixture, &ops, "acme", &["things.read"]).await.expect("an operator makes keys");
    for (name, role) in [("spiffe://corp.example/wall", "read"), ("spiffe://corp.example/desk", "support")] {
        let pair = fixture.clients.issue(&[name]);
        let channel = Fixture::channel(fixture.latchkey.grpc(), &fixture.ca, Some(&pair));
        let who = CallerServiceClient::new(channel.clone()).who_am_i(v1::WhoAmIRequest {}).await;
        let who = who.expect("an operator's certificate").into_inner();
        assert_eq!((who.role.as_str(), who.subject_id.as_str(), who.operator), (role, name, true));
        let list = fixture.tenants(Some(&pair)).list_tenants(v1::ListTenantsRequest::default()).await;
        assert_eq!(list.expect("every role lists").into_inner().tenants.len(), 1, "{role}");
        assert_eq!(
            make(&fixture, &pair, "acme", &["things.read"]).await.unwrap_err(),
            Code::PermissionDenied
        );
        let made = make(&fixture, &pair, "latchkey", &["latchkey.read"]).await;
        assert_eq!(made.unwrap_err(), Code::PermissionDenied, "{role}");
        let ask = v1::RevokeKeyRequest { id: key.id.clone(), ..v1::RevokeKeyRequest::default() };
        let revoked = KeyServiceClient::new(channel).revoke_key(ask).await.map_err(|status| status.code());
        assert_eq!(revoked.map(drop), if role == "support" { Ok(()) } else { Err(Code::PermissionDenied) });
    }
}

#[tokio::test]
async fn an_unknown_name_two_names_and_a_wrong_key_are_refused() {
    let fixture = Fixture::start(true, with_table);
    let list = async |pair: &Pair, key: Option<&str>| {
        let mut request = tonic::Request::new(v1::ListTenantsRequest::default());
        if let Some(key) = key {
            request.metadata_mut().insert("x-api-key", key.parse().unwrap());
        }
        fixture.tenants(Some(pair)).list_tenants(request).await.map(drop).map_err(|status| status.code())
    };
    let strange = fixture.clients.issue(&["spiffe://corp.example/Ops", "ops"]);
    assert_eq!(list(&strange, None).await, Err(Code::Unauthenticated), "a URI is compared to the letter");
    let two = fixture.clients.issue(&["spiffe://corp.example/ops", "reader.acme.example"]);
    assert_eq!(list(&two, None).await, Err(Code::Unauthenticated), "nobody can say which is meant");
    let ops = fixture.clients.issue(&["spiffe://corp.example/ops"]);
    assert_eq!(list(&ops, None).await, Ok(()));
    assert_eq!(
        list(&ops, Some("wrong")).await,
        Err(Code::Unauthenticated),
        "a credential that is sent is the one that counts"
    );
    assert_eq!(
        list(&strange, Some(latchkey_testing::ROOT_KEY)).await,
        Ok(()),
        "and a good one counts whatever the name"
    );
}
