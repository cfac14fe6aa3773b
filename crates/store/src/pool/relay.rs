//! A relay to one address of a host. The library connects to a name, and chooses among its addresses by itself: it takes the
//! first one that accepts a connection, and waits for one that is silent. Given an address instead of the name, it could not
//! verify the server's certificate. A relay has an abstract Unix socket, which the library connects to with the name unchanged,
//! and passes all bytes on to the address that was chosen.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as SocketName, UnixListener as StdListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_orm::sqlx::postgres::PgConnectOptions;
use tokio::io::copy;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

/// Time limit for reaching an address. A lost packet is sent again after one second.
const REACH_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// A relay. It keeps its socket as long as it exists, also while it leads nowhere: another process of this network namespace
/// could otherwise take the name, and be sent the password.
pub(super) struct Relay {
    address: Arc<Mutex<Option<SocketAddr>>>,
    /// Folder of the socket, as the library takes it.
    folder: PathBuf,
    accepting: AbortHandle,
}

impl Relay {
    /// Starts a relay that leads nowhere yet. `port` is the one that the library makes the name of the socket with.
    pub(super) fn start(port: u16) -> io::Result<Self> {
        let random = [RandomState::new().hash_one(port), RandomState::new().hash_one(port)];
        let folder = format!("latchkey/relay/{}/{:016x}{:016x}", std::process::id(), random[0], random[1]);
        let name = SocketName::from_abstract_name(format!("{folder}/.s.PGSQL.{port}"))?;
        let listener = StdListener::bind_addr(&name)?;
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let address: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
        #[expect(clippy::disallowed_methods, reason = "ends with the relay, and a host has one at most")]
        let accepting = tokio::spawn(accept(listener, Arc::clone(&address))).abort_handle();
        Ok(Self { address, folder: PathBuf::from(format!("\0{folder}")), accepting })
    }

    /// Leads connections that begin later to an address, or nowhere.
    pub(super) fn lead_to(&self, address: Option<SocketAddr>) {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }

    /// Returns the address that connections are led to; `None` if they are led nowhere.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns options that connect by the relay; `None` if it leads nowhere.
    pub(super) fn options(&self, options: &PgConnectOptions) -> Option<PgConnectOptions> {
        self.address().map(|_| options.clone().socket(&self.folder))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Connects to an address.
pub(super) async fn reach(address: SocketAddr) -> io::Result<TcpStream> {
    let reached = timeout(REACH_TIMEOUT, TcpStream::connect(address)).await;
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {REACH_TIMEOUT:?}"));
    let stream = reached.unwrap_or_else(|_| Err(late()))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn accept(listener: UnixListener, address: Arc<Mutex<Option<SocketAddr>>>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        // Every process of this network namespace can find the socket.
        let peer = client.peer_cred().ok().and_then(|peer| peer.pid());
        let is_own = peer.and_then(|peer| u32::try_from(peer).ok()) == Some(std::process::id());
        let leads_to = *address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leads_to) = leads_to.filter(|_| is_own) {
            #[expect(
                clippy::disallowed_methods,
                reason = "ends with its connection, and the pool limits their number"
            )]
            tokio::spawn(pass_on(client, leads_to));
        }
    }
}

/// Passes bytes on until either side ends. The protocol has no half-closed connections.
async fn pass_on(client: UnixStream, address: SocketAddr) {
    let Ok(server) = reach(address).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => {}
        _ = copy(&mut from_server, &mut to_client) => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn bytes_are_passed_on_to_the_address_until_either_side_ends() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Relay::start(5432).unwrap();
        let path = format!("{}/.s.PGSQL.5432", relay.folder.display());
        let options = PgConnectOptions::new_without_pgpass();
        assert!(relay.options(&options).is_none());
        let mut nowhere = UnixStream::connect(&path).await.unwrap();
        assert_eq!(nowhere.read(&mut [0; 8]).await.unwrap_or_default(), 0, "it ends");
        relay.lead_to(Some(server.local_addr().unwrap()));
        assert_eq!(relay.options(&options).unwrap().get_socket(), Some(&relay.folder));
        let mut client = UnixStream::connect(&path).await.unwrap();
        client.write_all(b"question").await.unwrap();
        let (mut accepted, _) = server.accept().await.unwrap();
        let mut read = [0; 8];
        accepted.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"question");
        accepted.write_all(b"answer").await.unwrap();
        drop(accepted);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"answer");
    }
}
