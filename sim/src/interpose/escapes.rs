//! What a program did that a simulation cannot make its own: named, with who did it.
//!
//! Kept in a table of fixed size that is filled without allocating; what finds no room is counted all
//! the same, with the last.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};

use super::clocks;
use super::stack::Stack;
use crate::engine::world;

/// A way around the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EscapeKind {
    /// A thread was to be started: refused, by `EAGAIN`.
    Thread,
    /// A sleep that blocks the thread: over at once.
    BlockingSleep,
    /// A poll of real descriptors that waits: real.
    BlockingPoll,
    /// A random device was opened: its bytes are keyed, so the run repeats.
    RandomDevice,
    /// A file of the real machine was opened: real.
    RealFile,
    /// A socket of the real machine: real.
    RealSocket,
    /// The process's number was asked for: real.
    ProcessId,
    /// The kernel was asked around libc: real. Seen by the doctor alone.
    RawSystemCall,
    /// The time-stamp counter was read, or a clock of the vDSO, which does: real. Seen by the doctor
    /// alone.
    RawClock,
}

impl EscapeKind {
    /// Whether two runs can differ by it.
    pub fn is_harmful(self) -> bool {
        self != Self::RandomDevice
    }

    /// What was done, and what to do instead.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Thread => {
                "started a thread or a process, which was refused (EAGAIN): use \
                 squall::task::spawn or spawn_blocking"
            }
            Self::BlockingSleep => {
                "slept on the thread, which was over at once: use squall::time::sleep"
            }
            Self::BlockingPoll => {
                "waited for a real descriptor, while the whole world stood still: use squall::net"
            }
            Self::RandomDevice => "read a random device; its bytes were keyed, so this repeats",
            Self::RealFile => "opened a real file: use squall::fs",
            Self::RealSocket => "made a real socket: use squall::net",
            Self::ProcessId => "asked for its process's number, which is another in each run",
            Self::RawSystemCall => "asked the kernel around libc",
            Self::RawClock => {
                "read the real time, from the time-stamp counter or the vDSO: use squall::time"
            }
        }
    }
}

/// A way around the simulation that a program took, from one place in its code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escape {
    pub kind: EscapeKind,
    /// What it was about, such as a path; empty if that says nothing.
    pub subject: String,
    /// The name of the machine whose program did it first.
    pub node: String,
    /// When it did so first.
    pub time_ns: u64,
    /// How often it was done from this place.
    pub count: u64,
    /// Who called, the innermost first, as addresses in the program's file.
    pub callers: Vec<u64>,
}

impl std::fmt::Display for Escape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { node, time_ns, .. } = self;
        write!(f, "{node} at {time_ns} ns {}", self.kind.advice())?;
        if !self.subject.is_empty() {
            write!(f, ": {}", self.subject)?;
        }
        match self.count {
            1 => Ok(()),
            count => write!(f, " ({count} times)"),
        }
    }
}

const PLACES_MAX: usize = 32;
const SUBJECT_SIZE: usize = 64;

#[derive(Clone, Copy)]
struct Place {
    kind: EscapeKind,
    subject: [u8; SUBJECT_SIZE],
    node: u32,
    time_ns: u64,
    count: u64,
    stack: Stack,
}

struct Places {
    places: [Option<Place>; PLACES_MAX],
    /// Notes of any kind so far.
    count: u64,
}

thread_local! {
    static PLACES: RefCell<Places> = const {
        RefCell::new(Places { places: [None; PLACES_MAX], count: 0 })
    };
}

/// After so many, callers are not looked for any more: that takes microseconds.
const STACKS_MAX: u64 = 10_000;

pub(super) fn begin() {
    PLACES.with_borrow_mut(|places| {
        *places = Places {
            places: [None; PLACES_MAX],
            count: 0,
        }
    });
}

/// Takes down that a program did something.
#[cold]
pub(super) fn note(kind: EscapeKind, subject: &[u8]) {
    PLACES.with(|places| {
        // What is met while something else is taken down is our own doing.
        if let Ok(mut places) = places.try_borrow_mut() {
            places.note(kind, subject);
        }
    });
}

impl Places {
    fn note(&mut self, kind: EscapeKind, subject: &[u8]) {
        self.count += 1;
        let stack = match self.count {
            ..=STACKS_MAX => Stack::here(),
            _ => Stack::EMPTY,
        };
        for place in &mut self.places {
            match place {
                Some(known) if known.kind == kind && known.stack.frames() == stack.frames() => {
                    known.count += 1;
                    return;
                }
                Some(_) => {}
                None => {
                    *place = Some(Place::new(kind, subject, stack));
                    return;
                }
            }
        }
        if let Some(last) = &mut self.places[PLACES_MAX - 1] {
            last.count += 1;
        }
    }
}

impl Place {
    fn new(kind: EscapeKind, subject: &[u8], stack: Stack) -> Self {
        let mut kept = [0; SUBJECT_SIZE];
        let size = subject.len().min(SUBJECT_SIZE);
        kept[..size].copy_from_slice(&subject[..size]);
        Self {
            kind,
            subject: kept,
            node: world::try_with_idle(|world| world.current_node()).unwrap_or(0),
            time_ns: clocks::now_ns(),
            count: 1,
            stack,
        }
    }

    fn tell(&self, name_of: &dyn Fn(u32) -> String) -> Escape {
        let end = self.subject.iter().position(|byte| *byte == 0);
        let subject = &self.subject[..end.unwrap_or(SUBJECT_SIZE)];
        Escape {
            kind: self.kind,
            subject: String::from_utf8_lossy(subject).into_owned(),
            node: name_of(self.node),
            time_ns: self.time_ns,
            count: self.count,
            callers: self.stack.in_program(),
        }
    }
}

/// What has been noted since the run began.
pub(super) fn take(name_of: &dyn Fn(u32) -> String) -> Vec<Escape> {
    PLACES.with_borrow(|places| {
        let places = places.places.iter().flatten();
        places.map(|place| place.tell(name_of)).collect()
    })
}
