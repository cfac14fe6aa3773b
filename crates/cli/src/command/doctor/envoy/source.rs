//! Sources of an Envoy's configuration: a YAML or JSON file, or `/config_dump` of its admin address.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Request;
use hyper_util::rt::TokioIo;
use latchkey_server::doctor::{Area, Finding, Severity};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::call::read_text;
use crate::exit::CliError;

const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum size of a dump: one of thousands of routes fits.
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// Reads the configuration, or returns a finding that it cannot be read.
pub(in crate::command::doctor) async fn read(place: &str) -> Result<Value, Finding> {
    match place.strip_prefix("http://") {
        Some(address) => {
            let asked = timeout(READ_TIMEOUT, dump(address.trim_end_matches('/'))).await;
            asked
                .map_err(|_| unreachable(place, "no answer in time"))?
                .map_err(|why| unreachable(place, &why))
        }
        None => file(place),
    }
}

fn unreachable(place: &str, why: &str) -> Finding {
    let what = format!("{place}: {why}");
    Finding::new(
        Area::Envoy,
        Severity::Unreachable,
        what,
        "give Envoy's admin address, such as http://127.0.0.1:9901",
    )
}

fn file(place: &str) -> Result<Value, Finding> {
    let unread = |why: String| {
        Finding::new(Area::Envoy, Severity::Unreachable, why, "give a bootstrap file of Envoy's")
    };
    let text = read_text(place.as_ref()).map_err(|failure| unread(describe_failure(&failure, place)))?;
    serde_saphyr::from_str(&text).map_err(|error| {
        let line = error.location().map(|at| format!(" line {}", at.line())).unwrap_or_default();
        unread(format!("{place}:{line} is neither YAML nor JSON"))
    })
}

fn describe_failure(failure: &CliError, place: &str) -> String {
    match failure {
        CliError::Usage(text) => text.clone(),
        _ => format!("{place} can't be read"),
    }
}

/// Reads the configuration that Envoy runs with, in which Envoy masks private keys.
async fn dump(address: &str) -> Result<Value, String> {
    // The colons in the brackets of an IPv6 address are none before a port.
    let after = address.rsplit_once(']').map_or(address, |(_, after)| after);
    let host = if after.contains(':') { address.to_owned() } else { format!("{address}:80") };
    let stream = TcpStream::connect(&host).await.map_err(|error| error.to_string())?;
    let no_http = |error: hyper::Error| error.to_string();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(no_http)?;
    let asked = async move {
        let request = Request::get("/config_dump").header("host", &host).body(Empty::<bytes::Bytes>::new());
        let response =
            sender.send_request(request.map_err(|error| error.to_string())?).await.map_err(no_http)?;
        if !response.status().is_success() {
            return Err(format!("it answered {}", response.status()));
        }
        let body = Limited::new(response.into_body(), MAX_MESSAGE_BYTES).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        serde_json::from_slice(&body).map_err(|_| "it answered something that is no JSON".to_owned())
    };
    let (answer, _) = tokio::join!(asked, connection);
    answer
}
