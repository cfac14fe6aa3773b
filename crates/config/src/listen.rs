//! Settings of the ports.

use std::time::Duration;

use super::definitions::{self, Setting};
use super::error::ConfigError;
use super::listen_address::ListenAddress;
use super::reader::SettingsReader;
use super::unix_socket::UnixSocketSettings;
use super::values;

/// Addresses of the ports.
#[derive(Clone, Debug)]
pub struct ListenSettings {
    /// Address of the gRPC port.
    pub grpc: ListenAddress,
    /// Address of the management port; `None` if management is served on the gRPC port.
    pub management: Option<ListenAddress>,
    /// Address of the HTTP port.
    pub http: ListenAddress,
    /// Address of the port of probes and metrics; `None` if the HTTP port serves them.
    pub admin: Option<ListenAddress>,
    /// Permissions of the files of Unix sockets.
    pub unix_socket: UnixSocketSettings,
    /// Maximum number of gRPC connections.
    pub connections: usize,
    /// Time without a call after which a gRPC connection is closed; `None` if it may stay until others wait.
    pub max_connection_idle: Option<Duration>,
}

impl SettingsReader<'_> {
    pub(super) fn listen(&mut self) -> Option<ListenSettings> {
        let insecure = self.read(&definitions::INSECURE, values::switch);
        let has_certificate = self.has_certificate();
        let open = |text: &str| {
            let grpc = ListenAddress::parse(text)?;
            // An invalid value of `insecure` has an error of its own.
            if has_certificate || grpc.is_local() || insecure != Some(false) {
                return Ok(grpc);
            }
            Err(format!(
                "other machines can reach {grpc}, and credentials would be sent in plain text: \
                 give tls_cert and tls_key, or serve on 127.0.0.1 behind a proxy with TLS, or pass --insecure \
                 (LATCHKEY_INSECURE=true) if the network is trusted"
            ))
        };
        let grpc = self.read(&definitions::GRPC_ADDR, open);
        let before = self.errors.len();
        let management = self.read(&definitions::MANAGEMENT_ADDR, open);
        if self.errors.len() > before {
            return None;
        }
        let http_tls = has_certificate && self.wants_http_tls();
        let http = self.read(&definitions::HTTP_ADDR, |text| {
            let http = ListenAddress::parse(text)?;
            if http_tls || http.is_local() || insecure != Some(false) {
                return Ok(http);
            }
            Err(format!(
                "other machines can reach {http}, and keys and tokens of products' endpoints would be sent in plain \
                 text: give http_tls with tls_cert and tls_key, or serve on 127.0.0.1 behind a proxy with TLS, or \
                 pass --insecure (LATCHKEY_INSECURE=true) if the network is trusted; probes and metrics can have an \
                 address of their own (admin_addr)"
            ))
        });
        let admin = self.read(&definitions::ADMIN_ADDR, ListenAddress::parse);
        if admin.is_none() && self.is_given(&definitions::ADMIN_ADDR) {
            return None;
        }
        self.check_distinct_addresses(&[
            (&definitions::GRPC_ADDR, grpc.as_ref()),
            (&definitions::MANAGEMENT_ADDR, management.as_ref()),
            (&definitions::HTTP_ADDR, http.as_ref()),
            (&definitions::ADMIN_ADDR, admin.as_ref()),
        ]);
        let unix_socket =
            self.unix_socket(&[grpc.as_ref(), management.as_ref(), http.as_ref(), admin.as_ref()]);
        self.check_unix_certificates(grpc.as_ref(), management.as_ref());
        let connections = self.read(&definitions::MAX_CONNECTIONS, |t| values::number(t, 1, 1_000_000));
        let idle = self.read(&definitions::MAX_CONNECTION_IDLE, |text| {
            values::duration(text, Duration::ZERO, Duration::from_hours(24 * 365))
        });
        let max_connection_idle = Some(idle?).filter(|idle| !idle.is_zero());
        let (grpc, http, connections) = (grpc?, http?, connections?);
        let unix_socket = unix_socket?;
        Some(ListenSettings { grpc, management, http, admin, unix_socket, connections, max_connection_idle })
    }

    /// Checks that no setting asks the clients of a Unix socket for a certificate. Such a socket is served in plain text,
    /// since the kernel knows who is connected to it.
    fn check_unix_certificates(&mut self, grpc: Option<&ListenAddress>, management: Option<&ListenAddress>) {
        let is_unix = |address: Option<&ListenAddress>| address.is_some_and(|one| one.unix_path().is_some());
        let (grpc_is_unix, management_is_unix) = (is_unix(grpc), is_unix(management));
        let by_certificate =
            self.given(&definitions::CHECK_AUTH).is_some_and(|given| given.value == "certificate");
        let client_ca = grpc_is_unix && (management.is_none() || management_is_unix);
        for (setting, refused) in [
            (&definitions::CHECK_AUTH, grpc_is_unix && by_certificate),
            (&definitions::TLS_CLIENT_CA, client_ca && self.is_given(&definitions::TLS_CLIENT_CA)),
            (
                &definitions::MANAGEMENT_TLS_CLIENT_CA,
                management_is_unix && self.is_given(&definitions::MANAGEMENT_TLS_CLIENT_CA),
            ),
        ] {
            if refused {
                let place = self.given(setting).map(|given| given.origin).unwrap_or_default();
                let remedy = "clients of a Unix socket have no certificate: limit them by unix_socket_mode and \
                              unix_socket_group, or by check_auth = \"key\", or serve on IP:PORT";
                self.add_error(ConfigError::new(setting.key, place, remedy));
            }
        }
    }

    /// Returns whether the HTTP port is to use TLS. An invalid value is reported with the settings of TLS.
    fn wants_http_tls(&self) -> bool {
        let given = self.sources.find(&definitions::HTTP_TLS).ok().flatten();
        given.is_some_and(|given| values::switch(&given.value) == Ok(true))
    }

    /// Checks that no two ports have the same address, since the second one could not be bound.
    fn check_distinct_addresses(&mut self, ports: &[(&Setting, Option<&ListenAddress>)]) {
        for (number, (setting, address)) in ports.iter().enumerate() {
            let same = |other: Option<&ListenAddress>| address.zip(other).is_some_and(|(a, b)| a.collides(b));
            if let Some((first, _)) = ports[..number].iter().find(|(_, other)| same(*other)) {
                let place = self.given(setting).map(|given| given.origin).unwrap_or_default();
                let remedy = format!("{} has the same address: give each an address of its own", first.key);
                self.add_error(ConfigError::new(setting.key, place, remedy));
            }
        }
    }
}
