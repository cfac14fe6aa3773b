//! What is particular to one port: whether it speaks TLS, and what it answers. Checks and management may have ports
//! of their own, so that a network can be open for the one and closed for the other.

use std::sync::Arc;

use latchkey_proto::envoy::auth::authorization_server;
use latchkey_proto::v1::check_service_server;

use crate::listen::Listener;
use crate::tls::Acceptor;

/// What a port answers; health and reflection are on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offers {
    /// All of it.
    Everything,
    /// Envoy's Check and our own.
    Checks,
    /// All the rest.
    Management,
}

impl Offers {
    /// Whether a call is answered here, by its path.
    pub(super) fn includes(self, path: &str) -> bool {
        self == Self::Everything || self.has(path)
    }

    fn has(self, path: &str) -> bool {
        let service = path.strip_prefix('/').and_then(|path| path.split('/').next()).unwrap_or_default();
        let check =
            [authorization_server::SERVICE_NAME, check_service_server::SERVICE_NAME].contains(&service);
        match self {
            Self::Everything => true,
            Self::Checks => check || service.starts_with("grpc."),
            Self::Management => !check,
        }
    }
}

/// One port's own matters.
pub(crate) struct Port {
    pub(crate) offers: Offers,
    pub(crate) tls: Option<Acceptor>,
}

/// A port that is bound.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) listener: Arc<Listener>,
    pub(crate) port: Arc<Port>,
}

impl Port {
    /// Keeps up with its certificate until it is dropped.
    pub(crate) async fn keep(&self) {
        match &self.tls {
            Some(acceptor) => acceptor.keep().await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_is_answered_by_the_port_it_belongs_to() {
        let on = |path: &str| {
            [Offers::Everything, Offers::Checks, Offers::Management].map(|offers| offers.includes(path))
        };
        assert_eq!(on("/envoy.service.auth.v3.Authorization/Check"), [true, true, false]);
        assert_eq!(on("/latchkey.v1.CheckService/BatchCheck"), [true, true, false]);
        assert_eq!(on("/latchkey.v1.KeyService/CreateKey"), [true, false, true]);
        assert_eq!(on("/latchkey.v1.TokenService/IssueJwt"), [true, false, true]);
        assert_eq!(on("/grpc.health.v1.Health/Check"), [true, true, true]);
        assert_eq!(on("/latchkey.v1.CheckServiceX/Check"), [true, false, true]);
        assert_eq!(on("*"), [true, false, true]);
    }
}
