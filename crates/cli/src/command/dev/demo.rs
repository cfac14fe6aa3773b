//! Data of `dev`: the demo profile, a tenant, and a key that may read but not write.

use std::net::SocketAddr;

use latchkey_proto::v1;

use crate::args::Secret;
use crate::call::Server;
use crate::exit::CliError;

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../profiles/demo.toml"));

/// The demo tenant's slug.
pub(super) const TENANT: &str = "demo";

/// Creates the demo data by ordinary management calls. Returns the key's value.
pub(super) async fn make(grpc: SocketAddr, root: &Secret) -> Result<Secret, CliError> {
    let server = Server::connect(&grpc.to_string(), Some(root)).await?;
    let document = DOCUMENT.to_owned();
    let ask = v1::ApplyProfileRequest { document, ..v1::ApplyProfileRequest::default() };
    server.profiles().apply_profile(ask).await?;
    let tenant = v1::CreateTenantRequest {
        slug: TENANT.to_owned(),
        display_name: "Demo".to_owned(),
        profile: "demo".to_owned(),
        ..v1::CreateTenantRequest::default()
    };
    server.tenants().create_tenant(tenant).await?;
    let key = v1::CreateKeyRequest {
        tenant: TENANT.to_owned(),
        name: "reader".to_owned(),
        scopes: vec!["things.read".to_owned()],
        ..v1::CreateKeyRequest::default()
    };
    Ok(Secret(server.keys().create_key(key).await?.into_inner().secret))
}
