//! Connections: bytes become commands for the core, answers become bytes.

use std::sync::Arc;

use squall_sim::net::{TcpListener, TcpStream};
use squall_sim::task;
use squall_sim::time::{Duration, sleep};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::kv::command::{Command, parse};
use crate::kv::limits::Limits;
use crate::kv::resp::{Bounds, Decoder, Frame};

/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;
/// How long to wait when the system has no room for one more connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A connection's number; they count up.
pub(super) type ConnectionId = u64;

/// What the core reacts to.
pub(super) enum Input {
    Command {
        from: ConnectionId,
        command: Command,
        /// About how much memory it takes.
        bytes: usize,
        answer: oneshot::Sender<Frame>,
    },
    /// A request was no command.
    Refused { from: ConnectionId },
    /// The connection is gone.
    Closed { from: ConnectionId },
}

/// Accepts connections for ever; closes those for which there is no room.
pub(super) async fn accept(
    listener: TcpListener,
    inputs: mpsc::Sender<Input>,
    room: Arc<Semaphore>,
    limits: Limits,
) {
    let mut next = 0;
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // One connection's end, or no file descriptors: the listener itself goes on.
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            continue;
        };
        next += 1;
        let connection = Connection {
            id: next,
            inputs: inputs.clone(),
            limits,
        };
        task::spawn(connection.serve(stream, permit));
    }
}

struct Connection {
    id: ConnectionId,
    inputs: mpsc::Sender<Input>,
    limits: Limits,
}

/// The connection is over: the client is gone, has said `QUIT` or nonsense, or the core has stopped.
struct Over;

impl Connection {
    async fn serve(self, stream: TcpStream, _permit: OwnedSemaphorePermit) {
        let _ = stream.set_nodelay(true);
        let Err(Over) = self.converse(stream).await;
        let _ = self.inputs.send(Input::Closed { from: self.id }).await;
    }

    async fn converse(&self, stream: TcpStream) -> Result<std::convert::Infallible, Over> {
        let (mut read, mut write) = stream.into_split();
        let mut decoder = Decoder::new(Bounds {
            frame_bytes_max: self.limits.request_bytes_max,
            items_max: self.limits.arguments_max,
            depth_max: 1,
        });
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let length = read.read(&mut buffer).await.map_err(|_| Over)?;
            if length == 0 {
                return Err(Over);
            }
            decoder.push(&buffer[..length]);
            loop {
                let reply = match decoder.next() {
                    Ok(None) => break,
                    Ok(Some(frame)) => self.ask(frame).await?,
                    Err(error) => Some(Reply {
                        answer: Frame::Error(format!("ERR Protocol error: {error}")),
                        is_last: true,
                    }),
                };
                let Some(Reply { answer, is_last }) = reply else {
                    continue;
                };
                let written = write.write_all(&answer.to_bytes()).await;
                if is_last || written.is_err() {
                    let _ = write.shutdown().await;
                    return Err(Over);
                }
            }
        }
    }

    /// Asks the core; `None` if there is nothing to answer.
    async fn ask(&self, frame: Frame) -> Result<Option<Reply>, Over> {
        let bytes = frame.bytes();
        let command = match parse(frame, &self.limits) {
            Ok(Some(command)) => command,
            Ok(None) => return Ok(None),
            Err(refusal) => {
                self.tell_core(Input::Refused { from: self.id }).await?;
                return Ok(Some(Reply {
                    answer: Frame::Error(refusal),
                    is_last: false,
                }));
            }
        };
        let is_last = command == Command::Quit;
        let (answer, answered) = oneshot::channel();
        let from = self.id;
        self.tell_core(Input::Command {
            from,
            command,
            bytes,
            answer,
        })
        .await?;
        // A core that stops before it answers leaves the client in doubt: all it may see is the end.
        let answer = answered.await.map_err(|_| Over)?;
        Ok(Some(Reply { answer, is_last }))
    }

    async fn tell_core(&self, input: Input) -> Result<(), Over> {
        self.inputs.send(input).await.map_err(|_| Over)
    }
}

struct Reply {
    answer: Frame,
    /// Whether the connection ends with it.
    is_last: bool,
}
