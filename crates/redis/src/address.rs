//! The address of Redis: one server, nodes of a cluster, or Sentinels that name the primary, in plain text or over
//! TLS. An address may hold a password, so its `Debug` output and errors never contain it.

mod files;
mod invalid_url;
mod sentinel_url;

use std::fmt;
use std::sync::Once;

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsCertificates};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use self::files::SourceFile;
pub use self::invalid_url::InvalidUrl;
pub(crate) use self::sentinel_url::PrimaryOfSentinels;
use crate::connection::CONNECT_TIMEOUT;
use crate::sentinels::Sentinels;

/// The address of a Redis server or cluster, or of the Sentinels of a primary.
#[derive(Clone)]
pub struct Address {
    nodes: Vec<ConnectionInfo>,
    kind: AddressKind,
    ca: Option<Vec<u8>>,
    /// File that the URL was read from, with the URL.
    file: Option<(SourceFile, String)>,
    /// File that the CA certificates were read from.
    ca_file: Option<SourceFile>,
}

/// Meaning of the named nodes.
#[derive(Clone)]
enum AddressKind {
    /// The server itself.
    Server,
    /// Nodes of a cluster.
    Cluster,
    /// Sentinels, which know the address of this primary.
    Sentinels(Box<PrimaryOfSentinels>),
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").field("cluster", &self.is_cluster()).finish_non_exhaustive()
    }
}

impl Address {
    /// Parses a URL. With TLS, only the certificates in `ca` are trusted, or the system's if there are none.
    pub fn parse(url: &str, ca: Option<Vec<u8>>) -> Result<Self, InvalidUrl> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| InvalidUrl::unknown(url))?;
        let (transport, topology) = scheme.split_once('+').unwrap_or((scheme, ""));
        let (transport, topology) = if scheme == "redis+unix" { ("unix", "") } else { (transport, topology) };
        let tls = match (transport, topology) {
            ("redis", "" | "cluster" | "sentinel") | ("unix", "") => false,
            ("rediss", "" | "cluster" | "sentinel") => true,
            _ => return Err(InvalidUrl::unknown(url)),
        };
        if transport != "unix"
            && let Some(error) = invalid_url::unescaped(rest)
        {
            return Err(error);
        }
        let (nodes, kind) = match topology {
            "cluster" => (seeds(transport, rest)?, AddressKind::Cluster),
            "sentinel" => {
                let (nodes, primary) = sentinel_url::parse(transport, rest)?;
                (nodes, AddressKind::Sentinels(Box::new(primary)))
            }
            _ => (vec![node(url)?], AddressKind::Server),
        };
        match &ca {
            Some(_) if !tls => return Err(InvalidUrl::NoTls),
            Some(pem) if !holds_certificates(pem) => return Err(InvalidUrl::BadCa),
            _ => {}
        }
        Ok(Self { nodes, kind, ca, file: None, ca_file: None })
    }

    /// Returns whether the address is that of a cluster.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        matches!(self.kind, AddressKind::Cluster)
    }

    /// Returns a client for each named node; for a single server, one client.
    pub(crate) fn clients(&self) -> Result<Vec<Client>, InvalidUrl> {
        self.nodes.iter().map(|node| self.client(node.clone())).collect()
    }

    /// Returns a client for a node that is reached as the named ones are.
    pub(crate) fn client(&self, node: ConnectionInfo) -> Result<Client, InvalidUrl> {
        choose_cryptography();
        let client = match &self.ca {
            Some(_) => Client::build_with_tls(node, self.certificates()),
            None => Client::open(node),
        };
        client.map_err(|_| InvalidUrl::BadCa)
    }

    /// Returns the Sentinels; `None` if the address names servers.
    pub(crate) fn sentinels(&self) -> Result<Option<Sentinels>, InvalidUrl> {
        match &self.kind {
            AddressKind::Sentinels(primary) => Sentinels::new(self, primary).map(Some),
            AddressKind::Server | AddressKind::Cluster => Ok(None),
        }
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

/// Parameters of the URL of a server, and of the URL of a Unix socket.
const PARAMETERS: [&str; 1] = ["protocol"];
const UNIX_PARAMETERS: [&str; 4] = ["protocol", "db", "user", "pass"];

/// Checks that a URL has no parameter and no fragment without an effect.
fn check_parameters(url: &str) -> Result<(), InvalidUrl> {
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    let is_unix = url.starts_with("unix:") || url.starts_with("redis+unix:");
    let known = if is_unix { &UNIX_PARAMETERS[..] } else { &PARAMETERS };
    let (_, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut names = query.split('&').filter(|pair| !pair.is_empty());
    let is_known = |pair: &str| known.contains(&pair.split_once('=').unwrap_or((pair, "")).0);
    match (fragment, names.all(is_known)) {
        ("insecure", true) => Err(InvalidUrl::Insecure),
        ("", true) => Ok(()),
        _ if is_unix => Err(InvalidUrl::UnixParameter),
        _ => Err(InvalidUrl::Parameter),
    }
}

fn node(url: &str) -> Result<ConnectionInfo, InvalidUrl> {
    check_parameters(url)?;
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
            ("unix:///run/redis.sock?db=2&user=ada&pass=hunter2", 1, false),
            ("redis://cache?protocol=resp3", 1, false),
            ("redis+cluster://a:7000", 1, true),
            ("rediss+cluster://latchkey:hunter2@a:7000,b:7000, c/", 3, true),
        ] {
            let address = Address::parse(url, None).unwrap();
            assert_eq!((address.nodes.len(), address.is_cluster()), (nodes, cluster), "{url}");
            assert!(address.sentinels().unwrap().is_none());
            assert!(!format!("{address:?}").contains("hunter2"));
        }
        let address = Address::parse("rediss+cluster://latchkey:hunter2@a:7000,b:7000", None).unwrap();
        for node in &address.nodes {
            assert_eq!(node.redis_settings().password(), Some("hunter2"));
            assert!(matches!(node.addr(), ConnectionAddr::TcpTls { insecure: false, .. }));
        }
    }

    #[test]
    fn an_error_of_an_address_does_not_repeat_it() {
        let not_pem = || Some(b"nothing".to_vec());
        for (url, ca, bad) in [
            ("cache:6379", None, InvalidUrl::Unknown),
            ("", None, InvalidUrl::Unknown),
            ("http://cache", None, InvalidUrl::Unknown),
            ("redis+cluster://", None, InvalidUrl::Unknown),
            ("redis+cluster://a:7000,", None, InvalidUrl::Unknown),
            ("unix+cluster:///run/x", None, InvalidUrl::Unknown),
            ("redis://ada:can/ary@cache:6379", None, InvalidUrl::Unescaped('/', "%2F")),
            ("redis://ada:12/ary@cache", None, InvalidUrl::Unescaped('/', "%2F")),
            ("redis://ada:can@a/ary@cache", None, InvalidUrl::Unescaped('@', "%40")),
            ("rediss://ada:can#ary@cache", None, InvalidUrl::Unescaped('#', "%23")),
            ("redis+cluster://ada:can?ary@cache,b", None, InvalidUrl::Unescaped('?', "%3F")),
            ("redis+cluster://a:7000/2", None, InvalidUrl::Numbered),
            ("rediss://cache:6379/#insecure", None, InvalidUrl::Insecure),
            ("redis://cache?ssl=true", None, InvalidUrl::Parameter),
            ("redis://cache?password=canary", None, InvalidUrl::Parameter),
            ("redis://cache/?db=3", None, InvalidUrl::Parameter),
            ("redis://cache/3#frag", None, InvalidUrl::Parameter),
            ("rediss+cluster://a:7000,b:7000?ssl=true", None, InvalidUrl::Parameter),
            ("unix:///run/redis.sock?password=canary", None, InvalidUrl::UnixParameter),
            ("redis://cache", not_pem(), InvalidUrl::NoTls),
            ("rediss://cache", not_pem(), InvalidUrl::BadCa),
            ("rediss://cache", Some(Vec::new()), InvalidUrl::BadCa),
        ] {
            assert_eq!(Address::parse(url, ca).unwrap_err(), bad, "{url}");
        }
    }
}
