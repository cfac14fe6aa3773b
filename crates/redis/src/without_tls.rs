//! Detection of a server that responds without TLS, although the URL asks for it. Such a server waits for the end of a
//! command while the client waits for a certificate, so that an attempt to connect only times out.

use std::io;
use std::time::Duration;

use redis::{Client, ConnectionAddr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Words about such a server.
pub(crate) const WORDS: &str = "the server responds without TLS, which redis_url asks for";
/// Time limit for the response.
const TIMEOUT: Duration = Duration::from_millis(300);
/// Command that every server responds to, also if it asks for a password.
const PING: &[u8] = b"PING\r\n";

/// Returns whether the server of a failed connection by TLS responds without it. No credentials are sent.
pub(crate) async fn responds(client: &Client) -> bool {
    let ConnectionAddr::TcpTls { host, port, .. } = client.get_connection_info().addr() else { return false };
    matches!(timeout(TIMEOUT, ping(host, *port)).await, Ok(Ok(b'+' | b'-')))
}

/// Returns the first byte of the response to a command in plain text.
async fn ping(host: &str, port: u16) -> io::Result<u8> {
    let mut stream = TcpStream::connect((host, port)).await?;
    stream.write_all(PING).await?;
    stream.read_u8().await
}
