//! Tonic service that is protected by the guard. The service is gRPC's standard health check, so that the example
//! needs no .proto file: `cargo run -p latchkey-client --example tonic_service`, and then `grpcurl -plaintext -H
//! 'x-api-key: …' 127.0.0.1:8001 grpc.health.v1.Health/Check`.

use latchkey_client::{Checker, Connect, Guard};
use tonic::service::Routes;
use tonic::transport::Server;
use tower_layer::Layer as _;

/// Returns the service, protected by the Latchkey server that the checker asks. Its methods get the caller from
/// `request.extensions().get::<latchkey_client::v1::Principal>()`.
///
/// A gRPC call is a POST to `/package.Service/Method`, for which a profile can have routes. This example asks for scopes
/// alone, so that they do not depend on the profile's routes.
pub(crate) fn service(checker: Checker) -> Routes {
    let guard = Guard::new(checker).profile("demo").customize_request(|request, check| {
        check.scopes_only = true;
        let writes = request.uri.path().ends_with("/Watch");
        check.scopes = vec![if writes { "things.write" } else { "things.read" }.to_owned()];
    });
    let (_reporter, health) = tonic_health::server::health_reporter();
    Routes::new(guard.layer(health))
}

/// Serves on port 8001.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let latchkey = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:50051".to_owned());
    let checker = Checker::new(Connect::to(&latchkey).connect_lazy()?);
    Server::builder().add_routes(service(checker)).serve("127.0.0.1:8001".parse()?).await?;
    Ok(())
}
