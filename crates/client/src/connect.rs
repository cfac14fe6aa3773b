//! Connection to a Latchkey server: address, TLS, the caller's credential and timeouts.

use std::time::Duration;

use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

/// Scheme of a Unix socket.
const UNIX: &str = "unix:";

/// Options of a channel to a Latchkey server.
///
/// ```
/// use std::time::Duration;
///
/// use latchkey_client::v1::ListKeysRequest;
/// use latchkey_client::v1::key_service_client::KeyServiceClient;
/// use latchkey_client::{Connect, Credential};
///
/// async fn count_keys(api_key: &str) -> Result<usize, Box<dyn std::error::Error>> {
///     let channel = Connect::to("https://latchkey.example.com:50051")
///         .timeouts(Duration::from_secs(2), Duration::from_secs(10))
///         .connect()
///         .await?;
///     let credential = Credential::bearer(api_key).ok_or("the key is not printable ASCII")?;
///     let mut keys = KeyServiceClient::with_interceptor(channel, credential);
///     Ok(keys.list_keys(ListKeysRequest::default()).await?.into_inner().keys.len())
/// }
/// ```
#[derive(Clone)]
pub struct Connect {
    address: String,
    ca: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    dial_timeout: Duration,
    request_timeout: Duration,
}

/// Shows the address only, so that the private key is never printed.
impl std::fmt::Debug for Connect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connect").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Reasons why a channel could not be created.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is neither a valid URL with the scheme `http` or `https`, nor the path of a Unix socket.
    #[error("{0:?} is not a server address: use http://HOST:PORT, https://HOST:PORT for TLS, or unix:PATH")]
    Address(String),
    /// The address has the scheme `http` or is a Unix socket, but a CA or a client certificate is set.
    #[error("{0:?} is not encrypted: use https:// with a CA or a client certificate, or leave these out")]
    PlainText(String),
    /// The CA, the client certificate or its private key is not valid PEM.
    #[error("the CA, the client certificate or its private key is invalid: each must be PEM")]
    Tls,
    /// The connection failed. Contains the address and the cause.
    #[error("failed to connect to {0}: {1}")]
    Unreachable(String, String),
}

impl Connect {
    /// Creates options for `http://HOST:PORT`, `https://HOST:PORT`, or `unix:PATH` for a Unix socket. An address without a
    /// scheme means `http`.
    ///
    /// The default timeouts are 5 seconds for a connection and 1 minute for a call.
    #[must_use]
    pub fn to(address: &str) -> Self {
        let has_scheme = address.contains("://") || address.starts_with(UNIX);
        let address = if has_scheme { address.to_owned() } else { format!("http://{address}") };
        let (connect_timeout, request_timeout) = (Duration::from_secs(5), Duration::from_mins(1));
        Self { address, ca: None, identity: None, dial_timeout: connect_timeout, request_timeout }
    }

    /// Trusts only this CA (PEM) instead of the system's certificate authorities.
    #[must_use]
    pub fn ca(self, pem: impl Into<Vec<u8>>) -> Self {
        Self { ca: Some(pem.into()), ..self }
    }

    /// Sets the client certificate and its private key, both in PEM.
    #[must_use]
    pub fn identity(self, cert: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self { identity: Some((cert.into(), key.into())), ..self }
    }

    /// Sets the longest duration of a connection attempt and of its TLS handshake, each, and of a single call.
    #[must_use]
    pub fn timeouts(self, connect_timeout: Duration, request_timeout: Duration) -> Self {
        Self { dial_timeout: connect_timeout, request_timeout, ..self }
    }

    /// Returns a channel that connects on its first call, and reconnects when the connection is lost.
    pub fn connect_lazy(&self) -> Result<Channel, ConnectError> {
        Ok(self.endpoint()?.connect_lazy())
    }

    /// Connects and returns the channel.
    pub async fn connect(&self) -> Result<Channel, ConnectError> {
        let unreachable = |error: tonic::transport::Error| {
            ConnectError::Unreachable(self.address.clone(), root_cause(&error))
        };
        self.endpoint()?.connect().await.map_err(unreachable)
    }

    /// Returns the path of a Unix socket, which has three slashes before it if it has any.
    fn unix_path(&self) -> Option<&str> {
        let path = self.address.strip_prefix(UNIX)?;
        path.strip_prefix("//").map_or(Some(path), |absolute| absolute.starts_with('/').then_some(absolute))
    }

    fn endpoint(&self) -> Result<Endpoint, ConnectError> {
        let invalid_address = || ConnectError::Address(without_user(&self.address));
        let encrypted = match self.address.split_once("://") {
            _ if self.unix_path().is_some_and(|path| !path.is_empty()) => false,
            Some(("https", place)) if is_host_and_port(place) => true,
            Some(("http", place)) if is_host_and_port(place) => false,
            _ => return Err(invalid_address()),
        };
        let endpoint = Endpoint::from_shared(self.address.clone()).map_err(|_| invalid_address())?;
        let endpoint = endpoint
            .connect_timeout(self.dial_timeout)
            .timeout(self.request_timeout)
            .tcp_nodelay(true)
            // A connection that was lost without a word is replaced after 15 seconds, also where calls are rare.
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true);
        if !encrypted {
            let uses_tls = self.ca.is_some() || self.identity.is_some();
            return if uses_tls { Err(ConnectError::PlainText(self.address.clone())) } else { Ok(endpoint) };
        }
        // Without a timeout of its own, a handshake waits for ever for a server that accepts the connection and is silent.
        let tls = ClientTlsConfig::new().timeout(self.dial_timeout);
        let tls = match &self.ca {
            Some(ca) => tls.ca_certificate(Certificate::from_pem(ca)),
            None => tls.with_native_roots(),
        };
        let tls = match &self.identity {
            Some((cert, key)) => tls.identity(Identity::from_pem(cert, key)),
            None => tls,
        };
        endpoint.tls_config(tls).map_err(|_| ConnectError::Tls)
    }
}

/// Returns whether a text is a host with a port from 1 to 65535 or without one. A slash may be at its end.
fn is_host_and_port(place: &str) -> bool {
    let place = place.strip_suffix('/').unwrap_or(place);
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (place, None),
    };
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    let is_ipv6 = host.starts_with('[') && host.ends_with(']');
    let is_host =
        !host.is_empty() && !host.contains(['/', '?', '#', '@', '\\']) && (is_ipv6 || !host.contains(':'));
    is_host && port.is_none_or(is_port)
}

/// Returns an address without the user and the password in it.
fn without_user(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://***@{place}"),
        _ => address.to_owned(),
    }
}

/// Returns the message of the innermost cause, which says more than "transport error".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// Interceptor that adds the caller's credential to every call. Its `Debug` output does not contain the credential.
#[derive(Clone, Debug, Default)]
pub struct Credential(Option<MetadataValue<Ascii>>);

impl Credential {
    /// Creates an interceptor for an API key or a JWT. Returns `None` if the credential has characters that are not
    /// allowed in metadata.
    #[must_use]
    pub fn bearer(credential: &str) -> Option<Self> {
        let mut value: MetadataValue<Ascii> = format!("Bearer {credential}").parse().ok()?;
        value.set_sensitive(true);
        Some(Self(Some(value)))
    }
}

impl Credential {
    pub(crate) fn add_to(&self, metadata: &mut MetadataMap) {
        if let Some(value) = &self.0 {
            metadata.insert("authorization", value.clone());
        }
    }
}

impl Interceptor for Credential {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        self.add_to(request.metadata_mut());
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_says_whether_it_is_encrypted() {
        assert!(Connect::to("127.0.0.1:1").connect_lazy().is_ok());
        assert!(matches!(Connect::to("ftp://x:1").connect_lazy(), Err(ConnectError::Address(_))));
        assert!(matches!(Connect::to("http://").connect_lazy(), Err(ConnectError::Address(_))));
        assert!(Connect::to("unix:/run/x").connect_lazy().is_ok());
        assert!(Connect::to("unix:///run/x").connect_lazy().is_ok());
        for bad in ["unix:", "unix://", "unix://run/x"] {
            assert!(matches!(Connect::to(bad).connect_lazy(), Err(ConnectError::Address(_))), "{bad}");
        }
        assert!(matches!(Connect::to("unix:/x").ca("c").connect_lazy(), Err(ConnectError::PlainText(_))));
        let plain = Connect::to("http://x:1").ca("canary");
        assert!(matches!(plain.connect_lazy(), Err(ConnectError::PlainText(_))));
        let shown = format!("{:?}", Connect::to("https://x:1").identity("canary", "canary"));
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[tokio::test]
    async fn an_address_is_a_host_and_a_port_alone() {
        for good in [
            "https://x",
            "http://x:1/",
            "x:65535",
            "http://[::1]:50051",
            "http://[::1]",
            "http://a-b.example.com:50051",
        ] {
            assert!(Connect::to(good).connect_lazy().is_ok(), "{good}");
        }
        for bad in [
            "http://127.0.0.1:99999",
            "127.0.0.1:0",
            "http://x:",
            "http://x:+1",
            "http://x:46051/foo",
            "http://x:46051?x=1",
            "http://x:46051#x",
            "http://user:canary@x:46051",
            "http://::1:50051",
        ] {
            let error = Connect::to(bad).connect_lazy().unwrap_err();
            assert!(matches!(error, ConnectError::Address(_)), "{bad}: {error}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_credential_is_never_printed() {
        let credential = Credential::bearer("canary").unwrap();
        assert!(!format!("{credential:?}").contains("canary"));
        assert!(Credential::bearer("a\nb").is_none());
    }
}
