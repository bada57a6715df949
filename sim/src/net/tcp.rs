//! TCP listeners and streams.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::address::{ToSocketAddrs, resolve};
use crate::engine::{self, CrashPoint, Id, NEIGHBOUR_PATIENCE_NS, world};
use crate::time::{Duration, sleep};

/// A socket that accepts connections.
pub struct TcpListener(ListenerIn);

enum ListenerIn {
    Engine { id: Id, local: SocketAddr },
    Tokio(Box<tokio::net::TcpListener>),
}

impl TcpListener {
    /// Listens on an address; port 0 asks for a free one.
    ///
    /// # Errors
    /// EADDRINUSE or EADDRNOTAVAIL.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let address = resolve(address).await?;
        if !world::is_running() {
            let listener = tokio::net::TcpListener::bind(address).await?;
            return Ok(Self(ListenerIn::Tokio(Box::new(listener))));
        }
        let (id, local) = world::with(|world| world.tcp_listen(address))?;
        Ok(Self(ListenerIn::Engine { id, local }))
    }

    /// The address that is listened on.
    ///
    /// # Errors
    /// As `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            ListenerIn::Engine { local, .. } => Ok(*local),
            ListenerIn::Tokio(listener) => listener.local_addr(),
        }
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// As `accept(2)`.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match &self.0 {
            ListenerIn::Engine { id, .. } => {
                let accepted = std::future::poll_fn(|context| {
                    world::with(|world| world.tcp_poll_accept(*id, context))
                });
                let (id, local, remote) = accepted.await?;
                Ok((TcpStream::of_engine(id, local, remote), remote))
            }
            ListenerIn::Tokio(listener) => {
                let (stream, remote) = listener.accept().await?;
                Ok((TcpStream(StreamIn::Tokio(Box::new(stream))), remote))
            }
        }
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        if let ListenerIn::Engine { id, .. } = &self.0 {
            world::try_with(|world| world.tcp_close_listener(*id));
        }
    }
}

/// One end of a connection.
pub struct TcpStream(StreamIn);

enum StreamIn {
    Engine(EngineStream),
    Tokio(Box<tokio::net::TcpStream>),
}

struct EngineStream {
    id: Id,
    local: SocketAddr,
    remote: SocketAddr,
}

impl Drop for EngineStream {
    fn drop(&mut self) {
        world::try_with(|world| world.close_stream(self.id));
    }
}

impl EngineStream {
    #[inline]
    fn poll_read(&self, context: &Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let unfilled = buffer.initialize_unfilled();
        let read = ready!(world::with(
            |world| world.tcp_poll_read(self.id, unfilled, context)
        ))?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn poll_write(&self, context: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = world::with(|world| world.tcp_poll_write(self.id, bytes, context));
        if matches!(written, Poll::Ready(Ok(_))) {
            engine::pass(CrashPoint::Send);
        }
        written
    }

    fn finish(&self) -> io::Result<()> {
        world::with(|world| world.tcp_finish(self.id))
    }
}

impl TcpStream {
    fn of_engine(id: Id, local: SocketAddr, remote: SocketAddr) -> Self {
        Self(StreamIn::Engine(EngineStream { id, local, remote }))
    }

    /// Connects to an address.
    ///
    /// # Errors
    /// ECONNREFUSED if nobody listens there; ETIMEDOUT after some two minutes of silence;
    /// EHOSTUNREACH, after three seconds, for an address of the network that no node has; ENETUNREACH
    /// for one of another network; EADDRNOTAVAIL if all ephemeral ports are in use.
    pub async fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        let remote = resolve(address).await?;
        if !world::is_running() {
            let stream = tokio::net::TcpStream::connect(remote).await?;
            return Ok(Self(StreamIn::Tokio(Box::new(stream))));
        }
        let begun = world::with(|world| world.tcp_connect(remote));
        if let Err(error) = &begun
            && error.raw_os_error() == Some(libc::EHOSTUNREACH)
        {
            sleep(Duration::from_nanos(NEIGHBOUR_PATIENCE_NS)).await;
        }
        let (id, local, remote) = begun?;
        // From here on, dropping this future closes the socket.
        let stream = Self::of_engine(id, local, remote);
        std::future::poll_fn(|context| world::with(|world| world.tcp_poll_connect(id, context)))
            .await?;
        Ok(stream)
    }

    /// This end's address.
    ///
    /// # Errors
    /// As `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            StreamIn::Engine(stream) => Ok(stream.local),
            StreamIn::Tokio(stream) => stream.local_addr(),
        }
    }

    /// The other end's address.
    ///
    /// # Errors
    /// As `getpeername(2)`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            StreamIn::Engine(stream) => Ok(stream.remote),
            StreamIn::Tokio(stream) => stream.peer_addr(),
        }
    }

    /// Asks that small writes are sent at once; the engine always does.
    ///
    /// # Errors
    /// As `setsockopt(2)`.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        match &self.0 {
            StreamIn::Engine(_) => Ok(()),
            StreamIn::Tokio(stream) => stream.set_nodelay(nodelay),
        }
    }

    /// Makes letting go of the stream a reset, which discards what has not been sent.
    ///
    /// # Errors
    /// As `setsockopt(2)`.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        match &self.0 {
            StreamIn::Engine(stream) => {
                world::with(|world| world.tcp_set_zero_linger(stream.id));
                Ok(())
            }
            StreamIn::Tokio(stream) => stream.set_zero_linger(),
        }
    }

    /// Parts the stream into a half for each direction; dropping the writing half sends a FIN.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        match self.0 {
            StreamIn::Engine(stream) => {
                let stream = Arc::new(stream);
                let read = OwnedReadHalf(ReadHalfIn::Engine(Arc::clone(&stream)));
                (read, OwnedWriteHalf(WriteHalfIn::Engine(stream)))
            }
            StreamIn::Tokio(stream) => {
                let (read, write) = stream.into_split();
                (
                    OwnedReadHalf(ReadHalfIn::Tokio(read)),
                    OwnedWriteHalf(WriteHalfIn::Tokio(write)),
                )
            }
        }
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            StreamIn::Engine(stream) => stream.poll_read(context, buffer),
            StreamIn::Tokio(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            StreamIn::Engine(stream) => stream.poll_write(context, bytes),
            StreamIn::Tokio(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            StreamIn::Engine(_) => Poll::Ready(Ok(())),
            StreamIn::Tokio(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            StreamIn::Engine(stream) => Poll::Ready(stream.finish()),
            StreamIn::Tokio(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// The half of a stream that is read.
pub struct OwnedReadHalf(ReadHalfIn);

enum ReadHalfIn {
    Engine(Arc<EngineStream>),
    Tokio(tokio::net::tcp::OwnedReadHalf),
}

impl AsyncRead for OwnedReadHalf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            ReadHalfIn::Engine(stream) => stream.poll_read(context, buffer),
            ReadHalfIn::Tokio(half) => Pin::new(half).poll_read(context, buffer),
        }
    }
}

/// The half of a stream that is written.
pub struct OwnedWriteHalf(WriteHalfIn);

enum WriteHalfIn {
    Engine(Arc<EngineStream>),
    Tokio(tokio::net::tcp::OwnedWriteHalf),
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if let WriteHalfIn::Engine(stream) = &self.0 {
            // An error here means that the connection has ended already.
            let _ = world::try_with(|world| world.tcp_finish(stream.id));
        }
    }
}

impl AsyncWrite for OwnedWriteHalf {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            WriteHalfIn::Engine(stream) => stream.poll_write(context, bytes),
            WriteHalfIn::Tokio(half) => Pin::new(half).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            WriteHalfIn::Engine(_) => Poll::Ready(Ok(())),
            WriteHalfIn::Tokio(half) => Pin::new(half).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            WriteHalfIn::Engine(stream) => Poll::Ready(stream.finish()),
            WriteHalfIn::Tokio(half) => Pin::new(half).poll_shutdown(context),
        }
    }
}
