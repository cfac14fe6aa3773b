//! Tests of each rule of the document format, with products that are not shipped: through a real Envoy where
//! a client sees the effect, and by a native Check where only services do.

mod address;
mod endpoints;
mod example;
mod extensions;
mod hosts;
mod limits;
mod refills;
mod route_errors;
mod sources;
mod templates;

use latchkey_testing::{Answer, Caller, Envoy, EnvoySetup, Latchkey, Request, Setup};

/// A product of a test, with one tenant, `acme`.
struct Product {
    envoy: Envoy,
    operator: Caller,
    latchkey: Latchkey,
}

impl Product {
    async fn of(document: &str) -> Self {
        Self::asked(document, &EnvoySetup::default()).await
    }

    async fn asked(document: &str, setup: &EnvoySetup) -> Self {
        let latchkey = Setup::default().start();
        let operator = latchkey.operator();
        let applied = operator.apply(document).await.unwrap_or_else(|status| panic!("{status:?}"));
        let _ = operator.tenant("acme", &applied.name, "").await;
        let envoy = Envoy::start(latchkey.grpc(), setup);
        Self { envoy, operator, latchkey }
    }

    /// Sends `METHOD PATH` to a host with these headers.
    fn at(&self, host: &str, call: &str, headers: &[(&str, &str)]) -> Answer {
        let (method, path) = call.split_once(' ').expect("a method and a path");
        let request = Request::new(method, host, path);
        self.envoy.send(&headers.iter().fold(request, |request, (name, value)| request.header(name, value)))
    }

    fn send(&self, call: &str, headers: &[(&str, &str)]) -> Answer {
        self.at("api.example.dev", call, headers)
    }
}
