//! The keeper: the streams and their journal, driven by one task.
//!
//! What comes while a frame is being synced shares the next one. An effect is carried out when all
//! records before it are durable, and never otherwise: a keeper that cannot write stops the server.

use squall_sim::emit;
use squall_sim::time::{Duration, Instant, sleep_until};
use tokio::sync::mpsc;

use super::{ServerError, SharedRouter, lock};
use crate::broker::journal::Journal;
use crate::broker::protocol::Message;
use crate::broker::router::ConnectionId;
use crate::broker::streams::{Effect, Output, Streams};

/// Inputs and bytes that share a frame, at most.
const INPUTS_MAX: usize = 256;
const BYTES_MAX: u64 = 4 << 20;
/// How long the keeper sleeps when nothing is due.
const IDLE: Duration = Duration::from_secs(3_600);

/// What the keeper reacts to.
pub(super) enum Input {
    Published {
        from: ConnectionId,
        message: Message,
    },
    Closed(ConnectionId),
}

pub(super) struct Keeper {
    pub(super) streams: Streams,
    pub(super) journal: Journal,
    pub(super) router: SharedRouter,
}

impl Keeper {
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Input>) -> Result<(), ServerError> {
        loop {
            if !self.take_turn().await? {
                let deadline = self.streams.next_deadline();
                let deadline = deadline.unwrap_or_else(|| Instant::now() + IDLE);
                tokio::select! {
                    biased;
                    input = inbox.recv() => match input {
                        Some(input) => { self.take(input); }
                        None => return Ok(()),
                    },
                    () = sleep_until(deadline) => {}
                }
            }
            self.take_waiting(&mut inbox);
        }
    }

    /// Does what can be done now; whether there was something.
    pub(super) async fn take_turn(&mut self) -> Result<bool, ServerError> {
        {
            let router = lock(&self.router);
            let is_heard = |subject: &str| router.is_heard(subject);
            self.streams.poll(Instant::now(), &is_heard);
        }
        let output = self.streams.take_output();
        if output.records.is_empty() && output.effects.is_empty() {
            return Ok(false);
        }
        self.carry_out(output).await?;
        Ok(true)
    }

    fn take_waiting(&mut self, inbox: &mut mpsc::Receiver<Input>) {
        let mut bytes = 0;
        for _ in 0..INPUTS_MAX {
            if bytes > BYTES_MAX {
                return;
            }
            let Ok(input) = inbox.try_recv() else {
                return;
            };
            bytes += self.take(input);
        }
    }

    /// Takes an input; answers its size.
    fn take(&mut self, input: Input) -> u64 {
        match input {
            Input::Published { from, message } => {
                let bytes = message.size_bytes();
                self.streams.take(Instant::now(), from, message);
                bytes
            }
            Input::Closed(connection) => {
                self.streams.connection_closed(connection);
                0
            }
        }
    }

    /// Makes the records durable, then carries out the effects.
    async fn carry_out(&mut self, output: Output) -> Result<(), ServerError> {
        if self.journal.is_long() {
            // The snapshot has the records in it.
            let snapshot = self.streams.snapshot(Instant::now());
            self.journal.begin_segment(snapshot).await?;
        } else if !output.records.is_empty() {
            self.journal.append(&output.records).await?;
        }
        for effect in output.effects {
            match effect {
                Effect::Send { to, message } => {
                    lock(&self.router).send(None, &to, &message);
                }
                Effect::Capture { filter } => lock(&self.router).capture(filter),
                Effect::Emit(truth) => emit(truth),
            }
        }
        Ok(())
    }
}
