//! HTTP/1.1 by hand: exactly the bytes of the test are sent, valid or not, and the whole response is
//! returned. A library would correct the malformed requests that an attacker sends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Longest time without a byte of the response.
const READ_TIMEOUT: Duration = Duration::from_mins(2);

/// A request, as bytes.
#[derive(Clone, Debug)]
pub struct Request {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Request {
    /// Returns a GET request for this target and host.
    #[must_use]
    pub fn get(host: &str, target: &str) -> Self {
        Self::new("GET", host, target)
    }

    /// Returns a request of any method.
    #[must_use]
    pub fn new(method: &str, host: &str, target: &str) -> Self {
        let head = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        Self { head: head.into_bytes(), body: Vec::new() }
    }

    /// Adds a header line.
    #[must_use]
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.line(&[name.as_bytes(), b": ", value.as_ref()].concat())
    }

    /// Adds a raw line to the head.
    #[must_use]
    pub fn line(mut self, line: &[u8]) -> Self {
        self.head.extend_from_slice(line);
        self.head.extend_from_slice(b"\r\n");
        self
    }

    /// Sets a JSON body, with its length and type.
    #[must_use]
    pub fn json(mut self, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        let length = body.len().to_string();
        self.header("content-type", "application/json").header("content-length", length)
    }

    /// Sets a body without headers; the test sets those that describe it.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Sends the request to a port of this machine and reads the response.
    #[must_use]
    pub fn send(&self, port: u16) -> Answer {
        self.try_send(port).expect("something listens")
    }

    /// Sends the request to a port of this machine and reads the response; `None` if nothing listens there.
    #[must_use]
    pub fn try_send(&self, port: u16) -> Option<Answer> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(READ_TIMEOUT)).expect("a timeout can be set");
        let bytes = [self.head.as_slice(), b"\r\n", &self.body].concat();
        // A server that refuses a request that is too long may close the connection before it has read all of
        // it.
        let _ = stream.write_all(&bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Some(Answer::parse(&answer))
    }
}

/// A response. The status 0 stands for a connection that was closed without one.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(end) = end else { return Self { status: 0, headers: Vec::new(), body: String::new() } };
        let head = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Self { status, headers, body: String::new() };
        let rest = &bytes[end + 4..];
        let chunked = answer.header("transfer-encoding") == Some("chunked");
        let body = if chunked { unchunk(rest) } else { rest.to_vec() };
        answer.body = String::from_utf8_lossy(&body).into_owned();
        answer
    }

    /// Returns the value of the only header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(have, _)| have == name);
        let first = values.next()?;
        assert!(values.next().is_none(), "{name} stands twice: {:?}", self.headers);
        Some(&first.1)
    }

    /// Returns the body as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// Decodes a body in chunked encoding.
pub(crate) fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let size =
            std::str::from_utf8(&rest[..line]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let from = line + 2;
        match size {
            Some(size) if size > 0 && rest.len() >= from + size + 2 => {
                whole.extend_from_slice(&rest[from..from + size]);
                rest = &rest[from + size + 2..];
            }
            Some(_) | None => break,
        }
    }
    whole
}
