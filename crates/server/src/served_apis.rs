//! APIs of a port. Check and management can have separate ports, so that a network can be open for one and closed for
//! the other.

use latchkey_proto::envoy::auth::authorization_server;
use latchkey_proto::v1::check_service_server;

/// APIs that a port serves; health and reflection are on each port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServedApis {
    /// All APIs.
    All,
    /// Check, by Envoy's API and by Latchkey's own.
    Check,
    /// All APIs but Check.
    Management,
}

impl ServedApis {
    /// Returns true if the call with this path is served.
    pub(crate) fn includes(self, path: &str) -> bool {
        self == Self::All || self.includes_service(path)
    }

    fn includes_service(self, path: &str) -> bool {
        let service = path.strip_prefix('/').and_then(|path| path.split('/').next()).unwrap_or_default();
        let check =
            [authorization_server::SERVICE_NAME, check_service_server::SERVICE_NAME].contains(&service);
        match self {
            Self::All => true,
            Self::Check => check || service.starts_with("grpc."),
            Self::Management => !check,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_is_answered_by_the_port_it_belongs_to() {
        let on = |path: &str| {
            [ServedApis::All, ServedApis::Check, ServedApis::Management].map(|apis| apis.includes(path))
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
