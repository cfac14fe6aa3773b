//! Diagnosis of a call that no gRPC server of Latchkey answered: its cause, and what to do about it. The error texts of
//! libraries describe what happened on the connection; a second connection finds out which protocol the port speaks.

use std::time::Duration;

use latchkey_client::{Connect, ConnectError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::args::Globals;
use crate::exit::CliError;

/// Longest time for each step of probing a port.
const PATIENCE: Duration = Duration::from_secs(3);

/// Protocol that a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    /// TLS, with anything inside.
    Tls,
    /// HTTP/1.1 without TLS.
    Http1,
    /// Another protocol, or no answer.
    Unknown,
}

/// Message of the server about a key or token that is not in force. It does not say why, as the caller may be anyone.
const INVALID_CREDENTIAL: &str = "the credential is not valid";
const POSSIBLE_CAUSES: &str = ": this server does not have the key or token, or it has expired, is revoked or disabled, or may \
                               not be used from this network (UNAUTHENTICATED)";

/// Returns an error that names the cause, for an error whose text does not: a connection that ended, or a call without
/// a credential. Any other error is returned unchanged.
pub(crate) async fn explained(globals: &Globals, error: CliError) -> CliError {
    let CliError::Rpc(status) = &error else { return error };
    if let Some(cause) = transport_cause(status) {
        return CliError::Unreachable(of_lost_connection(globals, &cause).await);
    }
    if status.code() != Code::Unauthenticated {
        return error;
    }
    if status.message() == INVALID_CREDENTIAL {
        return CliError::Unauthenticated(format!(
            "not authenticated: {INVALID_CREDENTIAL}{POSSIBLE_CAUSES}"
        ));
    }
    if !matches!(globals.credential(), Ok(None)) {
        return error;
    }
    let text = if globals.certificate.is_some() {
        refused_certificate(status.message())
    } else {
        status.message().starts_with("a credential is needed").then_some(
            "no credential was given: set LATCHKEY_API_KEY, or name a file that holds the key with --key-file \
             (LATCHKEY_API_KEY_FILE)",
        )
    };
    text.map_or(error, |text| CliError::Unauthenticated(text.to_owned()))
}

/// Returns the error text for a call with a client certificate and without a key, by the server's message; `None` if
/// that message is about another problem.
fn refused_certificate(message: &str) -> Option<&'static str> {
    if message.contains("certificate's names are no operator's") {
        Some(
            "the client certificate belongs to no operator: add one of its host names or URIs to [operators] in the \
             server's settings (a tenant that is named there must exist and not be suspended), or give a key \
             (LATCHKEY_API_KEY, --key-file)",
        )
    } else if message.starts_with("a credential is needed") {
        Some(
            "the server did not receive the client certificate: set tls_client_ca or management_tls_client_ca in the \
             server's settings and connect to the server itself, or give a key (LATCHKEY_API_KEY, --key-file)",
        )
    } else {
        None
    }
}

/// Returns the innermost cause of a status that the connection itself caused; `None` for one that a server sent, and for
/// a deadline.
fn transport_cause(status: &Status) -> Option<String> {
    let mut cause = std::error::Error::source(status)?;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    (!cause.is::<tonic::TimeoutExpired>()).then(|| cause.to_string())
}

/// Returns the message for a connection that could not be opened.
pub(super) async fn of_failed_connect(server: &str, cause: &str) -> String {
    let look = if cause.contains("InvalidContentType") { look_at(server).await } else { Protocol::Unknown };
    let advice = match look {
        Protocol::Http1 => http_port(server),
        Protocol::Tls | Protocol::Unknown => advice(server, cause),
    };
    format!("no call can be sent to {server}: {cause}; {advice}")
}

/// Returns the message for a connection that ended before a call was answered.
async fn of_lost_connection(globals: &Globals, cause: &str) -> String {
    let server = &globals.server;
    let encrypted = server.starts_with("https://");
    let advice = match look_at(server).await {
        Protocol::Tls if !encrypted => format!(
            "the port speaks TLS: write --server {}, and --ca-file FILE if its CA is not one of the system's",
            server_with("https", server)
        ),
        Protocol::Http1 if !encrypted => http_port(server),
        // A server of TLS 1.3 refuses a client without a certificate after the handshake.
        Protocol::Tls if globals.certificate.is_none() => {
            "the server may ask for a client certificate: give --cert-file and --cert-key-file".to_owned()
        }
        Protocol::Tls | Protocol::Http1 | Protocol::Unknown => advice(server, cause),
    };
    format!("the connection to {server} ended without an answer: {cause}; {advice}")
}

fn http_port(server: &str) -> String {
    format!(
        "{server} is a port for HTTP/1.1: name the gRPC port of Latchkey with --server (its setting grpc_addr, 50051 by \
         default)"
    )
}

/// Returns the remedy for a cause, which is an error text of rustls or of the operating system.
fn advice(server: &str, cause: &str) -> String {
    let has = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    if has(&["UnknownIssuer", "CaUsedAsEndEntity", "BadSignature"]) {
        "its certificate is signed by a CA that is not known here: name the CA's file with --ca-file \
         (LATCHKEY_CA_FILE)"
            .to_owned()
    } else if has(&["not valid for name", "NotValidForName"]) {
        "its certificate is for other names: write one of these in --server (LATCHKEY_SERVER)".to_owned()
    } else if has(&["certificate expired", "Expired"]) {
        "its certificate has expired: replace it at the server, or correct the clock of this machine"
            .to_owned()
    } else if has(&["CertificateRequired", "HandshakeFailure", "UnknownCA", "BadCertificate"]) {
        "the server asks for a certificate that it trusts: give --cert-file and --cert-key-file".to_owned()
    } else if has(&["NoApplicationProtocol", "application protocol"]) {
        http_port(server)
    } else if has(&["InvalidContentType"]) {
        format!("the port does not speak TLS: write --server {}", server_with("http", server))
    } else if has(&["Connection refused", "No such file"]) {
        "nothing listens there: start a server with `latchkey serve`, or name another one with --server \
         (LATCHKEY_SERVER)"
            .to_owned()
    } else if has(&["lookup address", "Name or service", "nodename"]) {
        "the host name is not known: correct it in --server (LATCHKEY_SERVER)".to_owned()
    } else {
        "check that a gRPC port of Latchkey is there, and name it with --server (LATCHKEY_SERVER)".to_owned()
    }
}

/// Returns the address with another scheme.
fn server_with(scheme: &str, server: &str) -> String {
    format!("{scheme}://{}", server.split_once("://").map_or(server, |(_, rest)| rest))
}

/// Opens connections of its own to find out what a port speaks.
async fn look_at(server: &str) -> Protocol {
    if server.starts_with("unix:") {
        return Protocol::Unknown;
    }
    let options = Connect::to(&server_with("https", server)).timeouts(PATIENCE, PATIENCE);
    match timeout(PATIENCE, options.connect()).await {
        Ok(Ok(_)) => return Protocol::Tls,
        Ok(Err(ConnectError::Unreachable(_, cause)))
            if ["certificate", "fatal alert", "application protocol"]
                .iter()
                .any(|word| cause.contains(word)) =>
        {
            return Protocol::Tls;
        }
        Ok(Err(_)) | Err(_) => {}
    }
    if timeout(PATIENCE, answers_http1(server)).await.unwrap_or(false) {
        Protocol::Http1
    } else {
        Protocol::Unknown
    }
}

/// Returns whether a port answers a request of HTTP/1.1.
async fn answers_http1(server: &str) -> bool {
    let authority = server.split_once("://").map_or(server, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    let Ok(mut stream) = TcpStream::connect(authority).await else { return false };
    let request = format!("GET / HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    if stream.write_all(request.as_bytes()).await.is_err() {
        return false;
    }
    let mut start = [0; 7];
    stream.read_exact(&mut start).await.is_ok() && start == *b"HTTP/1."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_advice() {
        for (cause, expected) in [
            ("invalid peer certificate: UnknownIssuer", "--ca-file"),
            ("invalid peer certificate: certificate not valid for name \"x\"", "other names"),
            ("invalid peer certificate: certificate expired: verification time 1", "has expired"),
            ("received fatal alert: CertificateRequired", "--cert-file"),
            ("received corrupt message of type InvalidContentType", "--server http://db:1"),
            ("Connection refused (os error 111)", "`latchkey serve`"),
            ("failed to lookup address information: Name or service not known", "host name"),
            ("something else", "gRPC port"),
        ] {
            let text = advice("https://db:1", cause);
            assert!(text.contains(expected), "{cause}: {text}");
        }
    }

    #[test]
    fn a_certificate_without_rights_is_distinguished_from_one_that_the_server_did_not_receive() {
        const NEEDED: &str = "a credential is needed: authorization: Bearer …, or x-api-key";
        let unknown = format!("{NEEDED}; the client certificate's names are no operator's");
        assert!(refused_certificate(&unknown).unwrap().contains("[operators]"));
        assert!(refused_certificate(NEEDED).unwrap().contains("tls_client_ca"));
        assert_eq!(refused_certificate("the client certificate has the names of two operators"), None);
    }

    #[test]
    fn a_status_of_a_server_has_no_transport_cause() {
        assert_eq!(transport_cause(&Status::unavailable("the database did not answer")), None);
        let lost = Status::from_error(Box::new(std::io::Error::other("reset by peer")));
        assert_eq!(transport_cause(&lost).as_deref(), Some("reset by peer"));
    }
}
