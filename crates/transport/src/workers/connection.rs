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

use super::AssignedConnection;
use super::inline_executor::InlineExecutor;
use super::service::{MakeService, Peer};
use crate::listen::FirstBytesTimeout;
use crate::tls::{ConnectionGuard, TlsConnection, is_revocation_error};

/// Calls in flight on one connection; Envoy opens another when it needs more.
const MAX_CONCURRENT_STREAMS: u32 = 1_024;
/// Metadata of one call, as HPACK counts it.
const MAX_HEADER_LIST_SIZE: u32 = 64 * 1024;
/// Streams that were opened and reset at once: an attacker's pattern.
const MAX_PENDING_RESETS: usize = 64;
/// A connection that is silent for so long is asked whether anybody is there, and has so long to answer.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// Says when connections are to end: what is in flight is finished, and clients are told to go elsewhere.
pub(super) struct DrainSignal(Option<BoxFuture<'static, ()>>);

impl From<watch::Receiver<bool>> for DrainSignal {
    fn from(mut draining: watch::Receiver<bool>) -> Self {
        Self(Some(Box::pin(async move { drop(draining.wait_for(|now| *now).await) })))
    }
}

impl DrainSignal {
    /// Whether it has just begun.
    fn poll_started(&mut self, cx: &mut Context<'_>) -> bool {
        let started = self.0.as_mut().is_some_and(|signal| signal.as_mut().poll(cx).is_ready());
        if started {
            self.0 = None;
        }
        started
    }
}

/// Serves a connection until it ends.
pub(super) async fn serve<M: MakeService>((accepted, port): AssignedConnection<M>, drain: DrainSignal) {
    let peer = accepted.peer();
    let Ok((stream, handshake, _counted)) = accepted.into_stream() else { return };
    let service = |certificate| port.service.make_service(Peer { address: peer, certificate });
    let Some(acceptor) = &port.tls else {
        handshake.accepted();
        return serve_http2::<_, M>(stream, service(None), drain).await;
    };
    match acceptor.accept(stream).await {
        Ok(TlsConnection { stream, certificate, guard }) => {
            handshake.accepted();
            let presented = certificate.clone();
            // Who has shaken hands must begin to speak, too.
            let serving =
                serve_http2::<_, M>(FirstBytesTimeout::without_slot(stream), service(certificate), drain);
            tokio::select! {
                // Before what has come in is answered.
                biased;
                () = until_revoked(guard) => {
                    let names: Vec<_> = presented.iter().flat_map(|one| one.0.iter().map(ToString::to_string)).collect();
                    let names = names.join(", ");
                    tracing::warn!(%peer, names, "a connection was cut off: its client certificate is refused by now");
                }
                () = serving => {}
            }
        }
        Err(error) if is_revocation_error(&error) => {
            tracing::warn!(%peer, %error, "a client certificate was refused by the revocation lists");
        }
        Err(error) => tracing::debug!(%peer, %error, "a handshake failed"),
    }
}

/// Comes when the client's certificate is no longer admitted.
async fn until_revoked(guard: Option<ConnectionGuard>) {
    match guard {
        Some(mut guard) => guard.revoked().await,
        None => std::future::pending().await,
    }
}

/// Serves what is spoken on a connection.
async fn serve_http2<S, M>(stream: S, service: M::Service, mut drain: DrainSignal)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    M: MakeService,
{
    let (executor, mut tasks) = (InlineExecutor::default(), JoinSet::new());
    let mut connection =
        pin!(http2_builder(executor.clone()).serve_connection(TokioIo::new(stream), service));
    let ended = poll_fn(|cx| {
        if drain.poll_started(cx) {
            connection.as_mut().graceful_shutdown();
        }
        let polled = Pin::new(&mut connection).poll(cx);
        executor.run(&mut tasks, cx);
        while tasks.try_join_next().is_some() {}
        polled
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, "a connection ended");
    }
}

fn http2_builder(executor: InlineExecutor) -> http2::Builder<InlineExecutor> {
    let (interval, remaining_budget) = KEEPALIVE;
    let mut builder = http2::Builder::new(executor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST_SIZE)
        .max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
        .keep_alive_interval(Some(interval))
        .keep_alive_timeout(remaining_budget)
        // Nobody who speaks gRPC looks at it.
        .auto_date_header(false);
    builder
}
