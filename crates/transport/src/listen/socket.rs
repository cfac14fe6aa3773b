//! Listening sockets and connected streams, of TCP and of Unix sockets.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use super::address::{BindAddress, PeerAddress};
use super::unix_socket::{self, SocketFile};

/// Number of connections that wait in the kernel's queue.
const BACKLOG: u32 = 1024;

/// Listening socket.
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

impl Socket {
    /// Binds an address. `send_buffer` is the size in bytes of the kernel's buffer of a TCP connection; that of a Unix socket
    /// does not grow.
    pub(super) fn bind(address: &BindAddress, send_buffer: u32) -> io::Result<Self> {
        match address {
            BindAddress::Tcp(address) => Self::bind_tcp(*address, send_buffer),
            BindAddress::Unix(file) => {
                let (listener, file) = unix_socket::bind(file, BACKLOG)?;
                Ok(Self::Unix(listener, file))
            }
        }
    }

    fn bind_tcp(address: SocketAddr, send_buffer: u32) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        // The accepted connections inherit it.
        socket.set_send_buffer_size(send_buffer)?;
        socket.bind(address)?;
        Ok(Self::Tcp(socket.listen(BACKLOG)?))
    }

    /// Returns the TCP address, with the actual port if port 0 was requested.
    pub(super) fn tcp_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }

    /// Returns the path of a Unix socket.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(_, file) => Some(file.path()),
        }
    }

    /// Accepts the next connection. The future may be dropped at any time.
    pub(super) async fn accept(&self) -> io::Result<(Stream, PeerAddress)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::Tcp(stream), PeerAddress::Tcp(peer)))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let peer = unix_peer(&stream)?;
                Ok((Stream::Unix(stream), peer))
            }
        }
    }
}

fn unix_peer(stream: &UnixStream) -> io::Result<PeerAddress> {
    let credentials = stream.peer_cred()?;
    let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok()).unwrap_or_default();
    Ok(PeerAddress::Unix { uid: credentials.uid(), pid })
}

/// Connected stream.
#[derive(Debug)]
pub enum Stream {
    /// TCP connection.
    Tcp(TcpStream),
    /// Connection by a Unix socket.
    Unix(UnixStream),
}

/// Connected stream that is not registered with a runtime.
pub(super) enum DetachedStream {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Stream {
    /// Sends small responses without delay. A socket that rejects the option is closing anyway.
    pub(super) fn disable_delay(&self) {
        if let Self::Tcp(stream) = self {
            drop(stream.set_nodelay(true));
        }
    }

    /// Returns the client's address, or `None` after it has disconnected.
    pub(super) fn peer(&self) -> Option<PeerAddress> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok().map(PeerAddress::Tcp),
            Self::Unix(stream) => unix_peer(stream).ok(),
        }
    }

    /// Removes the stream from the runtime of this thread.
    pub(super) fn detach(self) -> io::Result<DetachedStream> {
        match self {
            Self::Tcp(stream) => stream.into_std().map(DetachedStream::Tcp),
            Self::Unix(stream) => stream.into_std().map(DetachedStream::Unix),
        }
    }
}

impl DetachedStream {
    /// Registers the stream with the runtime of this thread.
    pub(super) fn attach(self) -> io::Result<Stream> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream).map(Stream::Tcp),
            Self::Unix(stream) => UnixStream::from_std(stream).map(Stream::Unix),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
