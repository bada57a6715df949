//! Connections that come in: bytes become operations, and operations go to the router and the streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use squall_sim::emit;
use squall_sim::net::{OwnedReadHalf, TcpListener, TcpStream};
use squall_sim::task;
use squall_sim::time::timeout;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use super::keeper::Input;
use super::outbox::{self, Outbox};
use super::{Limits, SharedRouter, lock};
use crate::broker::protocol::{Decoder, Message, Operation};
use crate::broker::router::{ClientOptions, ConnectionId};
use crate::broker::subject;
use crate::broker::truth::Truth;

/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;
/// A client that leaves so many pings unanswered is gone.
const PINGS_MAX: u32 = 2;

/// What connections share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) router: SharedRouter,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) limits: Limits,
    pub(super) connections: Arc<AtomicUsize>,
}

/// Accepts connections for ever.
pub(super) async fn accept(listener: TcpListener, shared: Shared) {
    loop {
        // An error is one connection's; the listener itself goes on.
        if let Ok((stream, _)) = listener.accept().await {
            task::spawn(serve(stream, shared.clone()));
        }
    }
}

async fn serve(stream: TcpStream, shared: Shared) {
    let _ = stream.set_nodelay(true);
    let (read, write) = stream.into_split();
    let outbox = Arc::new(Outbox::new(shared.limits.pending_bytes));
    let others = shared.connections.fetch_add(1, Ordering::Relaxed);
    let id = lock(&shared.router).connect(Arc::clone(&outbox));
    let mut connection = Connection {
        id,
        shared: shared.clone(),
        outbox: Arc::clone(&outbox),
    };
    connection.say(&connection.info());
    let writer = {
        let outbox = Arc::clone(&outbox);
        task::spawn(async move { outbox::write_all(&outbox, write).await })
    };
    if others >= shared.limits.connections {
        outbox.end("maximum connections exceeded");
    }
    tokio::select! {
        biased;
        () = outbox.ended() => {}
        () = connection.read_all(read) => {}
    }
    lock(&shared.router).disconnect(id);
    if outbox.is_slow() {
        emit(Truth::SlowConsumer { connection: id });
    }
    outbox.end("");
    let _ = shared.inputs.send(Input::Closed(id)).await;
    let _ = writer.await;
    shared.connections.fetch_sub(1, Ordering::Relaxed);
}

struct Connection {
    id: ConnectionId,
    shared: Shared,
    outbox: Arc<Outbox>,
}

impl Connection {
    fn info(&self) -> Operation {
        let limits = self.shared.limits.protocol;
        let info = json!({
            "server_id": "SQUALL", "server_name": "squall", "version": "2.10.0", "go": "",
            "host": "0.0.0.0", "port": 4222, "proto": 1, "headers": true, "jetstream": true,
            "max_payload": limits.payload_bytes, "client_id": self.id,
        });
        Operation::Info(info.to_string())
    }

    fn say(&self, operation: &Operation) {
        lock(&self.shared.router).tell(self.id, operation);
    }

    /// Carries out what the client says, until it stops or says something wrong.
    async fn read_all(&mut self, mut read: OwnedReadHalf) {
        let mut decoder = Decoder::new(self.shared.limits.protocol);
        let mut buffer = vec![0; READ_BYTES];
        let mut unanswered = 0;
        loop {
            match timeout(self.shared.limits.ping_interval, read.read(&mut buffer)).await {
                Ok(Ok(length)) if length > 0 => decoder.push(&buffer[..length]),
                Ok(_) => return,
                Err(_) if unanswered >= PINGS_MAX => return self.outbox.end("Stale Connection"),
                Err(_) => {
                    unanswered += 1;
                    self.say(&Operation::Ping);
                    continue;
                }
            }
            unanswered = 0;
            loop {
                match decoder.next() {
                    Ok(Some(operation)) => {
                        if self.carry_out(operation).await.is_none() {
                            return;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return self.outbox.end(&error.to_string()),
                }
            }
        }
    }

    /// `None` if the connection is over.
    async fn carry_out(&mut self, operation: Operation) -> Option<()> {
        match operation {
            Operation::Ping => self.say(&Operation::Pong),
            Operation::Pong => {}
            Operation::Connect(json) => self.connect(&json)?,
            Operation::Publish(message) => self.publish(message).await?,
            Operation::Subscribe { filter, queue, sid } => self.subscribe(&filter, queue, sid)?,
            Operation::Unsubscribe { sid, max } => {
                let mut router = lock(&self.shared.router);
                router.unsubscribe(self.id, &sid, max);
                router.acknowledge(self.id);
            }
            // What only a server says.
            Operation::Info(_)
            | Operation::Deliver { .. }
            | Operation::Okay
            | Operation::Error(_) => {
                self.outbox.end("Unknown Protocol Operation");
                return None;
            }
        }
        Some(())
    }

    fn connect(&mut self, json: &str) -> Option<()> {
        let Ok(Value::Object(fields)) = serde_json::from_str(json) else {
            self.outbox.end("Parser Error");
            return None;
        };
        let is = |field: &str, default| {
            fields
                .get(field)
                .and_then(Value::as_bool)
                .unwrap_or(default)
        };
        let options = ClientOptions {
            is_verbose: is("verbose", false),
            is_deaf_to_itself: !is("echo", true),
            has_headers: is("headers", false),
            wants_no_responders: is("no_responders", false),
        };
        let mut router = lock(&self.shared.router);
        router.set_options(self.id, options);
        router.acknowledge(self.id);
        Some(())
    }

    async fn publish(&mut self, message: Message) -> Option<()> {
        let is_reply = message.reply.as_deref().is_none_or(subject::is_subject);
        if !subject::is_subject(&message.subject) || !is_reply {
            // As NATS does, this is told and the connection goes on.
            self.say(&Operation::Error("Invalid Publish Subject".to_owned()));
            return Some(());
        }
        let is_captured = {
            let mut router = lock(&self.shared.router);
            router.publish(self.id, &message);
            router.acknowledge(self.id);
            router.is_captured(&message.subject)
        };
        if is_captured {
            // A client that sends faster than the disk can follow is not read.
            let input = Input::Published {
                from: self.id,
                message,
            };
            self.shared.inputs.send(input).await.ok()?;
        }
        Some(())
    }

    fn subscribe(&mut self, filter: &str, queue: Option<String>, sid: String) -> Option<()> {
        if !subject::is_filter(filter) {
            self.say(&Operation::Error("Invalid Subject".to_owned()));
            return Some(());
        }
        let mut router = lock(&self.shared.router);
        if !router.subscribe(self.id, filter, queue, sid) {
            self.outbox.end("maximum subscriptions exceeded");
            return None;
        }
        router.acknowledge(self.id);
        Some(())
    }
}
