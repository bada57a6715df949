//! The trace: a run's decisions as data, to find out where two runs part.
//!
//! The digest says *that* two runs differ. A trace is a chain of hashes over more than the digest has:
//! whose turn it is, what happens, and what programs do (what they send, write, wait for, spawn, draw
//! and log). Kept are the chain at every [`STRIDE`]th decision, and all about the decisions of a
//! window. Two runs are compared by their chains first; then the window is put where they part.
//!
//! A run without a trace pays for it with one branch at each decision.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::LogLine;
use super::events::Event;
use super::world::World;
use crate::interpose::Stack;
use crate::keyed::Key;

/// How many decisions lie between one kept hash of the chain and the next.
pub const STRIDE: u64 = 1024;

/// How many lines of a machine's log a decision is told with.
const LOG_LINES: usize = 5;

/// What a decision was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecisionKind {
    /// A task that is ready has its turn.
    Turn,
    /// A timer fires, or a packet arrives.
    Event,
    /// A task puts something into the future: a time-out, a packet.
    Schedule,
    /// A task spawns another.
    Spawn,
    /// A task draws a random number.
    Draw,
    /// A task sends or writes bytes.
    Bytes,
    /// A task logs a line.
    Log,
    /// What else is part of the digest: a sync, the end of a process, what a harness noted.
    Note,
}

impl DecisionKind {
    /// The kind as the predicate of a sentence about a task, or about the world.
    pub fn told(self) -> &'static str {
        match self {
            Self::Turn => "has its turn",
            Self::Event => "is reached by an event",
            Self::Schedule => "puts a time-out or a packet into the future",
            Self::Spawn => "spawns a task",
            Self::Draw => "draws a random number",
            Self::Bytes => "sends or writes bytes",
            Self::Log => "logs a line",
            Self::Note => "syncs a file, ends, or is seen by the harness",
        }
    }
}

/// A decision in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// How many came before it.
    pub number: u64,
    pub kind: DecisionKind,
    /// A hash of what was decided.
    pub what: u64,
    /// The kind of an event; empty otherwise.
    pub event: String,
    /// The chain, this decision included.
    pub chain: u64,
    /// True virtual time.
    pub time_ns: u64,
    /// The name of the machine that the running task is of; empty if none ran.
    pub node: String,
    pub incarnation: u32,
    /// The running task, as its path of spawns; empty if none ran.
    pub task: String,
    /// Who called, the innermost first, as addresses in the program's file.
    pub callers: Vec<u64>,
    /// The last lines that the machine had logged.
    pub log: Vec<String>,
}

/// What a traced run leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// How many decisions there were.
    pub count: u64,
    /// The chain behind the last of them.
    pub end: u64,
    /// The chain behind each [`STRIDE`] decisions.
    pub checkpoints: Vec<u64>,
    /// The decisions of the window.
    pub window: Vec<Decision>,
}

/// Writes a trace.
pub(super) struct Tracer {
    window: Range<u64>,
    count: u64,
    chain: Key,
    checkpoints: Vec<u64>,
    taken: Vec<Taken>,
    tasks: BTreeMap<Key, Birth>,
    /// What the next note is about.
    context: DecisionKind,
    /// The latest event.
    event: Option<Event>,
}

/// A decision of the window, as it is taken down.
struct Taken {
    number: u64,
    kind: DecisionKind,
    what: u64,
    event: Option<Event>,
    chain: u64,
    time_ns: u64,
    node: u32,
    incarnation: u32,
    task: Option<Key>,
    stack: Option<Stack>,
    log_length: usize,
}

/// How a task came to be.
struct Birth {
    /// The task that spawned it, and how many it had spawned by then.
    parent: Option<(Key, u64)>,
    /// The type of its future, which is named after the function that made it.
    name: &'static str,
}

impl Tracer {
    pub(super) fn new(window: Range<u64>) -> Self {
        Self {
            window,
            count: 0,
            chain: Key::root(0),
            checkpoints: Vec::new(),
            taken: Vec::new(),
            tasks: BTreeMap::new(),
            context: DecisionKind::Note,
            event: None,
        }
    }

    /// Goes on along the chain; answers the decision's number if it is of the window.
    fn advance(&mut self, kind: DecisionKind, what: u64) -> Option<u64> {
        let number = self.count;
        self.chain = self.chain.with(kind as u64).with(what);
        self.count += 1;
        if self.count.is_multiple_of(STRIDE) {
            self.checkpoints.push(self.chain.bits());
        }
        self.window.contains(&number).then_some(number)
    }

    /// A task's path of spawns, the first task first.
    fn path(&self, task: Key) -> String {
        let mut names = Vec::new();
        let mut next = Some(task);
        while let Some(birth) = next.and_then(|task| self.tasks.get(&task)) {
            let name = readable(birth.name);
            names.push(match birth.parent {
                None => name,
                Some((_, ordinal)) => format!("child {ordinal} {name}"),
            });
            next = birth.parent.map(|(parent, _)| parent);
        }
        names.reverse();
        names.join(" > ")
    }
}

/// What a process's first task is called.
pub(super) const ROOT: &str = "main";

pub(super) fn hash(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    let start = Key::root(bytes.len() as u64);
    words.fold(start, Key::with).bits()
}

/// An event's kind, without the ids of what it is about.
fn kind_of(event: Event) -> String {
    let told = format!("{event:?}");
    told.split('(').next().unwrap_or_default().to_owned()
}

/// A future's type without what says nothing: `app::serve::{{closure}}` is the function `app::serve`.
fn readable(name: &str) -> String {
    name.replace("::{{closure}}", "")
}

impl World {
    /// Takes down what the world decides or a program does, where a trace is wanted.
    #[inline]
    pub(super) fn trace(&mut self, kind: DecisionKind, what: impl FnOnce() -> u64) {
        if self.tracer.is_some() {
            self.take_down(kind, what());
        }
    }

    /// Takes down what is mixed into the digest; what the world is busy with says what it is.
    #[inline]
    pub(super) fn trace_note(&mut self, word: u64) {
        if let Some(tracer) = &mut self.tracer {
            let kind = tracer.context;
            tracer.context = DecisionKind::Note;
            self.take_down(kind, word);
        }
    }

    /// Says what the next note is about.
    #[inline]
    pub(super) fn trace_context(&mut self, context: DecisionKind) {
        if let Some(tracer) = &mut self.tracer {
            tracer.context = context;
        }
    }

    /// Takes down an event as it happens.
    #[inline]
    pub(super) fn trace_event(&mut self, event: Event) {
        if let Some(tracer) = &mut self.tracer {
            tracer.event = Some(event);
            self.take_down(DecisionKind::Event, 0);
        }
    }

    /// Takes down bytes that a program sends.
    #[inline]
    pub(super) fn trace_bytes(&mut self, bytes: &[u8]) {
        self.trace(DecisionKind::Bytes, || hash(bytes));
    }

    /// Takes down how a task came to be: spawned by the running one, or as a process's first.
    #[inline]
    pub(super) fn trace_birth(&mut self, task: Key, name: &'static str) {
        if self.tracer.is_some() {
            self.take_down_birth(task, name);
        }
    }

    #[cold]
    fn take_down_birth(&mut self, task: Key, name: &'static str) {
        self.take_down(DecisionKind::Spawn, task.bits() ^ hash(name.as_bytes()));
        let parent = self.tasks.current_identity().filter(|_| name != ROOT);
        if let Some(tracer) = &mut self.tracer {
            tracer.tasks.insert(task, Birth { parent, name });
        }
    }

    #[cold]
    fn take_down(&mut self, kind: DecisionKind, what: u64) {
        let Some(tracer) = &mut self.tracer else {
            return;
        };
        let Some(number) = tracer.advance(kind, what) else {
            return;
        };
        let node = self.tasks.current_node;
        let task = self.tasks.current_identity().map(|(task, _)| task);
        let taken = Taken {
            number,
            kind,
            what,
            event: tracer.event.filter(|_| kind == DecisionKind::Event),
            chain: tracer.chain.bits(),
            time_ns: self.now_ns,
            node,
            incarnation: self.nodes[node as usize].incarnation,
            task,
            // In a turn that only begins, nobody of the program's has called yet.
            stack: (task.is_some() && kind != DecisionKind::Turn).then(Stack::here),
            log_length: self.log.as_ref().map_or(0, Vec::len),
        };
        tracer.taken.push(taken);
    }

    /// The trace of a run that is over.
    pub(super) fn take_trace(&mut self) -> Option<Trace> {
        let tracer = self.tracer.take()?;
        let log = self.log.as_deref().unwrap_or_default();
        let tell = |taken: &Taken| Decision {
            number: taken.number,
            kind: taken.kind,
            what: taken.what,
            event: taken.event.map_or_else(String::new, kind_of),
            chain: taken.chain,
            time_ns: taken.time_ns,
            node: match taken.task {
                Some(_) => self.nodes[taken.node as usize].name.clone(),
                None => String::new(),
            },
            incarnation: taken.incarnation,
            task: taken
                .task
                .map_or_else(String::new, |task| tracer.path(task)),
            callers: taken
                .stack
                .as_ref()
                .map_or_else(Vec::new, Stack::in_program),
            log: last_lines(&log[..taken.log_length], taken.node),
        };
        Some(Trace {
            count: tracer.count,
            end: tracer.chain.bits(),
            window: tracer.taken.iter().map(tell).collect(),
            checkpoints: tracer.checkpoints,
        })
    }
}

/// The last lines of a machine, the oldest first.
fn last_lines(log: &[LogLine], node: u32) -> Vec<String> {
    let lines = log.iter().rev().filter(|line| line.node.0 == node);
    let mut last: Vec<_> = lines
        .take(LOG_LINES)
        .map(|line| format!("{} ns  {}", line.time_ns, line.text))
        .collect();
    last.reverse();
    last
}
