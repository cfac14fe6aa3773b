//! One connection from its first words to its end, behind bounds that keep good clients served whatever bad
//! ones do.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::task::Context;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Guest;
use super::service::{MakeService, Peer};
use super::turns::Turns;
use crate::listen::Guarded;
use crate::tls::{Admitted, Stay, by_lists};

/// Calls in flight on one connection; Envoy opens another when it needs more.
const STREAMS: u32 = 1_024;
/// Metadata of one call, as HPACK counts it.
const METADATA: u32 = 64 * 1024;
/// Streams that were opened and reset at once: an attacker's pattern.
const RESETS: usize = 64;
/// A connection that is silent for so long is asked whether anybody is there, and has so long to answer.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// Says when connections are to end: what is in flight is finished, and clients are told to go elsewhere.
pub(super) struct Drain(Option<BoxFuture<'static, ()>>);

impl From<watch::Receiver<bool>> for Drain {
    fn from(mut draining: watch::Receiver<bool>) -> Self {
        Self(Some(Box::pin(async move { drop(draining.wait_for(|now| *now).await) })))
    }
}

impl Drain {
    /// Whether it has just begun.
    fn begins(&mut self, cx: &mut Context<'_>) -> bool {
        let begins = self.0.as_mut().is_some_and(|begun| begun.as_mut().poll(cx).is_ready());
        if begins {
            self.0 = None;
        }
        begins
    }
}

/// Serves a connection until it ends.
pub(super) async fn serve<M: MakeService>((arrival, port): Guest<M>, drain: Drain) {
    let peer = arrival.peer();
    let Ok((stream, greeting, _counted)) = arrival.open() else { return };
    let service = |certificate| port.service.make_service(Peer { address: peer, certificate });
    let Some(acceptor) = &port.tls else {
        greeting.admit();
        return speak::<_, M>(stream, service(None), drain).await;
    };
    match acceptor.accept(stream).await {
        Ok(Admitted { stream, certificate, stay }) => {
            greeting.admit();
            let shown = certificate.clone();
            // Who has shaken hands must begin to speak, too.
            let spoken = speak::<_, M>(Guarded::inside(stream), service(certificate), drain);
            tokio::select! {
                // Before what has come in is answered.
                biased;
                () = over(stay) => {
                    let names: Vec<_> = shown.iter().flat_map(|one| one.0.iter().map(ToString::to_string)).collect();
                    let names = names.join(", ");
                    tracing::warn!(%peer, names, "a connection was cut off: its client certificate is refused by now");
                }
                () = spoken => {}
            }
        }
        Err(error) if by_lists(&error) => {
            tracing::warn!(%peer, %error, "a client certificate was refused by the revocation lists");
        }
        Err(error) => tracing::debug!(%peer, %error, "a handshake failed"),
    }
}

/// Comes when the client's certificate is no longer admitted.
async fn over(stay: Option<Stay>) {
    match stay {
        Some(mut stay) => stay.over().await,
        None => std::future::pending().await,
    }
}

/// Serves what is spoken on a connection.
async fn speak<S, M>(stream: S, service: M::Service, mut drain: Drain)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    M: MakeService,
{
    let (turns, mut waiting) = (Turns::default(), JoinSet::new());
    let mut connection = pin!(protocol(turns.clone()).serve_connection(TokioIo::new(stream), service));
    let ended = poll_fn(|cx| {
        if drain.begins(cx) {
            connection.as_mut().graceful_shutdown();
        }
        let polled = Pin::new(&mut connection).poll(cx);
        turns.run(&mut waiting, cx);
        while waiting.try_join_next().is_some() {}
        polled
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, "a connection ended");
    }
}

fn protocol(turns: Turns) -> http2::Builder<Turns> {
    let (interval, patience) = KEEPALIVE;
    let mut builder = http2::Builder::new(turns);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(METADATA)
        .max_pending_accept_reset_streams(Some(RESETS))
        .keep_alive_interval(Some(interval))
        .keep_alive_timeout(patience)
        // Nobody who speaks gRPC looks at it.
        .auto_date_header(false);
    builder
}
