//! Two no-op servers as everybody writes them: tonic as it comes, on the multi-thread runtime, with every
//! answer a constant yes. `envoy` speaks Envoy's own API by the crate envoy-types, `native` ours. What a real
//! Check costs on the wire is told against these.

use std::net::SocketAddr;

use envoy_types::ext_authz::v3::CheckResponseExt as _;
use envoy_types::ext_authz::v3::pb::{Authorization, AuthorizationServer, CheckRequest, CheckResponse};
use latchkey_proto::v1;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use v1::check_service_server::{CheckService, CheckServiceServer};

struct Yes;

#[tonic::async_trait]
impl Authorization for Yes {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        drop(request);
        Ok(Response::new(CheckResponse::with_status(Status::ok(""))))
    }
}

#[tonic::async_trait]
impl CheckService for Yes {
    async fn check(&self, request: Request<v1::CheckRequest>) -> Result<Response<v1::CheckResponse>, Status> {
        drop(request);
        let decision = v1::Decision::Allow.into();
        Ok(Response::new(v1::CheckResponse { decision, ..v1::CheckResponse::default() }))
    }

    async fn batch_check(
        &self,
        _: Request<v1::BatchCheckRequest>,
    ) -> Result<Response<v1::BatchCheckResponse>, Status> {
        Err(Status::unimplemented("nothing is measured by it"))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [which, address] = words.as_slice() else {
        return Err("usage: latchkey-bench-wire envoy|native ADDRESS".into());
    };
    let address: SocketAddr = address.parse()?;
    let mut server = Server::builder();
    match which.as_str() {
        "envoy" => server.add_service(AuthorizationServer::new(Yes)).serve(address).await?,
        "native" => server.add_service(CheckServiceServer::new(Yes)).serve(address).await?,
        other => return Err(format!("{other} is neither envoy nor native").into()),
    }
    Ok(())
}
