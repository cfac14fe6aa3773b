//! Four products as their documentation has them, each by the profile that ships, through a real Envoy.
//! `statements.md` says which test holds which of their statements; PayKore has tests of its own beside.

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

    /// With an Envoy of this set-up.
    async fn asked(name: &str, host: &'static str, setup: &EnvoySetup) -> Self {
        let latchkey = Setup::default().shipped(name).start();
        let operator = latchkey.operator();
        let _ = operator.tenant("acme", name, "").await;
        let envoy = Envoy::start(latchkey.grpc(), setup);
        Self { host, envoy, operator, latchkey }
    }

    /// `METHOD PATH` with these headers.
    fn send(&self, call: &str, headers: &[(&str, &str)]) -> Answer {
        let (method, path) = call.split_once(' ').expect("a method and a path");
        let request = Request::new(method, self.host, path);
        self.envoy.send(&headers.iter().fold(request, |request, (name, value)| request.header(name, value)))
    }
}

/// Status and body are these, to the letter, and the body says that it is JSON.
fn assert_refused(answer: &Answer, status: u16, body: &str) {
    assert_eq!((answer.status, answer.body.as_str()), (status, body), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
}
