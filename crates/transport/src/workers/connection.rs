//! Serves one connection from its handshake to its end, with limits that protect other clients from it.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
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
use crate::listen::{CLOSING_TIME, Connection, FirstBytesTimeout};
use crate::tls::{ConnectionGuard, TlsConnection, is_revocation_error};

/// Maximum number of calls in flight on a connection; Envoy opens another connection when it needs more.
const MAX_CONCURRENT_STREAMS: u32 = 1_024;
/// Maximum size of a call's metadata in bytes, as HPACK counts it. A JWT of the longest size fits.
const MAX_HEADER_LIST_SIZE: u32 = 16 * 1024;
/// Maximum number of streams that a client may open and reset at once, which is a pattern of attacks.
const MAX_PENDING_RESETS: usize = 64;
/// Interval of keep-alive pings on a silent connection, and the maximum time until the response to one.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// Signal that connections must end: calls in flight are finished, and a GOAWAY frame sends clients elsewhere.
pub(super) struct DrainSignal(Option<BoxFuture<'static, ()>>);

impl From<watch::Receiver<bool>> for DrainSignal {
    fn from(mut draining: watch::Receiver<bool>) -> Self {
        Self(Some(Box::pin(async move { drop(draining.wait_for(|now| *now).await) })))
    }
}

impl DrainSignal {
    /// Returns a signal that is also given when the connection must make room for another one.
    fn or_closing(mut self, connection: &Arc<Connection>) -> Self {
        let connection = Arc::clone(connection);
        let draining = self.0.take();
        Self(draining.map(|draining| {
            let either = async move {
                tokio::select! {
                    () = draining => {}
                    () = connection.closing() => {}
                }
            };
            Box::pin(either) as BoxFuture<'static, ()>
        }))
    }
}

impl DrainSignal {
    /// Returns true once, when draining has begun.
    fn poll_started(&mut self, cx: &mut Context<'_>) -> bool {
        let started = self.0.as_mut().is_some_and(|signal| signal.as_mut().poll(cx).is_ready());
        if started {
            self.0 = None;
        }
        started
    }
}

/// Serves a connection until it ends, or until a short time after it had to make room for another one.
pub(super) async fn serve<M: MakeService>((accepted, port): AssignedConnection<M>, drain: DrainSignal) {
    let connection = accepted.connection();
    let late = async {
        connection.closing().await;
        tokio::time::sleep(CLOSING_TIME).await;
    };
    tokio::select! {
        () = serve_to_end((accepted, port), drain.or_closing(&connection)) => {}
        () = late => {}
    }
}

async fn serve_to_end<M: MakeService>((accepted, port): AssignedConnection<M>, drain: DrainSignal) {
    let (peer, connection) = (accepted.peer(), accepted.connection());
    let Ok((stream, handshake, _counted)) = accepted.into_stream() else { return };
    let service = |certificate| port.service.make_service(Peer { address: peer, certificate });
    let Some(acceptor) = &port.tls else {
        handshake.accepted();
        return serve_http2::<_, M>(stream, service(None), drain, connection).await;
    };
    match acceptor.accept(stream).await {
        Ok(TlsConnection { stream, certificate, guard }) => {
            handshake.accepted();
            let presented = certificate.clone();
            // After the handshake, the client must send its first bytes in time, too.
            let stream = FirstBytesTimeout::without_slot(stream);
            let serving = serve_http2::<_, M>(stream, service(certificate), drain, connection);
            tokio::select! {
                // The revocation is checked before calls are answered.
                biased;
                () = until_revoked(guard) => {
                    let names: Vec<_> = presented.iter().flat_map(|one| one.0.iter().map(ToString::to_string)).collect();
                    let names = names.join(", ");
                    tracing::warn!(%peer, names, "closed a connection: its client certificate is no longer accepted");
                }
                () = serving => {}
            }
        }
        Err(error) if is_revocation_error(&error) => {
            tracing::warn!(
                target: "latchkey::peers",
                %peer,
                %error,
                "rejected a connection: the revocation lists do not permit its client certificate"
            );
        }
        Err(error) => {
            tracing::debug!(target: "latchkey::peers", %peer, %error, "closed a connection: the TLS handshake failed");
        }
    }
}

/// Completes when the client's certificate is no longer accepted.
async fn until_revoked(guard: Option<ConnectionGuard>) {
    match guard {
        Some(mut guard) => guard.revoked().await,
        None => std::future::pending().await,
    }
}

/// Serves HTTP/2 on a stream.
async fn serve_http2<S, M>(
    stream: S,
    service: M::Service,
    mut drain: DrainSignal,
    connection: Arc<Connection>,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    M: MakeService,
{
    let (executor, mut tasks) = (InlineExecutor::new(connection), JoinSet::new());
    let mut connection =
        pin!(http2_builder(executor.clone()).serve_connection(TokioIo::new(stream), service));
    let ended = poll_fn(|cx| {
        if drain.poll_started(cx) {
            connection.as_mut().graceful_shutdown();
        }
        let polled = Pin::new(&mut connection).poll(cx);
        executor.run(&mut tasks, cx);
        executor.reap(&mut tasks);
        polled
    });
    if let Err(error) = ended.await {
        tracing::debug!(target: "latchkey::peers", %error, "a connection ended with an error");
    }
}

fn http2_builder(executor: InlineExecutor) -> http2::Builder<InlineExecutor> {
    let (interval, timeout) = KEEPALIVE;
    let mut builder = http2::Builder::new(executor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST_SIZE)
        .max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
        .keep_alive_interval(Some(interval))
        .keep_alive_timeout(timeout)
        // gRPC clients do not use the date header.
        .auto_date_header(false);
    builder
}
