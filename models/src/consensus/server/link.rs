//! Links to peers: messages that are sent, and connections that are made anew when they fail.

use squall_sim::net::{OwnedReadHalf, OwnedWriteHalf, TcpStream};
use squall_sim::task;
use squall_sim::time::{Duration, sleep, timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::super::raft::{Message, NodeId};
use super::super::wire::{self, PeerFrame};
use super::PEER;

/// Messages that wait for a peer, at most. More are dropped: Raft sends again what matters.
const MESSAGES_MAX: usize = 64;
/// A connection that is not acknowledged for this long is given up: TCP itself would go on for
/// minutes, and its back-off outlasts the partition.
const PATIENCE: Duration = Duration::from_millis(400);
/// The pause before a new connection.
const RECONNECT: Duration = Duration::from_millis(50);

/// The sending end of a link.
pub(super) struct Link(mpsc::Sender<Message>);

impl Link {
    /// Sends a message, or drops it.
    pub(super) fn send(&self, message: Message) {
        let _ = self.0.try_send(message);
    }
}

/// Starts a link to the peer at an address.
pub(super) fn start(own: NodeId, address: String) -> Link {
    let (messages, outbox) = mpsc::channel(MESSAGES_MAX);
    task::spawn(keep_connected(own, address, outbox));
    Link(messages)
}

async fn keep_connected(own: NodeId, address: String, mut outbox: mpsc::Receiver<Message>) {
    while !outbox.is_closed() {
        if let Ok(Ok(stream)) = timeout(PATIENCE, TcpStream::connect(&address)).await {
            let _ = stream.set_nodelay(true);
            let (read, write) = stream.into_split();
            send_all(own, read, write, &mut outbox).await;
        }
        // What waited was written for another moment.
        while outbox.try_recv().is_ok() {}
        sleep(RECONNECT).await;
    }
}

/// Sends messages until the connection fails or is not acknowledged in time.
async fn send_all(
    own: NodeId,
    mut read: OwnedReadHalf,
    mut write: OwnedWriteHalf,
    outbox: &mut mpsc::Receiver<Message>,
) {
    if write.write_u8(PEER).await.is_err() {
        return;
    }
    let mut acknowledgements = [0; 64];
    while let Some(message) = outbox.recv().await {
        let Ok(mut frames) = encode(own, message) else {
            continue;
        };
        while let Ok(message) = outbox.try_recv() {
            let Ok(frame) = encode(own, message) else {
                continue;
            };
            frames.extend_from_slice(&frame);
        }
        let exchange = async {
            write.write_all(&frames).await?;
            read.read(&mut acknowledgements).await
        };
        match timeout(PATIENCE, exchange).await {
            Ok(Ok(acknowledged)) if acknowledged > 0 => {}
            Ok(Ok(_) | Err(_)) | Err(_) => return,
        }
    }
}

fn encode(from: NodeId, message: Message) -> Result<Vec<u8>, wire::WireError> {
    wire::encode(&PeerFrame { from, message })
}
