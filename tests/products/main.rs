//! Tests of four products against their documentation, each by the profile that ships, through a real Envoy.
//! `statements.md` lists the test of each of their statements. PayKore has its own tests.

mod auxvault;
mod documents;
mod lumen;
mod luxcore;
mod luxor;
mod octo;
mod permissions;
mod promises;
mod rest_auxvault;
mod rest_keys;
mod rest_lumen;
mod routes;
mod statements;

use latchkey_testing::{Answer, Caller, Envoy, EnvoySetup, Latchkey, Request, Setup};

/// A product with one tenant, `acme`.
struct Product {
    host: &'static str,
    envoy: Envoy,
    operator: Caller,
    latchkey: Latchkey,
}

impl Product {
    async fn open(name: &str, host: &'static str) -> Self {
        Self::asked(name, host, &EnvoySetup::default()).await
    }

    /// Opens a product with an Envoy of this set-up.
    async fn asked(name: &str, host: &'static str, setup: &EnvoySetup) -> Self {
        let latchkey = Setup::default().shipped(name).start();
        let operator = latchkey.operator();
        let _ = operator.tenant("acme", name, "").await;
        let envoy = Envoy::start(latchkey.grpc(), setup);
        Self { host, envoy, operator, latchkey }
    }

    /// Sends `METHOD PATH` with these headers.
    fn send(&self, call: &str, headers: &[(&str, &str)]) -> Answer {
        let (method, path) = call.split_once(' ').expect("a method and a path");
        let request = Request::new(method, self.host, path);
        self.envoy.send(&headers.iter().fold(request, |request, (name, value)| request.header(name, value)))
    }
}

/// Asserts that status and body are exactly these, and that the content type is JSON.
fn assert_refused(answer: &Answer, status: u16, body: &str) {
    assert_eq!((answer.status, answer.body.as_str()), (status, body), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
}
