//! A connection with a deadline for its first bytes (the preface of HTTP/2 has 24): if they do not arrive in time, the
//! connection is closed. It holds its slot until it is dropped.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::socket::Stream;
use super::{ConnectionSlot, PeerAddress, WriteTimeout};

/// Maximum time until the first bytes of a client arrive.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(5);
/// Number of first bytes: `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`; a valid request of HTTP/1 is at least as long.
const FIRST_BYTES: usize = 24;

/// Stream whose reads fail with `TimedOut` if the first bytes do not arrive in time.
pub struct FirstBytesTimeout<S = WriteTimeout> {
    stream: S,
    pending: Option<(Pin<Box<Sleep>>, usize)>,
    _slot: Option<ConnectionSlot>,
}

impl FirstBytesTimeout {
    pub(super) fn new(stream: Stream, slot: ConnectionSlot) -> Self {
        stream.disable_delay();
        Self::with_slot(WriteTimeout::new(stream), slot)
    }

    /// Returns the client's address, or `None` after it has disconnected.
    #[must_use]
    pub fn peer(&self) -> Option<PeerAddress> {
        self.stream.peer()
    }
}

impl<S> FirstBytesTimeout<S> {
    fn with_slot(stream: S, slot: ConnectionSlot) -> Self {
        Self { _slot: Some(slot), ..Self::without_slot(stream) }
    }

    /// Wraps the decrypted stream of a connection that already holds a slot.
    pub(crate) fn without_slot(stream: S) -> Self {
        Self { stream, pending: Some((Box::pin(sleep(FIRST_BYTES_TIMEOUT)), FIRST_BYTES)), _slot: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytesTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let Some((deadline, missing)) = &mut self.pending else { return polled };
        *missing = missing.saturating_sub(buffer.filled().len() - before);
        if *missing == 0 {
            self.pending = None;
        } else if polled.is_pending() {
            ready!(deadline.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstBytesTimeout<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Returns false, although vectored writes would work. Without them, h2 copies frames of up to 1 KiB into one buffer, so
    /// that many responses leave with one system call; with them, it writes each frame of over 256 bytes separately.
    fn is_write_vectored(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::sync::Semaphore;

    use super::super::connection_table::ConnectionTable;
    use super::super::{Client, ConnectionStats};
    use super::*;

    async fn with_timeout<S>(stream: S) -> FirstBytesTimeout<S> {
        let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let place = Arc::new(ConnectionTable::new(None)).enter(Client::of([127, 0, 0, 1].into()));
        let stats = Arc::new(ConnectionStats::new("test", 1));
        FirstBytesTimeout::with_slot(stream, ConnectionSlot::occupy(&stats, place, permit))
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_closed() {
        let (_client, server) = duplex(64);
        let error = with_timeout(server).await.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_sends_too_few_bytes_is_closed() {
        let (mut client, server) = duplex(64);
        let mut server = with_timeout(server).await;
        client.write_all(b"PRI").await.unwrap();
        let mut bytes = [0; 24];
        assert_eq!(server.read_exact(&mut bytes).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_may_be_silent_after_its_first_bytes() {
        let (mut client, server) = duplex(64);
        let mut server = with_timeout(server).await;
        client.write_all(&[7; 24]).await.unwrap();
        let mut bytes = [0; 24];
        server.read_exact(&mut bytes).await.unwrap();
        let later = async {
            // An hour on the test's paused clock.
            sleep(Duration::from_hours(1)).await;
            client.write_u8(1).await
        };
        let (read, wrote) = tokio::join!(server.read_u8(), later);
        assert!(wrote.is_ok() && read.unwrap() == 1);
    }
}
