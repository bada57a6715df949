//! hyper on this house's sockets, clocks and tasks: the same code in every world.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant as StdInstant;

use hyper::rt::{self, ReadBufCursor};
use squall_sim::net::TcpStream;
use squall_sim::task;
use squall_sim::time::{self, Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is read at once.
const READ_BYTES: usize = 8 * 1024;

/// A stream that hyper can use.
///
/// A peer that does not read would keep a writer waiting for ever; here the stream breaks with
/// `TimedOut` once nothing could be written for a while.
pub struct Io {
    stream: TcpStream,
    /// What was read on its way to hyper, whose own buffer may be uninitialised memory.
    buffer: Box<[u8]>,
    write_patience: Duration,
    stalled: Option<time::Sleep>,
}

impl Io {
    /// Wraps a stream that breaks once nothing could be written for `write_patience`.
    pub fn new(stream: TcpStream, write_patience: Duration) -> Self {
        // An error here means that the stream has ended: the next read says so too.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            buffer: vec![0; READ_BYTES].into(),
            write_patience,
            stalled: None,
        }
    }

    /// The stream that was wrapped.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    fn wait_for_reader(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let patience = self.write_patience;
        let stalled = self.stalled.get_or_insert_with(|| time::sleep(patience));
        let over = Pin::new(stalled).poll(context);
        over.map(|()| io::Error::new(io::ErrorKind::TimedOut, "the peer does not read"))
    }
}

impl rt::Read for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut target: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let length = target.remaining().min(this.buffer.len());
        let mut buffer = ReadBuf::new(&mut this.buffer[..length]);
        ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer))?;
        target.put_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

impl rt::Write for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_write(context, bytes) {
            Poll::Ready(written) => {
                this.stalled = None;
                Poll::Ready(written)
            }
            Poll::Pending => this.wait_for_reader(context).map(Err),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// The world's clock in hyper's terms.
///
/// hyper names times by std's `Instant`, which can only be had from the machine's clock. One is
/// taken as an origin; what counts is the distance from it, and that is the world's.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: StdInstant,
    began: Instant,
}

impl Clock {
    pub fn new() -> Self {
        Self {
            origin: StdInstant::now(),
            began: Instant::now(),
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl rt::Timer for Clock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep(time::sleep(duration)))
    }

    fn sleep_until(&self, deadline: StdInstant) -> Pin<Box<dyn rt::Sleep>> {
        let since_origin = deadline.saturating_duration_since(self.origin);
        Box::pin(Sleep(time::sleep_until(self.began + since_origin)))
    }

    fn now(&self) -> StdInstant {
        self.origin + self.began.elapsed()
    }
}

struct Sleep(time::Sleep);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl rt::Sleep for Sleep {}

/// Starts hyper's tasks as this world's.
#[derive(Clone, Copy, Debug)]
pub struct Spawner;

impl<F> rt::Executor<F> for Spawner
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        task::spawn(future);
    }
}
