//! Ports of the process: bound before anything else, so that supervisors see that it is alive.

use std::sync::Arc;

use latchkey_config::{ConfigErrors, ListenAddress, ListenSettings, TlsSettings};
use latchkey_transport::tls::{Acceptor, Protocol, TlsFiles};
use latchkey_transport::{BindAddress, BoundPort, ConnectionLimits, Listener, PortConfig, UnixSocketFile};

use crate::clock::SystemClock;
use crate::config::tls as files;
use crate::error::ServeError;
use crate::http_server::{self, ServedPaths};
use crate::rate_limiter::RateLimiter;
use crate::router::{PortRouter, Router};
use crate::served_apis::ServedApis;

/// Size of the kernel's buffer of a gRPC connection, in bytes: lists of keys are long.
const SEND_BUFFER: u32 = 256 * 1024;

/// Bound HTTP port.
pub(crate) struct HttpPort {
    pub(crate) listener: Arc<Listener>,
    pub(crate) tls: Option<Arc<Acceptor>>,
    pub(crate) paths: ServedPaths,
}

/// Binds one of the addresses in `listen`.
fn bind(
    setting: &'static str,
    address: &ListenAddress,
    listen: &ListenSettings,
    limits: ConnectionLimits,
) -> Result<Arc<Listener>, ServeError> {
    let name = setting.trim_end_matches("_addr");
    let place = match address {
        ListenAddress::Tcp(address) => BindAddress::Tcp(*address),
        ListenAddress::Unix(path) => {
            let (mode, group) = (listen.unix_socket.mode, listen.unix_socket.group);
            BindAddress::Unix(UnixSocketFile { path: path.clone(), mode, group })
        }
    };
    let bound = Listener::bind(name, &place, limits);
    bound.map(Arc::new).map_err(|error| ServeError::Bind { setting, address: address.clone(), error })
}

/// Returns the TLS settings that apply to an address. A Unix socket is served in plain text: the kernel passes its bytes from
/// one process to the other.
fn tls_of<'a>(address: &ListenAddress, tls: Option<&'a TlsSettings>) -> Option<&'a TlsSettings> {
    tls.filter(|_| address.unix_path().is_none())
}

/// Binds the gRPC port, and the management port if there is one.
pub(crate) fn bind_grpc_ports(
    router: &Arc<Router<RateLimiter>>,
    listen: &ListenSettings,
    tls: Option<&TlsSettings>,
) -> Result<Vec<BoundPort<PortRouter<RateLimiter>>>, ServeError> {
    let apis = if listen.management.is_some() { ServedApis::Check } else { ServedApis::All };
    let (open, max_idle) = (listen.connections, listen.max_connection_idle);
    let limits = ConnectionLimits { open, max_idle, send_buffer: SEND_BUFFER };
    let bound = |listener, apis, files: Option<TlsFiles>| {
        let tls = files.map(|files| tls_acceptor(files, Protocol::Http2)).transpose()?;
        let service = PortRouter { router: Arc::clone(router), apis };
        Ok::<_, ServeError>(BoundPort { listener, port: Arc::new(PortConfig { service, tls }) })
    };
    let grpc = bind("grpc_addr", &listen.grpc, listen, limits)?;
    let mut bound_ports = vec![bound(grpc, apis, tls_of(&listen.grpc, tls).map(files::grpc))?];
    if let Some(address) = &listen.management {
        let management = bind("management_addr", address, listen, limits)?;
        let files = tls_of(address, tls).map(files::management);
        bound_ports.push(bound(management, ServedApis::Management, files)?);
    }
    Ok(bound_ports)
}

/// Binds the HTTP port, and the admin port if there is one.
pub(crate) fn bind_http_ports(
    listen: &ListenSettings,
    tls: Option<&TlsSettings>,
) -> Result<Vec<HttpPort>, ServeError> {
    let tls = tls.filter(|tls| tls.http);
    let acceptor = |address| {
        let tls = tls_of(address, tls);
        let acceptor = tls.map(|tls| tls_acceptor(files::http_port(tls), Protocol::Http1)).transpose()?;
        Ok::<_, ServeError>(acceptor.map(Arc::new))
    };
    let paths = if listen.admin.is_some() { ServedPaths::Products } else { ServedPaths::All };
    let listener = bind("http_addr", &listen.http, listen, http_server::LIMITS)?;
    let mut ports = vec![HttpPort { listener, tls: acceptor(&listen.http)?, paths }];
    if let Some(address) = &listen.admin {
        let listener = bind("admin_addr", address, listen, http_server::LIMITS)?;
        ports.push(HttpPort { listener, tls: acceptor(address)?, paths: ServedPaths::Admin });
    }
    Ok(ports)
}

fn tls_acceptor(given: TlsFiles, protocol: Protocol) -> Result<Acceptor, ServeError> {
    let config_errors =
        |problems: Vec<_>| ConfigErrors(problems.into_iter().map(files::config_error).collect());
    Acceptor::new(given, protocol, Arc::new(SystemClock))
        .map_err(|problems| ServeError::Tls(config_errors(problems)))
}
