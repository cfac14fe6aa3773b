//! `latchkey health`: calls a probe of the server that these settings start, on this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use latchkey_config::{HttpPortSettings, ListenAddress, Settings};
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::args::HealthArgs;
use crate::exit::CliError;
use crate::output::{Format, sanitize, show_value};

const MAX_RESPONSE_BYTES: usize = 64 * 1024;

pub(super) async fn run(args: HealthArgs, format: Format) -> Result<(), CliError> {
    // Docker reserves exit code 2 of a health check, so that every failure has code 1.
    let port = Settings::load_http_port(&args.settings.sources())
        .map_err(|errors| CliError::Local(errors.to_string()))?;
    let path = if args.live { "/livez" } else { "/readyz" };
    let limit = Duration::from_secs(args.timeout);
    let (probed, place) = match port {
        HttpPortSettings { address: ListenAddress::Unix(file), .. } => {
            let place = ListenAddress::Unix(file.clone()).to_string();
            (timeout(limit, probe_unix(&file, path)).await, format!("{place} "))
        }
        HttpPortSettings { address: ListenAddress::Tcp(address), tls } => {
            let address = local(address);
            (timeout(limit, probe(address, tls, path)).await, address.to_string())
        }
    };
    let fail = |why: String| CliError::Local(format!("{place}{path}: {why}"));
    let response = probed.map_err(|_| fail(format!("no response within {} s", args.timeout)))?;
    let (status, body) = response.map_err(fail)?;
    let (word, reason) = state(status, &body).map_err(fail)?;
    match reason {
        None => show_value(format, &json!({ "status": word }), || sanitize(&word)),
        Some(reason) => show_value(format, &json!({ "status": word, "reason": reason }), || {
            sanitize(&format!("{word}: {reason}"))
        }),
    }
}

/// Returns the address by which this machine reaches a port: loopback for one that listens on all addresses.
fn local(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Returns the state that the server gives (`ready`, `limited`, `alive`), with the reason if there is one. Fails with the
/// reason if it is not ready, and with the status of a response that is not Latchkey's.
fn state(status: StatusCode, body: &[u8]) -> Result<(String, Option<String>), String> {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    match (status, json["status"].as_str(), json["reason"].as_str()) {
        (StatusCode::OK, Some(word), reason) => Ok((word.to_owned(), reason.map(str::to_owned))),
        (_, Some(stage), Some(reason)) => Err(format!("not ready ({stage}): {reason}")),
        _ => Err(format!("the response is {status}, and no state: is this port Latchkey's (http_addr)?")),
    }
}

const NOT_RUNNING: &str = "the server is not running there";

async fn probe_unix(file: &Path, path: &str) -> Result<(StatusCode, Vec<u8>), String> {
    let stream = UnixStream::connect(file).await.map_err(|error| format!("{NOT_RUNNING}: {error}"))?;
    get(stream, "localhost", path).await
}

async fn probe(address: SocketAddr, tls: bool, path: &str) -> Result<(StatusCode, Vec<u8>), String> {
    let stream = TcpStream::connect(address).await.map_err(|error| format!("{NOT_RUNNING}: {error}"))?;
    let host = address.to_string();
    if tls {
        let connector = TlsConnector::from(Arc::new(tls_config()?));
        let stream = connector.connect(address.ip().into(), stream).await;
        get(stream.map_err(|error| format!("the TLS handshake failed: {error}"))?, &host, path).await
    } else {
        get(stream, &host, path).await
    }
}

async fn get<S>(stream: S, host: &str, path: &str) -> Result<(StatusCode, Vec<u8>), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed =
        |error: hyper::Error| format!("no HTTP response (does http_tls match the server's?): {error}");
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(failed)?;
    let call = async move {
        let request = Request::get(path).header("host", host).body(Empty::<bytes::Bytes>::new());
        let response =
            sender.send_request(request.map_err(|error| error.to_string())?).await.map_err(failed)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_RESPONSE_BYTES).collect().await;
        Ok((status, body.map_err(|error| error.to_string())?.to_bytes().to_vec()))
    };
    let (response, _) = tokio::join!(call, connection);
    response
}

fn tls_config() -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(OwnServer(provider.signature_verification_algorithms));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Accepts every certificate, as the probes of Kubernetes do: the call stays on this machine and carries no secret, and
/// the certificate names other hosts than this machine's addresses.
#[derive(Debug)]
struct OwnServer(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for OwnServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_on_all_addresses_is_called_by_loopback() {
        for (address, called) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.7:1", "10.0.0.7:1")]
        {
            assert_eq!(local(address.parse().unwrap()).to_string(), called);
        }
    }

    #[test]
    fn a_reason_is_the_servers_own() {
        let body = br#"{"status":"starting","reason":"the database does not answer"}"#;
        let text = state(StatusCode::SERVICE_UNAVAILABLE, body).unwrap_err();
        assert_eq!(text, "not ready (starting): the database does not answer");
        let body = br#"{"status":"limited","reason":"a permission is missing"}"#;
        let limited = ("limited".to_owned(), Some("a permission is missing".to_owned()));
        assert_eq!(state(StatusCode::OK, body), Ok(limited));
        assert_eq!(state(StatusCode::OK, br#"{"status":"ready"}"#), Ok(("ready".to_owned(), None)));
    }

    #[test]
    fn a_response_of_another_server_is_not_ready() {
        for (status, body) in [
            (StatusCode::NOT_FOUND, "<html>"),
            (StatusCode::OK, "<html>"),
            (StatusCode::OK, ""),
            (StatusCode::OK, "{\"status\": true}"),
            (StatusCode::SERVICE_UNAVAILABLE, "{\"status\": \"starting\"}"),
        ] {
            let error = state(status, body.as_bytes()).unwrap_err();
            assert!(error.contains(status.as_str()) && error.contains("http_addr"), "{error}");
        }
    }
}
