//! A group of nodes in memory: messages get lost, late and doubled, nodes stop and come back with what
//! their disk holds, and every rule that Raft promises is judged as it goes.

use std::collections::{BTreeMap, BTreeSet};

use squall_sim::time::{Duration, Instant};

use super::super::{
    Ballot, Config, Entry, EntryId, Index, Message, NodeId, Raft, ReadOutcome, Ready, Restored,
    Role, Snapshot, Term,
};
use crate::consensus::truth::command_hash;

/// The rule that a run has broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Broken {
    ElectionSafety,
    LogMatching,
    LeaderCompleteness,
    StateMachineSafety,
    ReadLinearizability,
    Progress,
}

/// Runs one seed: a storm, then a calm in which the group must recover.
pub(super) fn run(seed: u64) -> Result<Tally, (Broken, String)> {
    let mut cluster = Cluster::new(seed);
    cluster.run_until(millis(STORM_MS));
    if cluster.broken.is_none() {
        cluster.calm();
        cluster.run_until(millis(STORM_MS + CALM_MS));
    }
    if cluster.broken.is_none() {
        cluster.judge_progress();
    }
    cluster.broken.map_or(Ok(cluster.tally), Err)
}

/// What runs have reached: a test that reaches nothing proves nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) elections: u64,
    pub(super) acknowledged: u64,
    pub(super) reads: u64,
    pub(super) failed_reads: u64,
    pub(super) crashes: u64,
    pub(super) snapshots_installed: u64,
    pub(super) truncations: u64,
}

/// How bad the storm is. Each seed draws afresh, and leaves about half of the faults out.
#[derive(Debug)]
struct Profile {
    node_count: u32,
    delay_us: u64,
    /// Of a thousand messages, so many are late by up to `late_us`.
    late_permille: u64,
    late_us: u64,
    loss_permille: u64,
    duplicate_permille: u64,
    write_us: u64,
    crash_permille: u64,
    restart_us: u64,
    /// Of a thousand new leaders, so many are stopped within a few message delays.
    kill_leader_permille: u64,
    /// Of those, so many are not heard by anybody before.
    mute_leader_permille: u64,
    /// Of a thousand nodes that have just voted, so many are stopped within a message delay.
    kill_voter_permille: u64,
    election_timeout_ms: u64,
    cut_permille: u64,
    pause_permille: u64,
    compact_every: u64,
    trailing_entries: u64,
}

struct Cluster {
    rng: Rng,
    profile: Profile,
    seed: u64,
    now: Instant,
    events: BTreeMap<(Instant, u64), Event>,
    event_count: u64,
    nodes: BTreeMap<NodeId, Node>,
    /// Links that let nothing through, and until when.
    cuts: BTreeMap<(NodeId, NodeId), Instant>,
    is_calm: bool,
    truth: Truth,
    broken: Option<(Broken, String)>,
    tally: Tally,
}

#[derive(Debug)]
enum Event {
    Deliver {
        to: NodeId,
        from: NodeId,
        message: Message,
    },
    Persisted {
        node: NodeId,
        incarnation: u64,
    },
    Request {
        to: NodeId,
        request: Request,
    },
    Client,
    Nemesis,
    Crash(NodeId),
    Restart(NodeId),
}

#[derive(Debug)]
enum Request {
    Write(u64),
    /// A read, and what was visible when it was asked.
    Read(Index),
}

struct Node {
    raft: Option<Raft>,
    incarnation: u64,
    paused_until: Instant,
    writing: Option<Ready>,
    disk: Restored,
    machine: Machine,
    /// Writes that clients wait for.
    proposed: BTreeMap<Index, Term>,
    reads: BTreeMap<u64, Index>,
}

/// A state machine that remembers only a hash of all that it has applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Machine {
    last: EntryId,
    hash: u64,
}

/// What the whole group has done, as only a bystander sees it.
#[derive(Default)]
struct Truth {
    leaders: BTreeMap<Term, (NodeId, u64)>,
    entries: BTreeMap<EntryId, (u64, EntryId)>,
    /// What was applied, the state after it, and the term of whoever applied it first.
    applied: BTreeMap<Index, (EntryId, u64, Term)>,
    /// The latest index that a client has seen the effect of.
    seen: Index,
    request_count: u64,
}

impl Cluster {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed);
        let profile = Profile::draw(&mut rng);
        let mut cluster = Self {
            rng,
            seed,
            now: Instant::default(),
            events: BTreeMap::new(),
            event_count: 0,
            nodes: BTreeMap::new(),
            cuts: BTreeMap::new(),
            is_calm: false,
            truth: Truth::default(),
            broken: None,
            tally: Tally::default(),
            profile,
        };
        for id in cluster.ids() {
            let node = Node {
                raft: None,
                incarnation: 0,
                paused_until: Instant::default(),
                writing: None,
                disk: Restored::default(),
                machine: Machine::default(),
                proposed: BTreeMap::new(),
                reads: BTreeMap::new(),
            };
            cluster.nodes.insert(id, node);
            cluster.restart(id);
        }
        cluster.schedule(Duration::from_millis(1), Event::Client);
        cluster.schedule(Duration::from_millis(1), Event::Nemesis);
        cluster
    }

    fn ids(&self) -> Vec<NodeId> {
        (1..=self.profile.node_count).map(NodeId).collect()
    }

    fn run_until(&mut self, end: Instant) {
        while self.broken.is_none() {
            let tick = self.next_tick();
            let event = self.events.first_key_value().map(|(key, _)| key.0);
            let next = tick.map(|(at, _)| at).into_iter().chain(event).min();
            let Some(next) = next.filter(|next| *next < end) else {
                return;
            };
            self.now = self.now.max(next);
            match tick {
                Some((at, id)) if event.is_none_or(|event| at < event) => {
                    let now = self.now;
                    self.with_raft(id, |raft| raft.tick(now));
                }
                _ => {
                    let (_, event) = self.events.pop_first().expect("there is an event");
                    self.handle(event);
                }
            }
        }
    }

    fn next_tick(&self) -> Option<(Instant, NodeId)> {
        let due = self.nodes.iter().filter_map(|(id, node)| {
            let deadline = node.raft.as_ref()?.next_deadline();
            Some((deadline.max(node.paused_until), *id))
        });
        due.min()
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.schedule_at(self.now + after, event);
    }

    fn schedule_at(&mut self, at: Instant, event: Event) {
        self.event_count += 1;
        self.events.insert((at, self.event_count), event);
    }

    fn handle(&mut self, event: Event) {
        if let Event::Deliver { to, .. }
        | Event::Request { to, .. }
        | Event::Persisted { node: to, .. } = &event
        {
            let until = self.nodes[to].paused_until;
            if until > self.now {
                self.schedule_at(until, event);
                return;
            }
        }
        match event {
            Event::Deliver { to, from, message } => {
                let now = self.now;
                if self.cuts.get(&(from, to)).is_none_or(|until| *until <= now) {
                    self.with_raft(to, |raft| raft.step(now, from, message));
                }
            }
            Event::Persisted { node, incarnation } => {
                if self.nodes[&node].incarnation == incarnation {
                    let ready = self.node(node).writing.take().expect("it was written");
                    self.carry_out(node, ready);
                    self.drain(node);
                }
            }
            Event::Request { to, request } => self.request(to, request),
            Event::Client => self.client(),
            Event::Nemesis => self.nemesis(),
            Event::Crash(id) => self.crash(id),
            Event::Restart(id) => self.restart(id),
        }
    }

    fn node(&mut self, id: NodeId) -> &mut Node {
        self.nodes.get_mut(&id).expect("nodes do not go away")
    }

    fn with_raft(&mut self, id: NodeId, act: impl FnOnce(&mut Raft)) {
        if let Some(raft) = self.node(id).raft.as_mut() {
            act(raft);
            self.drain(id);
        }
    }

    /// The driver: takes the work and carries it out, at once or after a while.
    fn drain(&mut self, id: NodeId) {
        while let Some(ready) = self.node(id).raft.as_mut().and_then(Raft::ready) {
            if ready.must_persist() && self.profile.write_us > 0 && !self.is_calm {
                let delay = Duration::from_micros(self.rng.below(self.profile.write_us));
                let node = self.node(id);
                node.writing = Some(ready);
                let incarnation = node.incarnation;
                self.schedule(
                    delay,
                    Event::Persisted {
                        node: id,
                        incarnation,
                    },
                );
                return;
            }
            self.carry_out(id, ready);
        }
    }

    fn carry_out(&mut self, id: NodeId, ready: Ready) {
        self.judge_entries(id, &ready);
        let now = self.now;
        self.tally.truncations += u64::from(ready.truncate_from.is_some());
        let node = self.node(id);
        let before = node.disk.hard_state.term;
        write(&mut node.disk, &ready, ALL_STAGES, usize::MAX);
        assert!(node.disk.hard_state.term >= before, "a term fell");
        let raft = node.raft.as_mut().expect("only a node that runs has work");
        raft.persisted(ready.number);
        for (to, message) in ready.messages {
            self.send(id, to, message);
        }
        for change in ready.role_changes {
            if change.role == Role::Leader {
                self.judge_leader(id, change.term);
            }
        }
        if let Some(snapshot) = ready.snapshot {
            self.node(id).machine = Machine::restore(&snapshot);
            self.judge_state(id, snapshot.last);
            self.tally.snapshots_installed += 1;
        }
        for entry in &ready.committed {
            self.apply(id, entry);
        }
        for (context, outcome) in ready.reads {
            self.answer_read(id, context, outcome);
        }
        let applied = self.node(id).machine;
        let node = self.node(id);
        let snapshotted = node.disk.snapshot.as_ref().map_or(0, |it| it.last.index.0);
        if applied.last.index.0 >= snapshotted + self.profile.compact_every {
            self.compact(id);
        }
        assert!(now == self.now);
    }

    fn apply(&mut self, id: NodeId, entry: &Entry) {
        let node = self.node(id);
        node.machine.apply(entry);
        let proposed = node.proposed.remove(&entry.id.index);
        if proposed == Some(entry.id.term) {
            self.truth.seen = self.truth.seen.max(entry.id.index);
            self.tally.acknowledged += 1;
        }
        self.judge_state(id, entry.id);
    }

    fn compact(&mut self, id: NodeId) {
        let node = self.node(id);
        let machine = node.machine;
        let raft = node.raft.as_mut().expect("only a node that runs compacts");
        let data = machine.snapshot();
        node.disk.snapshot = Some(Snapshot {
            last: machine.last,
            data: data.clone(),
        });
        let discard = raft.compact(machine.last.index, data).expect("it is small");
        let lags = node.incarnation % 2;
        // A driver may drop later, or a little less.
        node.disk
            .entries
            .retain(|it| it.id.index.0 + lags > discard.0);
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: Message) {
        if matches!(
            message,
            Message::Vote {
                ballot: Ballot::Real,
                granted: true,
                ..
            }
        ) && self.rng.happens(self.profile.kill_voter_permille)
        {
            let delay = Duration::from_micros(self.rng.below(self.profile.delay_us));
            self.schedule(delay, Event::Crash(from));
        }
        let profile = &self.profile;
        let (loss, duplicate, late) = if self.is_calm {
            (0, 0, 0)
        } else {
            (
                profile.loss_permille,
                profile.duplicate_permille,
                profile.late_permille,
            )
        };
        let copies = 1 + u64::from(self.rng.happens(duplicate));
        for _ in 0..copies {
            if self.rng.happens(loss) {
                continue;
            }
            let mut delay_us = 100 + self.rng.below(self.profile.delay_us);
            if self.rng.happens(late) {
                delay_us += self.rng.below(self.profile.late_us);
            }
            let message = message.clone();
            self.schedule(
                Duration::from_micros(delay_us),
                Event::Deliver { to, from, message },
            );
        }
    }

    /// Clients ask whoever takes itself for the leader.
    fn client(&mut self) {
        let leaders: Vec<NodeId> = self
            .nodes
            .iter()
            .filter(|(_, node)| {
                node.raft
                    .as_ref()
                    .is_some_and(|raft| raft.role() == Role::Leader)
            })
            .map(|(id, _)| *id)
            .collect();
        for to in leaders {
            let request = if self.rng.happens(500) {
                self.truth.request_count += 1;
                Request::Write(self.truth.request_count)
            } else {
                Request::Read(self.truth.seen)
            };
            let delay = Duration::from_micros(self.rng.below(2_000));
            self.schedule(delay, Event::Request { to, request });
        }
        let pause = Duration::from_micros(1_000 + self.rng.below(10_000));
        self.schedule(pause, Event::Client);
    }

    fn request(&mut self, to: NodeId, request: Request) {
        let now = self.now;
        self.truth.request_count += 1;
        let context = self.truth.request_count;
        let node = self.node(to);
        let Some(raft) = node.raft.as_mut() else {
            return;
        };
        match request {
            Request::Write(value) => {
                if let Ok(id) = raft.propose(now, value.to_le_bytes().to_vec()) {
                    node.proposed.insert(id.index, id.term);
                }
            }
            Request::Read(seen) => {
                if raft.read_index(now, context).is_ok() {
                    node.reads.insert(context, seen);
                }
            }
        }
        self.drain(to);
    }

    fn answer_read(&mut self, id: NodeId, context: u64, outcome: ReadOutcome) {
        let node = self.node(id);
        let seen_before = node
            .reads
            .remove(&context)
            .expect("a read is answered once");
        let ReadOutcome::Index(index) = outcome else {
            self.tally.failed_reads += 1;
            return;
        };
        let shown = node.machine.last.index;
        assert!(index <= shown, "the index was applied before the answer");
        self.tally.reads += 1;
        if shown < seen_before {
            let why = format!("{id:?} shows {shown:?} to a client that knows of {seen_before:?}");
            self.break_rule(Broken::ReadLinearizability, why);
        }
        self.truth.seen = self.truth.seen.max(shown);
    }

    fn nemesis(&mut self) {
        if self.is_calm {
            return;
        }
        let ids = self.ids();
        let victim = ids[self.rng.index(ids.len())];
        if self.rng.happens(self.profile.crash_permille) {
            self.crash(victim);
        }
        if self.rng.happens(self.profile.pause_permille) {
            let pause = Duration::from_millis(50 + self.rng.below(500));
            self.node(victim).paused_until = self.now + pause;
        }
        if self.rng.happens(self.profile.cut_permille) {
            self.cut(&ids);
        }
        self.schedule(Duration::from_millis(10), Event::Nemesis);
    }

    /// Two sides that do not hear each other, or only one way.
    fn cut(&mut self, ids: &[NodeId]) {
        let until = self.now + Duration::from_millis(50 + self.rng.below(600));
        let side: BTreeSet<NodeId> = ids
            .iter()
            .copied()
            .filter(|_| self.rng.happens(400))
            .collect();
        let is_one_way = self.rng.happens(300);
        for from in ids {
            for to in ids {
                let leaves = side.contains(from) && !side.contains(to);
                let enters = !side.contains(from) && side.contains(to);
                if leaves || (enters && !is_one_way) {
                    self.cuts.insert((*from, *to), until);
                }
            }
        }
    }

    fn crash(&mut self, id: NodeId) {
        if self.is_calm || self.node(id).raft.is_none() {
            return;
        }
        self.tally.crashes += 1;
        let stages = self.rng.below(u64::from(ALL_STAGES) + 1);
        let entries = self.rng.index(4);
        let restart = Duration::from_micros(self.rng.below(self.profile.restart_us));
        let node = self.node(id);
        node.raft = None;
        node.incarnation += 1;
        node.proposed.clear();
        node.reads.clear();
        if let Some(ready) = node.writing.take() {
            // Some of what was being written has reached the disk.
            let stages = u8::try_from(stages).expect("there are few stages");
            write(&mut node.disk, &ready, stages, entries);
        }
        self.schedule(restart, Event::Restart(id));
    }

    fn restart(&mut self, id: NodeId) {
        let mut config = Config::new(id, self.ids(), self.seed);
        config.election_timeout = Duration::from_millis(self.profile.election_timeout_ms);
        config.heartbeat_interval = config.election_timeout / 4;
        config.trailing_entries = self.profile.trailing_entries;
        config.max_entries_per_append = 4;
        let now = self.now;
        let node = self.node(id);
        node.paused_until = now;
        let disk = node.disk.clone();
        node.machine = disk
            .snapshot
            .as_ref()
            .map_or_else(Machine::default, Machine::restore);
        let raft = Raft::new(config, disk, now).expect("what was written can be read");
        node.raft = Some(raft);
    }

    fn calm(&mut self) {
        self.is_calm = true;
        self.cuts.clear();
        for node in self.nodes.values_mut() {
            node.paused_until = Instant::default();
        }
    }

    fn break_rule(&mut self, rule: Broken, why: String) {
        self.broken.get_or_insert((rule, why));
    }

    /// Election safety, and that the new leader has all that was committed before its term.
    fn judge_leader(&mut self, id: NodeId, term: Term) {
        self.tally.elections += 1;
        let incarnation = self.nodes[&id].incarnation;
        let first = *self.truth.leaders.entry(term).or_insert((id, incarnation));
        if first != (id, incarnation) {
            let why = format!("{first:?} and {:?} lead {term:?}", (id, incarnation));
            self.break_rule(Broken::ElectionSafety, why);
        }
        let raft = self.nodes[&id].raft.as_ref().expect("a leader runs");
        if raft.status().term == term && raft.role() == Role::Leader {
            let lacks = self.truth.applied.iter().find(|(index, (entry, _, by))| {
                *by < term
                    && **index > raft.log.base().index
                    && raft.log.id_at(**index) != Some(*entry)
            });
            if let Some((_, (entry, _, _))) = lacks {
                let why = format!("{id:?} leads {term:?} without {entry:?}");
                self.break_rule(Broken::LeaderCompleteness, why);
            }
        }
        if self.rng.happens(self.profile.kill_leader_permille) {
            self.kill_leader(id);
        }
    }

    /// The scripts of the paper's figure 8: a leader stops before or while its first entries spread.
    fn kill_leader(&mut self, id: NodeId) {
        if self.is_calm {
            return;
        }
        let delay = Duration::from_micros(self.rng.below(6 * self.profile.delay_us));
        if self.rng.happens(self.profile.mute_leader_permille) {
            let until = self.now + delay + Duration::from_micros(self.profile.delay_us);
            for to in self.ids() {
                self.cuts.insert((id, to), until);
            }
        }
        self.schedule(delay, Event::Crash(id));
    }

    /// Log matching: an entry's id decides what it says and, step by step, all that stands before it.
    fn judge_entries(&mut self, id: NodeId, ready: &Ready) {
        let Some(first) = ready.entries.first() else {
            return;
        };
        let disk = &self.nodes[&id].disk;
        let snapshot = ready.snapshot.as_ref().or(disk.snapshot.as_ref());
        let snapshot_last = snapshot.map_or_else(EntryId::default, |it| it.last);
        let before = first.id.index.previous();
        let mut previous = disk
            .entries
            .iter()
            .map(|entry| entry.id)
            .chain([snapshot_last])
            .find(|id| id.index == before)
            .unwrap_or_default();
        for entry in &ready.entries {
            let says = (command_hash(&entry.payload), previous);
            let first = *self.truth.entries.entry(entry.id).or_insert(says);
            if first != says {
                let why = format!("{:?} is {first:?} and {says:?}", entry.id);
                self.break_rule(Broken::LogMatching, why);
            }
            previous = entry.id;
        }
    }

    /// State machine safety: at one index all nodes have applied the same, and so are in the same state.
    fn judge_state(&mut self, id: NodeId, entry: EntryId) {
        let node = &self.nodes[&id];
        let term = node.raft.as_ref().expect("it runs").status().term;
        let says = (entry, node.machine.hash, term);
        let first = *self.truth.applied.entry(entry.index).or_insert(says);
        if (first.0, first.1) != (says.0, says.1) {
            let why = format!(
                "{id:?} has applied {entry:?} where another applied {:?}",
                first.0
            );
            self.break_rule(Broken::StateMachineSafety, why);
        }
    }

    /// After the calm there is one leader, work gets done, and all have done it.
    fn judge_progress(&mut self) {
        let nodes: Vec<_> = self
            .nodes
            .values()
            .filter_map(|it| it.raft.as_ref())
            .collect();
        let leaders = nodes.iter().filter(|it| it.role() == Role::Leader).count();
        let least = nodes.iter().map(|it| it.status().applied).min();
        let most = nodes.iter().map(|it| it.status().applied).max();
        let lag = most.zip(least).map_or(0, |(most, least)| most.0 - least.0);
        // Requests go on to the end, so that the last few are still on their way.
        if leaders != 1 || lag > 60 || self.truth.seen.0 + 60 < most.unwrap_or_default().0 {
            let all: Vec<_> = nodes.iter().map(|it| it.status()).collect();
            let seen = self.truth.seen;
            self.break_rule(Broken::Progress, format!("seen {seen:?}: {all:#?}"));
        }
    }
}

impl Profile {
    fn draw(rng: &mut Rng) -> Self {
        let mut sometimes = |most: u64| if rng.happens(500) { rng.below(most) } else { 0 };
        let loss_permille = sometimes(250);
        let duplicate_permille = sometimes(250);
        let late_permille = sometimes(250);
        let write_us = sometimes(20_000);
        let crash_permille = sometimes(120);
        let kill_leader_permille = sometimes(1_000);
        let mute_leader_permille = sometimes(1_000);
        let kill_voter_permille = sometimes(600);
        let cut_permille = sometimes(150);
        let pause_permille = sometimes(60);
        Self {
            node_count: [3, 3, 3, 5, 5, 1][rng.index(6)],
            delay_us: [1_000, 5_000, 20_000][rng.index(3)],
            late_permille,
            late_us: 1_000 + rng.below(400_000),
            loss_permille,
            duplicate_permille,
            write_us,
            crash_permille,
            restart_us: [5_000, 100_000, 400_000][rng.index(3)],
            kill_leader_permille,
            mute_leader_permille,
            kill_voter_permille,
            election_timeout_ms: 40 + rng.below(160),
            cut_permille,
            pause_permille,
            compact_every: 1 + rng.below(60),
            trailing_entries: rng.below(20),
        }
    }
}

impl Machine {
    fn apply(&mut self, entry: &Entry) {
        assert_eq!(
            entry.id.index,
            self.last.index.next(),
            "entries come in order"
        );
        self.last = entry.id;
        let says = command_hash(&entry.payload) ^ entry.id.term.0;
        self.hash = (self.hash.rotate_left(7) ^ says).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn snapshot(self) -> Vec<u8> {
        self.hash.to_le_bytes().to_vec()
    }

    fn restore(snapshot: &Snapshot) -> Self {
        let hash = snapshot
            .data
            .as_slice()
            .try_into()
            .expect("a hash is 8 bytes");
        Self {
            last: snapshot.last,
            hash: u64::from_le_bytes(hash),
        }
    }
}

/// Writes the first `stages` of the work, and of the entries the first few.
fn write(disk: &mut Restored, ready: &Ready, stages: u8, entries: usize) {
    if stages >= 1 {
        disk.hard_state = ready.hard_state.unwrap_or(disk.hard_state);
    }
    if let Some(snapshot) = &ready.snapshot {
        if stages >= 2 {
            disk.snapshot = Some(snapshot.clone());
        }
        if stages >= 3 {
            disk.entries.clear();
        }
    }
    if let Some(from) = ready.truncate_from
        && stages >= 4
    {
        disk.entries.retain(|entry| entry.id.index < from);
    }
    if stages >= ALL_STAGES {
        disk.entries
            .extend(ready.entries.iter().take(entries).cloned());
    }
}

fn millis(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

/// SplitMix64.
pub(super) struct Rng(pub(super) u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// A number from `least` to `most`.
    pub(super) fn number(&mut self, least: u32, most: u32) -> u32 {
        let span = u64::from(most - least) + 1;
        least + u32::try_from(self.below(span)).expect("it is below a u32")
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("it is below a usize")
    }

    fn happens(&mut self, permille: u64) -> bool {
        self.below(1_000) < permille
    }
}

const ALL_STAGES: u8 = 5;
const STORM_MS: u64 = 4_000;
const CALM_MS: u64 = 2_000;
