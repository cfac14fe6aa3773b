//! HTTP/2 frames that tests write by hand, and a stream in plain text or TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use latchkey_testing::Ca;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
/// `END_HEADERS`: the header block ends here, and the stream does not.
pub(crate) const WHOLE: u8 = 4;
/// `END_STREAM`: the stream ends here.
pub(crate) const END: u8 = 1;
/// `ACK`: the frame acknowledges one of the peer.
pub(crate) const ACK: u8 = 1;
/// Error codes of RFC 9113 section 7: after `REFUSED_STREAM`, the request can be repeated safely; a client that
/// floods the server gets `ENHANCE_YOUR_CALM`.
pub(crate) const REFUSED: u32 = 7;
pub(crate) const CALM: u32 = 11;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Returns the header block of a Check.
pub(crate) fn call() -> Vec<u8> {
    call_to("/latchkey.v1.CheckService/Check")
}

/// Returns a call's header block in HPACK, each field as a literal or by its index in the static table.
pub(crate) fn call_to(path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).expect("a short path");
    let [post, http, path_by_name, authority_by_name] = [0x83, 0x86, 0x04, 0x01];
    let mut block = vec![post, http, path_by_name, length];
    block.extend_from_slice(path.as_bytes());
    block.extend_from_slice(&[authority_by_name, 1, b'x']);
    let content_type = b"application/grpc";
    block.extend_from_slice(&[0x0f, 0x10, u8::try_from(content_type.len()).expect("a short type")]);
    block.extend_from_slice(content_type);
    block
}

/// Stream to a server.
pub(crate) trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

pub(crate) fn tcp(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    // Longer than the server's own limits, so that it is the server that ends a connection.
    stream.set_read_timeout(Some(Duration::from_mins(2))).expect("a limit");
    stream.set_write_timeout(Some(Duration::from_mins(2))).expect("a limit");
    stream
}

/// Starts HTTP/2 in plain text.
pub(crate) fn open(port: u16) -> TcpStream {
    let mut stream = tcp(port);
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).expect("it reads");
    stream
}

/// Connects by TLS with this protocol (ALPN).
pub(crate) fn tls(port: u16, ca: &Ca, protocol: &[u8]) -> io::Result<Box<dyn Wire>> {
    let mut roots = RootCertStore::empty();
    let der = CertificateDer::from_pem_slice(ca.pem().as_bytes()).expect("a certificate");
    roots.add(der).expect("a CA");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from("localhost").expect("a name");
    let client = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(Box::new(StreamOwned::new(client, tcp(port))))
}

/// A frame that was read.
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// Reads the next frame; `None` if the connection is closed.
pub(crate) fn next(stream: &mut impl Read) -> Option<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    stream.read_exact(&mut payload).ok()?;
    Some(Frame { kind: head[3], flags: head[4], stream: number(&head[5..]), payload })
}

pub(crate) fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("four bytes"))
}
