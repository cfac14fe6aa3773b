//! Arguments of `latchkey doctor` and `latchkey envoy-config`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Secret, SettingsArgs};

/// Arguments of `doctor`.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// An Envoy's bootstrap file, or its admin address (http://HOST:PORT); may be repeated
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) envoy: Vec<String>,
    /// A profile in force: what Envoy sends is compared with what the profile reads; needs --envoy; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Vec<PathBuf>,
    /// Check Envoy only
    #[arg(long)]
    pub(crate) envoy_only: bool,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

/// Arguments of `envoy-config`.
#[derive(Args, Debug)]
pub(crate) struct EnvoyConfigArgs {
    /// The profile: a document on this machine, or the name of one that a running server has
    pub(crate) profile: String,
    /// Address that Envoy listens on
    #[arg(long, default_value = "0.0.0.0:8080", value_name = "IP:PORT", value_parser = own_address)]
    pub(crate) listen: HostPort,
    /// The service behind it
    #[arg(long, default_value = "127.0.0.1:8000", value_name = "HOST:PORT")]
    pub(crate) upstream: HostPort,
    /// Latchkey's gRPC address, HOST:PORT or unix:PATH; repeat it for each replica
    #[arg(long, default_value = "127.0.0.1:50051", value_name = "ADDRESS")]
    pub(crate) latchkey: Vec<Place>,
    /// Latchkey's HTTP address, which serves the endpoints of the profile; repeat it for each replica. By default port 8081
    /// of each host of --latchkey
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) latchkey_http: Vec<Place>,
    /// Latchkey's HTTP address is served by TLS (`http_tls`)
    #[arg(long, requires = "latchkey_ca")]
    pub(crate) latchkey_http_tls: bool,
    /// Time that Envoy waits for a Check: 50ms more than the server's `check_deadline`
    #[arg(long, default_value = "0.2s", value_name = "DURATION")]
    pub(crate) timeout: Timeout,
    /// Address of Envoy's admin interface, IP:PORT or unix:PATH; "none" leaves it out
    #[arg(long, default_value = "127.0.0.1:9901", value_name = "ADDRESS")]
    pub(crate) admin: Admin,
    /// Latchkey is served by TLS: the CA of its certificate, as a path on Envoy's machine
    #[arg(long, value_name = "PATH")]
    pub(crate) latchkey_ca: Option<String>,
    /// Envoy's own certificate for Latchkey, as a path on Envoy's machine
    #[arg(long, value_name = "PATH", requires_all = ["latchkey_ca", "client_key"])]
    pub(crate) client_cert: Option<String>,
    /// Private key of the certificate
    #[arg(long, value_name = "PATH", requires = "client_cert")]
    pub(crate) client_key: Option<String>,
    /// The variable of Envoy's environment that holds its key for Latchkey, where `check_auth` is "key"
    // An error about a key in place of the name must not show it.
    #[arg(long, value_name = "NAME")]
    pub(crate) caller_key_variable: Option<Secret>,
}

/// Address that Envoy connects to or listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp(HostPort),
    /// Path of a Unix socket.
    Unix(String),
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(path) = text.strip_prefix("unix:") else {
            let remedy = || "write HOST:PORT, such as latchkey.internal:50051, or unix:PATH".to_owned();
            return text.parse().map(Self::Tcp).map_err(|_: String| remedy());
        };
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.starts_with('@') || path.contains('\0') {
            return Err("write unix:PATH, such as unix:/run/latchkey/grpc.sock".to_owned());
        }
        Ok(Self::Unix(path.to_owned()))
    }
}

/// Time that Envoy waits for a Check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeout(pub(crate) Duration);

impl std::str::FromStr for Timeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = match text.strip_suffix("ms") {
            Some(number) => (number, 0.001),
            None => (text.strip_suffix('s').unwrap_or_default(), 1.0),
        };
        let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let read = number.parse::<f64>().ok().filter(|_| plain);
        let read = read.and_then(|count| Duration::try_from_secs_f64(count * unit).ok());
        // Envoy's durations have whole milliseconds.
        let bounds = Duration::from_millis(1)..=Duration::from_mins(1);
        let read = read.filter(|read| bounds.contains(read) && read.subsec_nanos() % 1_000_000 == 0);
        read.map(Self).ok_or_else(|| "write a duration of 1ms to 60s, such as 0.2s or 450ms".to_owned())
    }
}

/// Address of Envoy's admin interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admin(pub(crate) Option<Place>);

impl std::str::FromStr for Admin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self(None));
        }
        let remedy = || "write IP:PORT, such as 127.0.0.1:9901, or unix:PATH, or none".to_owned();
        let place = text.parse().map_err(|_: String| remedy())?;
        match &place {
            Place::Tcp(one) if !one.is_ip() => Err(remedy()),
            Place::Tcp(_) | Place::Unix(_) => Ok(Self(Some(place))),
        }
    }
}

/// Parses an address that Envoy listens on: an IP address and a port, since Envoy resolves no host name there.
fn own_address(text: &str) -> Result<HostPort, String> {
    let place = text.parse::<HostPort>().ok().filter(HostPort::is_ip);
    place.ok_or_else(|| "write IP:PORT, such as 127.0.0.1:8080, or 0.0.0.0:8080 for every address".to_owned())
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPort {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl HostPort {
    /// Returns whether the host is an IP address.
    fn is_ip(&self) -> bool {
        self.host.parse::<std::net::IpAddr>().is_ok()
    }
}

impl std::str::FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let remedy = || "write HOST:PORT, such as latchkey.internal:50051".to_owned();
        let (host, port) = text.rsplit_once(':').ok_or_else(remedy)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.:_".contains(&b);
        if host.is_empty() || !host.bytes().all(plain) {
            return Err(remedy());
        }
        Ok(Self { host: host.to_owned(), port: port.parse().map_err(|_| remedy())? })
    }
}
