//! The address of Redis: one server, or nodes of a cluster, in plain text or over TLS. An address may hold a
//! password, so its `Debug` output and errors never contain it.

use std::fmt;
use std::sync::Once;

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsCertificates};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::connection::CONNECT_TIMEOUT;

/// An invalid address. The message says how to correct it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Unknown scheme, or no host.
    #[error(
        "not the URL of a Redis: write redis://[USER:PASSWORD@]HOST:PORT, rediss:// for TLS, \
         redis+cluster://HOST:PORT,HOST:PORT or rediss+cluster:// for a cluster, or unix:///PATH"
    )]
    Unknown,
    /// A database number with a cluster, which has only one database.
    #[error("a Redis Cluster has no numbered databases: leave /NUMBER out")]
    Numbered,
    /// TLS without verification of the certificate.
    #[error(
        "TLS without certificate verification is not supported: remove #insecure and configure the server's CA"
    )]
    Insecure,
    /// A CA without TLS.
    #[error("a CA is configured, but the URL does not use TLS: write rediss:// or rediss+cluster://")]
    NoTls,
    /// A CA file without a certificate.
    #[error("the CA file contains no readable certificate: it must be in PEM format")]
    BadCa,
}

/// The address of a Redis server or cluster.
#[derive(Clone)]
pub struct Address {
    nodes: Vec<ConnectionInfo>,
    cluster: bool,
    ca: Option<Vec<u8>>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl Address {
    /// Parses a URL. With TLS, only the certificates in `ca` are trusted, or the system's if there are none.
    pub fn parse(url: &str, ca: Option<Vec<u8>>) -> Result<Self, InvalidUrl> {
        let (scheme, rest) = url.split_once("://").ok_or(InvalidUrl::Unknown)?;
        let (scheme, cluster) = match scheme.strip_suffix("+cluster") {
            Some(scheme) => (scheme, true),
            None => (scheme, false),
        };
        let tls = match scheme {
            "redis" => false,
            "rediss" => true,
            "unix" | "redis+unix" if !cluster => false,
            _ => return Err(InvalidUrl::Unknown),
        };
        let nodes = if cluster { seeds(scheme, rest)? } else { vec![node(url)?] };
        match &ca {
            Some(_) if !tls => return Err(InvalidUrl::NoTls),
            Some(pem) if !holds_certificates(pem) => return Err(InvalidUrl::BadCa),
            _ => {}
        }
        Ok(Self { nodes, cluster, ca })
    }

    /// Returns whether the address is that of a cluster.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.cluster
    }

    /// Returns a client for each named node; for a single server, one client.
    pub(crate) fn clients(&self) -> Result<Vec<Client>, InvalidUrl> {
        choose_cryptography();
        let client = |node: &ConnectionInfo| match &self.ca {
            Some(_) => Client::build_with_tls(node.clone(), self.certificates()),
            None => Client::open(node.clone()),
        };
        self.nodes.iter().map(|node| client(node).map_err(|_| InvalidUrl::BadCa)).collect()
    }

    /// Returns a client of the cluster.
    pub(crate) fn cluster(&self) -> Result<ClusterClient, InvalidUrl> {
        choose_cryptography();
        let builder = ClusterClientBuilder::new(self.nodes.clone())
            .connection_timeout(CONNECT_TIMEOUT)
            .response_timeout(CONNECT_TIMEOUT)
            // Each call has its own deadline. Retries inside of the library follow a slot that has moved.
            .retries(3);
        let builder = if self.ca.is_some() { builder.certs(self.certificates()) } else { builder };
        builder.build().map_err(|_| InvalidUrl::Unknown)
    }

    fn certificates(&self) -> TlsCertificates {
        TlsCertificates { client_tls: None, root_cert: self.ca.clone() }
    }
}

/// Parses `[USER:PASSWORD@]HOST:PORT,HOST:PORT`, nodes that know the others.
fn seeds(scheme: &str, rest: &str) -> Result<Vec<ConnectionInfo>, InvalidUrl> {
    let (user, hosts) = match rest.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), rest),
    };
    let hosts = hosts.strip_suffix('/').unwrap_or(hosts);
    if hosts.contains('/') {
        return Err(InvalidUrl::Numbered);
    }
    hosts.split(',').map(|host| node(&format!("{scheme}://{user}{}", host.trim()))).collect()
}

fn node(url: &str) -> Result<ConnectionInfo, InvalidUrl> {
    let node = url.into_connection_info().map_err(|_| InvalidUrl::Unknown)?;
    match node.addr() {
        ConnectionAddr::TcpTls { insecure: true, .. } => Err(InvalidUrl::Insecure),
        _ => Ok(node),
    }
}

fn holds_certificates(pem: &[u8]) -> bool {
    let mut read = CertificateDer::pem_slice_iter(pem).peekable();
    read.peek().is_some() && read.all(|certificate| certificate.is_ok())
}

/// Selects the process's TLS cryptography provider, unless one is already selected.
fn choose_cryptography() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(rustls::crypto::aws_lc_rs::default_provider().install_default()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_or_a_cluster_in_plain_text_or_over_tls() {
        for (url, nodes, cluster) in [
            ("redis://cache:6379", 1, false),
            ("redis://latchkey:hunter2@cache:6379/3", 1, false),
            ("rediss://cache", 1, false),
            ("unix:///run/redis.sock", 1, false),
            ("redis+cluster://a:7000", 1, true),
            ("rediss+cluster://latchkey:hunter2@a:7000,b:7000, c/", 3, true),
        ] {
            let address = Address::parse(url, None).unwrap();
            assert_eq!((address.nodes.len(), address.is_cluster()), (nodes, cluster), "{url}");
            assert!(!format!("{address:?}").contains("hunter2"));
        }
        let address = Address::parse("rediss+cluster://latchkey:hunter2@a:7000,b:7000", None).unwrap();
        for node in &address.nodes {
            assert_eq!(node.redis_settings().password(), Some("hunter2"));
            assert!(matches!(node.addr(), ConnectionAddr::TcpTls { insecure: false, .. }));
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_repeating_it() {
        let not_pem = || Some(b"nothing".to_vec());
        for (url, ca, bad) in [
            ("cache:6379", None, InvalidUrl::Unknown),
            ("", None, InvalidUrl::Unknown),
            ("http://cache", None, InvalidUrl::Unknown),
            ("redis+cluster://", None, InvalidUrl::Unknown),
            ("redis+cluster://a:7000,", None, InvalidUrl::Unknown),
            ("unix+cluster:///run/x", None, InvalidUrl::Unknown),
            ("redis+cluster://a:7000/2", None, InvalidUrl::Numbered),
            ("rediss://cache:6379/#insecure", None, InvalidUrl::Insecure),
            ("redis://cache", not_pem(), InvalidUrl::NoTls),
            ("rediss://cache", not_pem(), InvalidUrl::BadCa),
            ("rediss://cache", Some(Vec::new()), InvalidUrl::BadCa),
        ] {
            assert_eq!(Address::parse(url, ca).unwrap_err(), bad, "{url}");
        }
    }
}
