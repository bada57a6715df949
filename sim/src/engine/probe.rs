//! A probe: what somebody who doubts a run wants to know of it, besides its outcome.
//!
//! It is handed over beside the call, and answers beside it, so that whoever stands between (a runner,
//! a test) need not know of it, and so that a run that fails tells all the same.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::trace::{Trace, Tracer};
use super::world::{self, World};
use crate::interpose::{self, ChangedWord, Escape};

/// What is wanted of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// A trace, with all about the decisions of this window.
    pub trace: Option<Range<u64>>,
    /// Whether to set traps for what goes around libc, and to watch statics. Traps are for ever: the
    /// process is to end with the run.
    pub is_watched: bool,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    pub trace: Option<Trace>,
    /// What programs did that the simulation could not make its own.
    pub escapes: Vec<Escape>,
    /// What changed in the program's statics and thread-locals, if that was watched.
    pub changed: Vec<ChangedWord>,
    /// What should have been watched and could not be, on this machine.
    pub unwatched: Vec<String>,
}

/// A probe on its way to a run, and back.
#[derive(Clone)]
pub(super) struct Probe {
    pub(super) wanted: Wanted,
    findings: Arc<Mutex<Findings>>,
}

thread_local! {
    static NEXT: RefCell<Option<Probe>> = const { RefCell::new(None) };
}

/// Probes the next [`run`](super::run) that this thread starts in `body`.
pub fn probed<R>(wanted: Wanted, body: impl FnOnce() -> R) -> (R, Findings) {
    let findings = Arc::default();
    NEXT.set(Some(Probe {
        wanted,
        findings: Arc::clone(&findings),
    }));
    let result = body();
    NEXT.set(None);
    let findings = std::mem::take(&mut *findings.lock().unwrap_or_else(PoisonError::into_inner));
    (result, findings)
}

/// The probe for the run that begins.
pub(super) fn take_next() -> Option<Probe> {
    NEXT.take()
}

impl Probe {
    /// Readies the world that has just been made.
    pub(super) fn begin(&self) {
        if let Some(window) = self.wanted.trace.clone() {
            world::with(|world| {
                world.tracer = Some(Box::new(Tracer::new(window)));
                // The last lines of a log are part of what is told of a decision.
                world.log.get_or_insert_default();
            });
        }
        if self.wanted.is_watched {
            self.findings().unwatched = interpose::watch();
        }
    }

    /// Answers what was found in a world that is over.
    pub(super) fn answer(&self, world: &mut World, escapes: &[Escape]) {
        let mut findings = self.findings();
        findings.changed = interpose::end_watch(&|node| world.name_of(node));
        findings.trace = world.take_trace();
        findings.escapes = escapes.to_vec();
    }

    fn findings(&self) -> MutexGuard<'_, Findings> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
