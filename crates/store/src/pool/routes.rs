//! Ways to a host of PostgreSQL. A name is left to the library first, as in most cases it has one address. If the server that
//! answers there is a standby, or none answers, the name's other addresses are tried by a [`Relay`], and the one that works is
//! used until it no longer does, or the name no longer has it.

use std::net::SocketAddr;
use std::sync::OnceLock;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::postgres::PgConnectOptions;
use tokio::net::lookup_host;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::pg_session::PgSession;
use super::postgres_url::Host;
use super::relay::{Relay, reach};
use super::{CONNECT_TIMEOUT, OpenError, PostgresTarget};

/// Way to a host.
#[derive(Default)]
pub(super) struct Route {
    relay: OnceLock<Relay>,
    /// Locked while an opening searches an address that works.
    searching: Mutex<()>,
}

impl Route {
    /// Returns the options of a host, which lead to the address that was connected to last.
    pub(super) fn options(&self, host: &Host) -> PgConnectOptions {
        let relayed = self.relay.get().and_then(|relay| relay.options(&host.options));
        relayed.unwrap_or_else(|| host.options.clone())
    }

    /// Opens a connection to a host of a database: as last time, then by its name, then at each of its addresses.
    pub(super) async fn open(&self, host: &Host, target: &PostgresTarget) -> Result<PgSession, OpenError> {
        if let Some(session) = self.open_as_before(host, target).await {
            return Ok(session);
        }
        let error = match target.open_at(host, &host.options).await {
            Err(error) if may_differ_elsewhere(&error) => error,
            opened => {
                if let Some(relay) = self.relay.get().filter(|_| opened.is_ok()) {
                    relay.lead_to(None);
                }
                return opened;
            }
        };
        let addresses = addresses(host).await;
        if addresses.len() < 2 {
            return Err(error);
        }
        // One after the other, since the relay leads to one address at a time. Another opening may have found one meanwhile.
        let _searching = self.searching.lock().await;
        if let Some(session) = self.open_as_before(host, target).await {
            return Ok(session);
        }
        let Some(relay) = self.relay(host) else { return Err(error) };
        self.open_at_each(host, target, relay, addresses).await
    }

    /// Opens a connection at the address that was connected to last, if the relay leads to one that the name still has: a
    /// name that is moved to another server must lead there, although the earlier one still accepts writes.
    async fn open_as_before(&self, host: &Host, target: &PostgresTarget) -> Option<PgSession> {
        let relay = self.relay.get()?;
        let address = relay.address()?;
        let present = addresses(host).await;
        // A name without any address can't be resolved now, and the address stays in use.
        if !present.is_empty() && !present.iter().any(|present| present.ip() == address.ip()) {
            relay.lead_to(None);
            return None;
        }
        target.open_at(host, &relay.options(&host.options)?).await.ok()
    }

    /// Opens a connection at the first of a host's addresses that works.
    async fn open_at_each(
        &self,
        host: &Host,
        target: &PostgresTarget,
        relay: &Relay,
        addresses: Vec<SocketAddr>,
    ) -> Result<PgSession, OpenError> {
        let mut failures = Vec::new();
        for address in addresses {
            // The library would report the end of the relay's connection, and not why the address can't be reached.
            let opened = match reach(address).await {
                Ok(_) => {
                    relay.lead_to(Some(address));
                    target.open_at(host, &self.options(host)).await
                }
                Err(error) => Err(SqlxError::Io(error).into()),
            };
            match opened {
                Ok(connection) => return Ok(connection),
                Err(error) => failures.push((address.to_string(), error)),
            }
        }
        relay.lead_to(None);
        Err(of_addresses(failures))
    }

    fn relay(&self, host: &Host) -> Option<&Relay> {
        if self.relay.get().is_none() {
            let started = Relay::start(host.options.get_port());
            let started = started.inspect_err(|error| {
                tracing::warn!(%error, "can't bind a socket: of the addresses of the database's name, only the first is tried");
            });
            // Another opening may have started one meanwhile, which serves as well.
            let _ = self.relay.set(started.ok()?);
        }
        self.relay.get()
    }
}

/// Returns the addresses of a host that has a name; none for a socket.
async fn addresses(host: &Host) -> Vec<SocketAddr> {
    let (name, port) = (host.options.get_host(), host.options.get_port());
    if host.options.get_socket().is_some() || name.starts_with('/') {
        return Vec::new();
    }
    let mut found = Vec::new();
    // A name that can't be resolved was reported by the library.
    let resolved = timeout(CONNECT_TIMEOUT, lookup_host((name, port))).await;
    for address in resolved.into_iter().flatten().flatten() {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    // The library has just tried the first one that accepts.
    if !found.is_empty() {
        found.rotate_left(1);
    }
    found
}

/// Returns the error of a name from those of its addresses. An address without a server says nothing if one answers at another
/// address: names often have an address of IPv6 that is not served.
fn of_addresses(mut failures: Vec<(String, OpenError)>) -> OpenError {
    if failures.iter().any(|(_, error)| error.is_refusal()) {
        failures.retain(|(_, error)| !has_no_server(error));
    }
    // Resolvers change the order, and the log has each cause once.
    failures.sort_by(|(one, _), (other, _)| one.cmp(other));
    match failures.len() {
        1 => failures.remove(0).1,
        _ => OpenError::Hosts(failures),
    }
}

/// Returns whether no server is at an address, as far as its machine or the network says.
fn has_no_server(error: &OpenError) -> bool {
    use std::io::ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable};
    let kinds = [AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable];
    matches!(error, OpenError::Database(SqlxError::Io(error)) if kinds.contains(&error.kind()))
}

/// Returns whether another address of the same name may work. The library has tried all of them if each refuses, or can't be
/// reached.
fn may_differ_elsewhere(error: &OpenError) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error {
        OpenError::TimedOut(_) | OpenError::Standby => true,
        OpenError::Database(SqlxError::Io(error)) => {
            [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof].contains(&error.kind())
        }
        // The server starts, or stops; or has no connection to give.
        OpenError::Database(SqlxError::Database(error)) => {
            error.code().is_some_and(|code| code.starts_with("57P") || code == "53300")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::Duration;

    use latchkey_testing::Postgres;

    use super::*;
    use crate::pool::Pooler;

    fn at(port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port).into()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn each_address_of_a_name_is_tried_until_one_accepts_writes() {
        let primary = Postgres::start();
        let standby = primary.standby();
        let silent = TcpListener::bind(at(0)).unwrap();
        // No process listens there, and none is given that port by chance.
        let refused = at(1);
        let url = primary.url("postgres");
        let target = PostgresTarget::parse(&url, Duration::from_mins(1), Pooler::Session.into()).unwrap();
        let host = crate::pool::postgres_url::parse(&url).unwrap().remove(0);
        let route = Route::default();
        let relay = route.relay(&host).unwrap();
        let none = vec![refused, at(standby.port())];
        let error = route.open_at_each(&host, &target, relay, none.clone()).await.err().unwrap();
        assert!(matches!(error, OpenError::Standby), "{error}");
        assert!(route.options(&host).get_socket().is_none(), "the relay leads nowhere");
        let all = [none, vec![silent.local_addr().unwrap(), at(primary.port())]].concat();
        let session = route.open_at_each(&host, &target, relay, all).await.unwrap();
        session.close().await.unwrap();
        assert!(route.options(&host).get_socket().is_some(), "the address that works stays in use");
        route.open(&host, &target).await.unwrap().close().await.unwrap();
        standby.promote();
        primary.stop();
        relay.lead_to(Some(at(standby.port())));
        route.open(&host, &target).await.unwrap().close().await.unwrap();
        standby.stop();
        assert!(route.open(&host, &target).await.is_err());
        primary.restart();
        route.open(&host, &target).await.unwrap().close().await.unwrap();
        assert!(route.options(&host).get_socket().is_none(), "the name is used again");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_address_that_the_name_no_longer_has_is_not_used() {
        let server = Postgres::shared();
        let url = server.url("postgres");
        let target = PostgresTarget::parse(&url, Duration::from_mins(1), Pooler::Session.into()).unwrap();
        let host = crate::pool::postgres_url::parse(&url).unwrap().remove(0);
        let (route, former) = (Route::default(), TcpListener::bind("127.0.0.2:0").unwrap());
        former.set_nonblocking(true).unwrap();
        route.relay(&host).unwrap().lead_to(former.local_addr().ok());
        route.open(&host, &target).await.unwrap().close().await.unwrap();
        assert!(former.accept().is_err(), "a connection to the former address");
        assert!(route.options(&host).get_socket().is_none(), "the name is used again");
    }

    fn io(kind: std::io::ErrorKind) -> OpenError {
        OpenError::Database(SqlxError::Io(kind.into()))
    }

    #[test]
    fn an_address_without_a_server_does_not_hide_the_answer_at_another() {
        let refused = || ("[::1]:5432".to_owned(), io(std::io::ErrorKind::ConnectionRefused));
        let standby = || ("127.0.0.1:5432".to_owned(), OpenError::Standby);
        assert!(matches!(of_addresses(vec![refused(), standby()]), OpenError::Standby));
        let silent = || ("10.0.0.1:5432".to_owned(), OpenError::TimedOut(CONNECT_TIMEOUT));
        for failures in [vec![silent(), standby(), refused()], vec![refused(), standby(), silent()]] {
            let text = of_addresses(failures).to_string();
            assert!(text.starts_with("10.0.0.1:5432: no connection within 3s; 127.0.0.1:5432: "), "{text}");
        }
        let text = of_addresses(vec![refused(), silent()]).to_string();
        assert!(text.contains("[::1]:5432: ") && text.contains("10.0.0.1:5432: "), "{text}");
    }

    #[test]
    fn other_addresses_are_tried_where_they_can_differ() {
        assert!(may_differ_elsewhere(&OpenError::TimedOut(CONNECT_TIMEOUT)));
        assert!(
            may_differ_elsewhere(&OpenError::Standby)
                && may_differ_elsewhere(&io(std::io::ErrorKind::ConnectionReset))
        );
        assert!(!may_differ_elsewhere(&io(std::io::ErrorKind::ConnectionRefused)), "each address refused");
        assert!(!may_differ_elsewhere(&OpenError::NoNotices));
    }
}
