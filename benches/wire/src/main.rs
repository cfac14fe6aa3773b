//! Two no-op servers built in the usual way: tonic with its defaults on the multi-thread runtime, allowing
//! every request. `envoy` serves Envoy's API by the crate envoy-types, `native` serves Latchkey's. Costs of a
//! real Check are compared with theirs. `ask` is a client that fills a cache, `write` one that
//! writes, `list` one that reads lists of keys.

mod client;
mod lists;
mod writes;

use std::time::Duration;

use envoy_types::ext_authz::v3::CheckResponseExt as _;
use envoy_types::ext_authz::v3::pb::{Authorization, AuthorizationServer, CheckRequest, CheckResponse};
use latchkey_proto::v1;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use v1::check_service_server::{CheckService, CheckServiceServer};

struct AllowAll;

#[tonic::async_trait]
impl Authorization for AllowAll {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        drop(request);
        Ok(Response::new(CheckResponse::with_status(Status::ok(""))))
    }
}

#[tonic::async_trait]
impl CheckService for AllowAll {
    async fn check(&self, request: Request<v1::CheckRequest>) -> Result<Response<v1::CheckResponse>, Status> {
        drop(request);
        let decision = v1::Decision::Allow.into();
        Ok(Response::new(v1::CheckResponse { decision, ..v1::CheckResponse::default() }))
    }

    async fn batch_check(
        &self,
        _: Request<v1::BatchCheckRequest>,
    ) -> Result<Response<v1::BatchCheckResponse>, Status> {
        Err(Status::unimplemented("not part of the benchmark"))
    }
}

/// Usage of the servers and of the two clients.
const USAGE: &str = "usage: latchkey-bench-wire envoy|native ADDRESS
       latchkey-bench-wire ask ADDRESS FIRST KEYS BATCH CALLERS COST
       latchkey-bench-wire list ADDRESS OPERATOR_KEY PAGES HINT
       latchkey-bench-wire write CreateKey|RevokeKey|IssueJwt|RefreshJwt CALLERS SECONDS OPERATOR_KEY ADDRESS...";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut server = Server::builder();
    match arguments.as_slice() {
        ["envoy", address] => {
            server.add_service(AuthorizationServer::new(AllowAll)).serve(address.parse()?).await?;
        }
        ["native", address] => {
            server.add_service(CheckServiceServer::new(AllowAll)).serve(address.parse()?).await?;
        }
        ["ask", address, first, keys, batch, callers, cost] => {
            let (first, keys): (u64, u64) = (first.parse()?, keys.parse()?);
            let (batch, callers, cost) = (batch.parse()?, callers.parse()?, cost.parse()?);
            let (address, keys) = ((*address).to_owned(), first..first + keys);
            client::run(client::ClientOptions { address, keys, batch, callers, cost }).await?;
        }
        ["list", address, operator, pages, hint] => {
            let [address, operator, hint] = [address, operator, hint].map(|word| (*word).to_owned());
            lists::run(lists::ListOptions { address, operator, pages: pages.parse()?, hint }).await?;
        }
        ["write", call, callers, seconds, operator, addresses @ ..] if !addresses.is_empty() => {
            let call = writes::WriteCall::named(call).ok_or(USAGE)?;
            let (callers, duration) = (callers.parse()?, Duration::from_secs_f64(seconds.parse()?));
            let (operator, addresses) = ((*operator).to_owned(), addresses.iter().map(ToString::to_string));
            let addresses = addresses.collect();
            writes::run(writes::WriteOptions { addresses, call, callers, duration, operator }).await?;
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}
