//! Connections that come in: bytes become inputs for the core.

use squall_sim::net::{OwnedReadHalf, OwnedWriteHalf, TcpListener, TcpStream};
use squall_sim::task;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::super::raft::{Message, NodeId};
use super::super::wire::{self, ClientRequest, ClientResponse, Decoder, Framed, PeerFrame};
use super::{CLIENT, PEER};

/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;
/// Answers that wait to be written to a client, at most: one that asks without reading is cut off.
const ANSWERS_MAX: usize = 256;

/// What the core reacts to.
pub(super) enum Input {
    Peer {
        from: NodeId,
        message: Message,
    },
    Client {
        request: ClientRequest,
        answers: Answers,
    },
}

/// Where a client's answers go.
pub(super) type Answers = mpsc::Sender<ClientResponse>;

/// Accepts connections for ever.
pub(super) async fn accept(listener: TcpListener, inputs: mpsc::Sender<Input>) {
    loop {
        // An error is one connection's; the listener itself goes on.
        if let Ok((stream, _)) = listener.accept().await {
            task::spawn(receive(stream, inputs.clone()));
        }
    }
}

async fn receive(stream: TcpStream, inputs: mpsc::Sender<Input>) {
    let _ = stream.set_nodelay(true);
    let (mut read, write) = stream.into_split();
    match read.read_u8().await {
        Ok(PEER) => receive_peer(read, write, inputs).await,
        Ok(CLIENT) => receive_client(read, write, inputs).await,
        // Gone, or no speaker of this protocol: the connection is closed.
        Ok(_) | Err(_) => {}
    }
}

/// Hands a peer's messages on. Each piece that is read is acknowledged by a byte, so that the peer
/// can tell a connection that nobody reads any more.
async fn receive_peer(
    mut read: OwnedReadHalf,
    mut write: OwnedWriteHalf,
    inputs: mpsc::Sender<Input>,
) {
    let mut frames = Frames::<PeerFrame>::new();
    while let Some(batch) = frames.next_batch(&mut read).await {
        for PeerFrame { from, message } in batch {
            if inputs.send(Input::Peer { from, message }).await.is_err() {
                return;
            }
        }
        if write.write_u8(0).await.is_err() {
            return;
        }
    }
}

async fn receive_client(
    mut read: OwnedReadHalf,
    write: OwnedWriteHalf,
    inputs: mpsc::Sender<Input>,
) {
    let (answers, answered) = mpsc::channel(ANSWERS_MAX);
    task::spawn(answer(write, answered));
    let mut frames = Frames::<ClientRequest>::new();
    while let Some(batch) = frames.next_batch(&mut read).await {
        for request in batch {
            let input = Input::Client {
                request,
                answers: answers.clone(),
            };
            if inputs.send(input).await.is_err() {
                return;
            }
        }
    }
}

async fn answer(mut write: OwnedWriteHalf, mut answered: mpsc::Receiver<ClientResponse>) {
    while let Some(response) = answered.recv().await {
        // An answer that is too long for a frame cannot be made: values are bounded by requests.
        let Ok(frame) = wire::encode(&response) else {
            return;
        };
        if write.write_all(&frame).await.is_err() {
            return;
        }
    }
}

/// The frames of a stream, as they come.
pub(in crate::consensus) struct Frames<T> {
    decoder: Decoder<T>,
    buffer: Vec<u8>,
}

impl<T: Framed> Frames<T> {
    pub(in crate::consensus) fn new() -> Self {
        Self {
            decoder: Decoder::new(),
            buffer: vec![0; READ_BYTES],
        }
    }

    /// Reads a piece; answers the frames that it completes, or `None` at the end of the stream, be
    /// it by a close, an error, or bytes that are no frames.
    pub(in crate::consensus) async fn next_batch(
        &mut self,
        read: &mut OwnedReadHalf,
    ) -> Option<Vec<T>> {
        let length = read
            .read(&mut self.buffer)
            .await
            .ok()
            .filter(|length| *length > 0)?;
        self.decoder.push(&self.buffer[..length]);
        let mut batch = Vec::new();
        while let Some(frame) = self.decoder.next().ok()? {
            batch.push(frame);
        }
        Some(batch)
    }
}
