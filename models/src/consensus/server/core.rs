//! The core: Raft, its log on disk and the state machine, driven by one task.

use std::collections::BTreeMap;

use squall_sim::time::{Instant, sleep_until};
use squall_sim::{emit, log};
use tokio::sync::mpsc;

use super::super::log::DurableLog;
use super::super::raft::{
    Entry, EntryId, Index, MAX_SNAPSHOT_BYTES, NodeId, Payload, Raft, ReadOutcome, Ready, Restored,
    Role, Snapshot, Term,
};
use super::super::service::{Command, Response, Service};
use super::super::truth::Truth;
use super::super::wire::{ClientRequest, ClientResponse, RequestBody, ResponseBody};
use super::connection::{Answers, Input};
use super::link::Link;
use super::{Config, INPUTS_MAX, ServerError};

/// The state of a server.
pub(super) struct Core {
    raft: Raft,
    log: DurableLog,
    service: Service,
    links: BTreeMap<NodeId, Link>,
    config: Config,
    /// Commands that were proposed here, by the entry that they became.
    proposals: BTreeMap<Index, (Term, Asker)>,
    /// Reads that wait to be confirmed, by the context they were asked with.
    reads: BTreeMap<u64, (String, Asker)>,
    next_read: u64,
    last_applied: EntryId,
    snapshot_last: Index,
}

/// Whom to answer.
struct Asker {
    id: u64,
    answers: Answers,
}

impl Asker {
    /// Answers, unless the client has gone or does not read.
    fn answer(&self, body: ResponseBody) {
        let _ = self.answers.try_send(ClientResponse { id: self.id, body });
    }
}

impl Core {
    pub(super) fn new(
        config: &Config,
        raft: Raft,
        log: DurableLog,
        service: Service,
        links: BTreeMap<NodeId, Link>,
        snapshot_last: EntryId,
    ) -> Self {
        Self {
            raft,
            log,
            service,
            links,
            config: config.clone(),
            proposals: BTreeMap::new(),
            reads: BTreeMap::new(),
            next_read: 0,
            last_applied: snapshot_last,
            snapshot_last: snapshot_last.index,
        }
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Input>) -> Result<(), ServerError> {
        loop {
            let deadline = self.raft.next_deadline();
            tokio::select! {
                biased;
                Some(input) = inbox.recv() => self.take_all(input, &mut inbox),
                () = sleep_until(deadline) => self.raft.tick(Instant::now()),
            }
            while let Some(ready) = self.raft.ready() {
                self.carry_out(ready).await?;
            }
        }
    }

    /// Takes an input and those that wait behind it: they share the next fsync.
    fn take_all(&mut self, first: Input, inbox: &mut mpsc::Receiver<Input>) {
        self.take(first);
        for _ in 0..INPUTS_MAX {
            match inbox.try_recv() {
                Ok(input) => self.take(input),
                Err(_) => break,
            }
        }
        // Inputs that never end must not keep a leader from stepping down.
        if Instant::now() >= self.raft.next_deadline() {
            self.raft.tick(Instant::now());
        }
    }

    fn take(&mut self, input: Input) {
        let now = Instant::now();
        match input {
            Input::Peer { from, message } => self.raft.step(now, from, message),
            Input::Client { request, answers } => self.take_request(now, request, answers),
        }
    }

    fn take_request(&mut self, now: Instant, request: ClientRequest, answers: Answers) {
        let asker = Asker {
            id: request.id,
            answers,
        };
        match request.body {
            RequestBody::OpenSession => self.propose(now, &Command::OpenSession, asker),
            RequestBody::Execute(execute) => self.propose(now, &Command::Execute(execute), asker),
            RequestBody::Read { key } => self.begin_read(now, key, asker),
            RequestBody::Status => asker.answer(ResponseBody::Status(self.raft.status())),
        }
    }

    fn propose(&mut self, now: Instant, command: &Command, asker: Asker) {
        let bytes =
            postcard::to_allocvec(command).expect("commands have nothing that cannot be encoded");
        match self.raft.propose(now, bytes) {
            Ok(id) => {
                self.proposals.insert(id.index, (id.term, asker));
            }
            Err(not_leader) => asker.answer(ResponseBody::NotLeader {
                hint: not_leader.leader,
            }),
        }
    }

    fn begin_read(&mut self, now: Instant, key: String, asker: Asker) {
        self.next_read += 1;
        match self.raft.read_index(now, self.next_read) {
            Ok(()) => {
                self.reads.insert(self.next_read, (key, asker));
            }
            Err(not_leader) => asker.answer(ResponseBody::NotLeader {
                hint: not_leader.leader,
            }),
        }
    }

    /// Does what Raft wants, in the order of its contract.
    async fn carry_out(&mut self, mut ready: Ready) -> Result<(), ServerError> {
        self.log.store(&ready).await?;
        self.raft.persisted(ready.number);
        emit_persisted(&ready);
        for (to, message) in std::mem::take(&mut ready.messages) {
            if let Some(link) = self.links.get(&to) {
                link.send(message);
            }
        }
        for change in &ready.role_changes {
            log!("{:?} in term {}", change.role, change.term.0);
            emit(Truth::RoleChanged {
                role: change.role,
                term: change.term,
            });
            if change.role != Role::Leader {
                self.disappoint();
            }
        }
        if let Some(snapshot) = ready.snapshot.take() {
            self.install(&snapshot)?;
        }
        for entry in &ready.committed {
            self.apply(entry)?;
        }
        for (context, outcome) in ready.reads {
            self.end_read(context, outcome);
        }
        self.make_snapshot().await
    }

    /// Tells those who wait for commands that nobody knows what becomes of them.
    fn disappoint(&mut self) {
        for (_, asker) in std::mem::take(&mut self.proposals).into_values() {
            asker.answer(ResponseBody::Unavailable);
        }
    }

    fn install(&mut self, snapshot: &Snapshot) -> Result<(), ServerError> {
        self.service = Service::restore(self.config.limits, &snapshot.data)?;
        self.last_applied = snapshot.last;
        self.snapshot_last = snapshot.last.index;
        log!(
            "installed the leader's snapshot up to {}",
            snapshot.last.index.0
        );
        emit(Truth::SnapshotInstalled {
            last: snapshot.last,
        });
        Ok(())
    }

    fn apply(&mut self, entry: &Entry) -> Result<(), ServerError> {
        let Entry { id, payload } = entry;
        let response = match payload {
            Payload::Noop => None,
            Payload::Command(bytes) => {
                let command =
                    postcard::from_bytes(bytes).map_err(|source| ServerError::Command {
                        index: id.index.0,
                        source,
                    })?;
                Some((self.service.apply(id.index, &command), command))
            }
        };
        self.last_applied = *id;
        if squall_sim::is_observed() {
            emit(Truth::applied(entry, self.service.fingerprint()));
        }
        let Some((term, asker)) = self.proposals.remove(&id.index) else {
            return Ok(());
        };
        match response {
            Some((response, command)) if term == id.term => {
                emit_acknowledged(id.index, &command, &response);
                asker.answer(ResponseBody::Applied(response));
            }
            // Another leader's entry has taken the place: the command is lost for good.
            Some(_) | None => asker.answer(ResponseBody::NotLeader { hint: None }),
        }
        Ok(())
    }

    fn end_read(&mut self, context: u64, outcome: ReadOutcome) {
        let Some((key, asker)) = self.reads.remove(&context) else {
            return;
        };
        match outcome {
            ReadOutcome::Index(index) => {
                assert!(
                    index <= self.raft.status().applied,
                    "a read waits for what it must see"
                );
                emit(Truth::ReadServed {
                    index: self.last_applied.index,
                    term: self.last_applied.term,
                });
                asker.answer(ResponseBody::Value(
                    self.service.read(&key).map(str::to_owned),
                ));
            }
            ReadOutcome::Failed => asker.answer(ResponseBody::NotLeader { hint: None }),
        }
    }

    /// Makes a snapshot if it is time to, and drops the log before it.
    async fn make_snapshot(&mut self) -> Result<(), ServerError> {
        let last = self.last_applied;
        if last.index.0 < self.snapshot_last.0 + self.config.snapshot_every {
            return Ok(());
        }
        self.snapshot_last = last.index;
        let data = self.service.snapshot();
        if data.len() > MAX_SNAPSHOT_BYTES {
            // A state that has outgrown a message stays in the log: slower to restart, still right.
            log!(
                "the state of {} bytes is too large for a snapshot",
                data.len()
            );
            return Ok(());
        }
        let snapshot = Snapshot { last, data };
        let first_wanted = last
            .index
            .0
            .saturating_sub(self.config.raft.trailing_entries)
            + 1;
        self.log
            .save_snapshot(&snapshot, Index(first_wanted))
            .await?;
        log!("made a snapshot up to {}", last.index.0);
        emit(Truth::Snapshotted { last });
        self.raft
            .compact(last.index, snapshot.data)
            .expect("the size was checked above");
        Ok(())
    }
}

pub(super) fn emit_restored(restored: &Restored) {
    let snapshot = restored
        .snapshot
        .as_ref()
        .map_or_else(EntryId::default, |snapshot| snapshot.last);
    let last = restored
        .entries
        .last()
        .map_or(snapshot, |entry| entry.id.max(snapshot));
    log!(
        "restored {:?}, a snapshot up to {}, a log up to {}",
        restored.hard_state,
        snapshot.index.0,
        last.index.0
    );
    emit(Truth::Restored {
        hard_state: restored.hard_state,
        snapshot,
        last,
    });
}

fn emit_persisted(ready: &Ready) {
    if let Some(hard_state) = ready.hard_state {
        emit(Truth::Voted {
            term: hard_state.term,
            voted_for: hard_state.voted_for,
        });
    }
    if let Some(entry) = ready.entries.last() {
        emit(Truth::Persisted { last: entry.id });
    }
}

fn emit_acknowledged(index: Index, command: &Command, response: &Response) {
    if let (Command::Execute(execute), Response::Answer(_)) = (command, response) {
        emit(Truth::Acknowledged {
            index,
            session: execute.session,
            sequence: execute.sequence,
        });
    }
}
