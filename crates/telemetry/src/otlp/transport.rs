//! Transport of encoded OTLP messages to a collector, over gRPC or HTTP. It is the HTTP client of the exporter library
//! for both protocols: that library's own gRPC exporter reports how many spans a collector rejected to its log alone.
//! The message is the same in both protocols, so one call carries either, and metrics use it too.

use std::sync::Arc;

use bytes::{Buf as _, BufMut as _, Bytes};
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnectorBuilder};
use latchkey_config::{OtlpProtocol, OtlpSettings};
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{HttpClient, HttpError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Extensions, Status};

use crate::export_stats::Signal;

const USER_AGENT_VALUE: HeaderValue =
    HeaderValue::from_static(concat!("latchkey/", env!("CARGO_PKG_VERSION")));

/// Reason why the exporter cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// The certificates cannot be used that collectors are to be verified with.
    #[error("otel_exporter_otlp_certificate: {0}")]
    Certificates(HttpError),
    /// The exporter library rejects its options.
    #[error(transparent)]
    Build(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// Sender of one signal's messages to its collector.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    route: Route,
    /// Headers from the settings; the library's, which it reads from the environment, are not used.
    headers: HeaderMap,
    /// Runtime of the connections: the library sends from a thread without one.
    runtime: Handle,
}

#[derive(Clone, Debug)]
enum Route {
    Grpc(Channel, PathAndQuery),
    Http(Arc<dyn HttpClient>, Uri),
}

impl Transport {
    /// Creates a sender; nothing is connected yet. Must be called inside of a tokio runtime.
    pub(super) fn new(otlp: &OtlpSettings, signal: Signal, uri: &Uri) -> Result<Self, OtlpError> {
        let mut headers: HeaderMap = otlp.headers.iter().cloned().collect();
        let route = match otlp.protocol {
            OtlpProtocol::Grpc => {
                let endpoint =
                    grpc_endpoint(otlp, uri).map_err(|error| OtlpError::Certificates(error.into()))?;
                Route::Grpc(endpoint.connect_lazy(), grpc_path(signal))
            }
            OtlpProtocol::HttpProtobuf => {
                headers.entry(USER_AGENT).or_insert(USER_AGENT_VALUE);
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
                let tls = http_tls(otlp, uri).map_err(OtlpError::Certificates)?;
                let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
                let client = HyperClient::new(connector.enable_http1().build(), otlp.timeout, None);
                Route::Http(Arc::new(client), uri.clone())
            }
        };
        Ok(Self { route, headers, runtime: Handle::current() })
    }

    /// Sends a message once, and returns the collector's answer. A gRPC status is returned as the HTTP status with the
    /// same meaning for retries.
    pub(super) async fn send(&self, message: Bytes) -> Result<Response<Bytes>, HttpError> {
        let (route, headers) = (self.route.clone(), self.headers.clone());
        let call = async move {
            match route {
                Route::Grpc(channel, path) => send_grpc(channel, path, headers, message).await,
                Route::Http(client, uri) => {
                    let mut request = Request::post(uri).body(message)?;
                    *request.headers_mut() = headers;
                    client.send_bytes(request).await
                }
            }
        };
        self.runtime.spawn(call).await?
    }
}

async fn send_grpc(
    channel: Channel,
    path: PathAndQuery,
    headers: HeaderMap,
    message: Bytes,
) -> Result<Response<Bytes>, HttpError> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    let metadata = MetadataMap::from_headers(headers);
    let request = tonic::Request::from_parts(metadata, Extensions::default(), message);
    match grpc.unary(request, path, BytesCodec).await {
        Ok(answer) => Ok(Response::new(answer.into_inner())),
        Err(status) => {
            tracing::debug!(code = ?status.code(), "a collector did not accept an OTLP export");
            Ok(Response::builder().status(http_status(status.code())).body(Bytes::new())?)
        }
    }
}

fn grpc_path(signal: Signal) -> PathAndQuery {
    PathAndQuery::from_static(match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    })
}

/// Returns the HTTP status for a gRPC status: OTLP retries an export after 503, and not after 400.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => StatusCode::SERVICE_UNAVAILABLE,
        Code::Ok
        | Code::Unknown
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Internal
        | Code::Unauthenticated => StatusCode::BAD_REQUEST,
    }
}

fn grpc_endpoint(otlp: &OtlpSettings, uri: &Uri) -> Result<Endpoint, tonic::transport::Error> {
    let endpoint = Endpoint::from(uri.clone()).connect_timeout(otlp.timeout).timeout(otlp.timeout);
    if uri.scheme_str() != Some("https") {
        return Ok(endpoint);
    }
    // Without a timeout of its own, a handshake waits for ever for a collector that accepts the connection and is silent.
    let tls = ClientTlsConfig::new().timeout(otlp.timeout);
    let tls = match &otlp.ca {
        Some(ca) => tls.ca_certificate(Certificate::from_pem(ca)),
        None => tls.with_native_roots(),
    };
    endpoint.tls_config(tls)
}

fn http_tls(otlp: &OtlpSettings, uri: &Uri) -> Result<ClientConfig, HttpError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = match &otlp.ca {
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.add(certificate?)?;
            }
            if roots.is_empty() {
                return Err("the file has no certificate".into());
            }
            config.with_root_certificates(roots)
        }
        None if uri.scheme_str() == Some("https") => config.with_native_roots()?,
        None => config.with_root_certificates(RootCertStore::empty()),
    };
    Ok(config.with_no_client_auth())
}

/// Codec of messages that are encoded already.
#[derive(Clone, Copy, Debug)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(message);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
