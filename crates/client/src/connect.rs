//! The way to a Latchkey: where it is, how both prove who they are, and how long anybody waits.

use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

/// How a channel is made.
#[derive(Clone)]
pub struct Connect {
    address: String,
    ca: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    connect_timeout: Duration,
    request_timeout: Duration,
}

/// Without the key of the certificate.
impl std::fmt::Debug for Connect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connect").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Why no channel could be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is none.
    #[error("{0:?} is no server's address: write http://HOST:PORT, or https://HOST:PORT where it speaks TLS")]
    Address(String),
    /// The address says plain text, and a CA or a certificate is given.
    #[error("{0:?} is not encrypted: write https:// where a CA or a certificate is given")]
    PlainText(String),
    /// The CA, the certificate or its key can't be used.
    #[error("the CA, the certificate or its key can't be used: all three are PEM")]
    Tls,
    /// Nobody answers there.
    #[error("no server answers at {0}: {1}")]
    Unreachable(String, String),
}

impl Connect {
    /// To `http://HOST:PORT` or `https://HOST:PORT`; without a scheme, in plain text.
    #[must_use]
    pub fn to(address: &str) -> Self {
        let address = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let (connect_timeout, request_timeout) = (Duration::from_secs(5), Duration::from_mins(1));
        Self { address, ca: None, identity: None, connect_timeout, request_timeout }
    }

    /// Trusts this CA (PEM) alone, instead of those of the system.
    #[must_use]
    pub fn ca(self, pem: impl Into<Vec<u8>>) -> Self {
        Self { ca: Some(pem.into()), ..self }
    }

    /// Shows this certificate and proves it by its key, both PEM.
    #[must_use]
    pub fn identity(self, cert: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self { identity: Some((cert.into(), key.into())), ..self }
    }

    /// How long connect_timeout may take, and how long any single call.
    #[must_use]
    pub fn timeouts(self, connect_timeout: Duration, request_timeout: Duration) -> Self {
        Self { connect_timeout, request_timeout, ..self }
    }

    /// A channel that connects when it is used first, and again whenever it must.
    pub fn connect_lazy(&self) -> Result<Channel, ConnectError> {
        Ok(self.endpoint()?.connect_lazy())
    }

    /// A channel that is connected.
    pub async fn connect(&self) -> Result<Channel, ConnectError> {
        let unreachable = |error: tonic::transport::Error| {
            ConnectError::Unreachable(self.address.clone(), root_cause(&error))
        };
        self.endpoint()?.connect().await.map_err(unreachable)
    }

    fn endpoint(&self) -> Result<Endpoint, ConnectError> {
        let no_address = || ConnectError::Address(self.address.clone());
        let encrypted = match self.address.split_once("://") {
            Some(("https", _)) => true,
            Some(("http", _)) => false,
            _ => return Err(no_address()),
        };
        let endpoint = Endpoint::from_shared(self.address.clone()).map_err(|_| no_address())?;
        let endpoint = endpoint
            .connect_timeout(self.connect_timeout)
            .timeout(self.request_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(5));
        if !encrypted {
            let given = self.ca.is_some() || self.identity.is_some();
            return if given { Err(ConnectError::PlainText(self.address.clone())) } else { Ok(endpoint) };
        }
        let tls = match &self.ca {
            Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        let tls = match &self.identity {
            Some((cert, key)) => tls.identity(Identity::from_pem(cert, key)),
            None => tls,
        };
        endpoint.tls_config(tls).map_err(|_| ConnectError::Tls)
    }
}

/// The innermost reason, which says more than "transport error".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// Puts a caller's credential on every call; `Debug` doesn't show it.
#[derive(Clone, Debug, Default)]
pub struct Credential(Option<MetadataValue<Ascii>>);

impl Credential {
    /// An API key or a JWT. None where it has characters that can't be sent.
    #[must_use]
    pub fn bearer(credential: &str) -> Option<Self> {
        let mut value: MetadataValue<Ascii> = format!("Bearer {credential}").parse().ok()?;
        value.set_sensitive(true);
        Some(Self(Some(value)))
    }
}

impl Interceptor for Credential {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
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
        let plain = Connect::to("http://x:1").ca("canary");
        assert!(matches!(plain.connect_lazy(), Err(ConnectError::PlainText(_))));
        let shown = format!("{:?}", Connect::to("https://x:1").identity("canary", "canary"));
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn a_credential_never_shows() {
        let credential = Credential::bearer("canary").unwrap();
        assert!(!format!("{credential:?}").contains("canary"));
        assert!(Credential::bearer("a\nb").is_none());
    }
}
