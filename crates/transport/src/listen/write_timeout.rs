//! A stream that fails where its client does not read: while writes are blocked, the client must take a least number of
//! bytes in a time.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::PeerAddress;
use super::socket::Stream;

/// Time in which a client must take [`LEAST_BYTES`] while writes are blocked.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Number of bytes that a client must take in [`WRITE_TIMEOUT`].
const LEAST_BYTES: usize = 16 * 1024;

/// Stream whose writes fail with `TimedOut` if its client reads too slowly.
pub struct WriteTimeout<S = Stream> {
    stream: S,
    /// Deadline and missing bytes, while writes are blocked.
    blocked: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> WriteTimeout<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, blocked: None }
    }

    fn observe(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match (&polled, &mut self.blocked) {
            (Poll::Pending, None) => self.blocked = Some((Box::pin(sleep(WRITE_TIMEOUT)), LEAST_BYTES)),
            (Poll::Ready(Ok(written)), Some((_, missing))) => {
                *missing = missing.saturating_sub(*written);
                if *missing == 0 {
                    self.blocked = None;
                }
            }
            _ => {}
        }
        if polled.is_pending()
            && let Some((deadline, _)) = &mut self.blocked
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl WriteTimeout {
    /// Returns the client's address, or `None` after it has disconnected.
    pub(super) fn peer(&self) -> Option<PeerAddress> {
        self.stream.peer()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.observe(cx, polled)
    }

    /// Flushes the stream. Writers do so when they have written everything, so that no write is blocked then.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        if polled.is_ready() {
            self.blocked = None;
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_cut_off() {
        let (_client, server) = duplex(64);
        let error = WriteTimeout::new(server).write_all(&[7; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_a_byte_now_and_then_is_cut_off() {
        let (mut client, server) = duplex(64);
        let mut server = WriteTimeout::new(server);
        let drip = async {
            for _ in 0..60 {
                sleep(Duration::from_secs(1)).await;
                let _ = client.read_u8().await;
            }
        };
        let write = async { server.write_all(&[7; 4096]).await.unwrap_err().kind() };
        let kind = tokio::select! { kind = write => kind, () = drip => unreachable!("it is cut off before") };
        assert_eq!(kind, io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_may_pause() {
        let (mut client, server) = duplex(64);
        let mut server = WriteTimeout::new(server);
        let read = async {
            let mut bytes = vec![0; 64 * 1024];
            for _ in 0..4 {
                sleep(Duration::from_secs(9)).await;
                client.read_exact(&mut bytes).await.unwrap();
            }
        };
        let whole = vec![7; 256 * 1024];
        let (written, ()) = tokio::join!(server.write_all(&whole), read);
        written.unwrap();
    }
}
