//! The core: the store, the sessions and the log, driven by one task.
//!
//! While one group of commits is being synced, commands go on: reads are answered from what is visible, and
//! writes gather in the next group. So one fsync serves all that came during the one before.

use std::collections::BTreeMap;

use squall_sim::time::{Duration, sleep};
use squall_sim::{emit, log};
use tokio::sync::{mpsc, oneshot};

use super::connection::{ConnectionId, Input};
use super::{Config, INPUTS_MAX, ServerError};
use crate::kv::limits::Limits;
use crate::kv::resp::Frame;
use crate::kv::session::{Outcome, Session};
use crate::kv::store::{Commit, Store, Version};
use crate::kv::truth::Truth;
use crate::kv::wal::{Checkpoint, Wal};

/// The state of a server.
pub(super) struct Core {
    wal: Wal,
    desk: Desk,
    checkpoint_bytes: u64,
    seal_after: Duration,
}

/// All that works without the disk.
struct Desk {
    store: Store,
    sessions: BTreeMap<ConnectionId, Session>,
    limits: Limits,
    /// What gathers for the next fsync.
    group: Group,
    group_bytes_max: usize,
}

/// Commits that become durable together, and whom to tell then.
#[derive(Default)]
struct Group {
    commits: Vec<Commit>,
    bytes: usize,
    askers: Vec<Asker>,
}

struct Asker {
    /// The commit that was asked for, if it writes anything.
    version: Option<Version>,
    answer: Frame,
    to: oneshot::Sender<Frame>,
}

impl Core {
    pub(super) fn new(config: &Config, wal: Wal, store: Store) -> Self {
        let desk = Desk {
            store,
            sessions: BTreeMap::new(),
            limits: config.limits,
            group: Group::default(),
            group_bytes_max: config.group_bytes_max,
        };
        Self {
            wal,
            desk,
            checkpoint_bytes: config.checkpoint_bytes,
            seal_after: config.seal_after,
        }
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Input>) -> Result<(), ServerError> {
        loop {
            if self.desk.group.is_empty() {
                self.wait(&mut inbox).await?;
            }
            self.desk.take_waiting(&mut inbox);
            self.commit_group(&mut inbox).await?;
            if self.wal.length() >= self.checkpoint_bytes && self.desk.group.commits.is_empty() {
                self.checkpoint().await?;
            }
        }
    }

    /// Waits for something to do; seals the log if nothing comes.
    async fn wait(&mut self, inbox: &mut mpsc::Receiver<Input>) -> Result<(), ServerError> {
        tokio::select! {
            biased;
            Some(input) = inbox.recv() => self.desk.take(input),
            () = sleep(self.seal_after), if self.wal.wants_seal() => self.wal.seal().await?,
        }
        Ok(())
    }

    /// Makes the group durable, then visible, then known to those who asked: in this order.
    async fn commit_group(&mut self, inbox: &mut mpsc::Receiver<Input>) -> Result<(), ServerError> {
        let group = std::mem::take(&mut self.desk.group);
        if let Some(last) = group.commits.last() {
            let mut append = std::pin::pin!(self.wal.append(&group.commits));
            loop {
                tokio::select! {
                    biased;
                    result = &mut append => break result?,
                    Some(input) = inbox.recv(), if self.desk.has_room() => self.desk.take(input),
                }
            }
            let version = last.version;
            emit(Truth::Synced { version });
            self.desk.store.publish(version);
            emit(Truth::Visible { version });
        }
        group.askers.into_iter().for_each(Asker::tell);
        Ok(())
    }

    /// Begins a new log from all that is visible. Nothing is staged now: what is visible is all.
    async fn checkpoint(&mut self) -> Result<(), ServerError> {
        let store = &mut self.desk.store;
        store.sweep();
        let version = store.visible();
        let entries = store.iter(version);
        let entries = entries.map(|(key, value)| (key.clone(), value.clone()));
        let checkpoint = Checkpoint {
            version,
            entries: entries.collect(),
        };
        self.wal.checkpoint(&checkpoint).await?;
        log!("made a checkpoint at version {version}");
        emit(Truth::Checkpointed { version });
        Ok(())
    }
}

impl Desk {
    /// Takes what waits: it shares the next fsync.
    fn take_waiting(&mut self, inbox: &mut mpsc::Receiver<Input>) {
        for _ in 0..INPUTS_MAX {
            match inbox.try_recv() {
                Ok(input) if self.has_room() => self.take(input),
                Ok(input) => return self.take(input),
                Err(_) => return,
            }
        }
    }

    fn has_room(&self) -> bool {
        self.group.bytes < self.group_bytes_max
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Command {
                from,
                command,
                bytes,
                answer: to,
            } => {
                let session = self.sessions.entry(from).or_default();
                let outcome = session.handle(&mut self.store, &self.limits, command, bytes);
                self.settle(outcome, to);
            }
            Input::Refused { from } => self.sessions.entry(from).or_default().refuse(),
            Input::Closed { from } => {
                if let Some(mut session) = self.sessions.remove(&from) {
                    session.close(&mut self.store);
                }
            }
        }
    }

    fn settle(&mut self, outcome: Outcome, to: oneshot::Sender<Frame>) {
        match outcome {
            // Who has gone is told nothing.
            Outcome::Told(answer) => drop(to.send(answer)),
            Outcome::Read { at, answer } => {
                emit(Truth::ReadServed { version: at });
                drop(to.send(answer));
            }
            Outcome::Decided { commit, answer } => {
                let version = commit.as_ref().map(|commit| commit.version);
                self.group.bytes += commit.as_ref().map_or(0, Commit::bytes);
                self.group.commits.extend(commit);
                let asker = Asker {
                    version,
                    answer,
                    to,
                };
                self.group.askers.push(asker);
            }
        }
    }
}

impl Group {
    fn is_empty(&self) -> bool {
        self.askers.is_empty()
    }
}

impl Asker {
    fn tell(self) {
        if let Some(version) = self.version {
            emit(Truth::Acknowledged { version });
        }
        let _ = self.to.send(self.answer);
    }
}
