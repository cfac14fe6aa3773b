//! A collector that takes OTLP over HTTP, with a hand-written server: a library would accept more than it must.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use latchkey_testing::Pair;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::collector::CollectorService;

/// Behaviour of the collector.
#[derive(Clone, Default)]
pub(crate) struct HttpOptions {
    /// Certificate, for TLS alone.
    pub(crate) tls: Option<Pair>,
    /// Number of rejected spans that it reports for each export.
    pub(crate) rejected: i64,
    /// Number of exports of spans at the beginning that it answers with 503.
    pub(crate) unavailable: usize,
}

/// Starts a collector, and returns its port; it ends with the test process.
pub(crate) fn start(options: &HttpOptions, kept: &CollectorService) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    let port = listener.local_addr().expect("a bound port").port();
    let tls = options.tls.as_ref().map(server_config);
    let (kept, unavailable) = (kept.clone(), Arc::new(AtomicUsize::new(options.unavailable)));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (kept, unavailable, tls) = (kept.clone(), unavailable.clone(), tls.clone());
            std::thread::spawn(move || accept(stream, tls, &kept, &unavailable));
        }
    });
    port
}

fn server_config(pair: &Pair) -> Arc<ServerConfig> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pair.cert.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("protocol versions").with_no_client_auth();
    Arc::new(config.with_single_cert(certificates.expect("certificates"), key).expect("a usable certificate"))
}

fn accept(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    kept: &CollectorService,
    unavailable: &AtomicUsize,
) -> Option<()> {
    match tls {
        None => serve(BufReader::new(stream), kept, unavailable),
        Some(config) => {
            let session = ServerConnection::new(config).expect("a session");
            serve(BufReader::new(StreamOwned::new(session, stream)), kept, unavailable)
        }
    }
}

/// Answers requests until the connection ends.
fn serve<S: Read + Write>(
    mut stream: BufReader<S>,
    kept: &CollectorService,
    unavailable: &AtomicUsize,
) -> Option<()> {
    loop {
        let Post { path, headers, body } = read(&mut stream)?;
        let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let kind = header("content-type").unwrap_or_default().to_owned();
        let key = header("api-key");
        let spans = path.ends_with("traces");
        kept.keep(None, |taken| taken.requests.push((path, kind)));
        let away = |left: usize| left.checked_sub(1);
        let away = spans && unavailable.fetch_update(Ordering::SeqCst, Ordering::SeqCst, away).is_ok();
        let (status, answer) = if away {
            ("503 Service Unavailable", Vec::new())
        } else if spans {
            let message = ExportTraceServiceRequest::decode(&*body).expect("spans");
            ("200 OK", kept.spans(key, &message).encode_to_vec())
        } else {
            let message = ExportMetricsServiceRequest::decode(&*body).expect("metrics");
            ("200 OK", kept.metrics(key, &message).encode_to_vec())
        };
        let length = answer.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/x-protobuf\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.get_mut().write_all(&[head.as_bytes(), &answer].concat()).ok()?;
        stream.get_mut().flush().ok()?;
    }
}

/// A POST that was read.
struct Post {
    path: String,
    /// Names in lower case, and values.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

fn read<S: Read>(stream: &mut BufReader<S>) -> Option<Post> {
    let mut line = || {
        let mut text = String::new();
        stream.read_line(&mut text).ok()?;
        text.strip_suffix("\r\n").map(str::to_owned)
    };
    let first = line()?;
    let path = first.strip_prefix("POST ")?.strip_suffix(" HTTP/1.1")?.to_owned();
    let mut headers = Vec::new();
    while let Some((name, value)) = line()?.split_once(':') {
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Post { path, headers, body })
}
