//! The service behind the proxy. It responds to every request with the received request as JSON, and counts
//! the requests. It parses requests by itself, because a library would merge, sort or correct headers.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::http::Answer;

/// A running echo service.
#[derive(Debug)]
pub struct Upstream {
    port: u16,
    seen: Arc<AtomicUsize>,
}

impl Upstream {
    /// Starts an echo service, which ends with the test process.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let count = Arc::clone(&count);
                std::thread::spawn(move || serve(stream, &count));
            }
        });
        Self { port, seen }
    }

    /// Returns the port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the number of requests that have reached it.
    #[must_use]
    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

fn serve(stream: TcpStream, count: &AtomicUsize) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let seen = read(&mut reader)?;
        count.fetch_add(1, Ordering::SeqCst);
        let body = seen.to_string();
        let length = body.len();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
        writer.write_all(head.as_bytes()).ok()?;
        if seen["method"] != "HEAD" {
            writer.write_all(body.as_bytes()).ok()?;
        }
    }
}

fn line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut bytes = Vec::new();
    reader.read_until(b'\n', &mut bytes).ok()?;
    let text = bytes.strip_suffix(b"\r\n")?;
    Some(text.iter().copied().map(char::from).collect())
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Value> {
    let first = line(reader)?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let next = line(reader)?;
        let Some((name, value)) = next.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let value =
        |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let mut body = vec![0; value("content-length").and_then(|n| n.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(
        json!({ "method": method, "path": path, "headers": headers, "body": String::from_utf8_lossy(&body) }),
    )
}

/// A request as the upstream received it.
#[derive(Clone, Debug)]
pub struct Echo(Value);

impl Echo {
    /// Reads the response to an allowed request.
    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "not allowed: {answer:?}");
        Self(answer.json())
    }

    /// Returns the path with its query, as it arrived.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0["path"].as_str().expect("the echo tells the path")
    }

    /// Returns every value of a header, in order.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let headers = self.0["headers"].as_array().into_iter().flatten();
        headers.filter(|pair| pair[0] == name).filter_map(|pair| pair[1].as_str()).collect()
    }

    /// Returns the whole echo as text, to search it for values that must not be in it.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.to_string()
    }
}
