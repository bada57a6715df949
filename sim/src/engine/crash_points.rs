//! Crash points: the end of a machine at exactly its k-th sync, rename or send.
//!
//! Random power losses seldom fall between a rename and the sync behind it. A *sweep* leaves nothing
//! to chance: it runs a program once for each k, ends it there, and asks what may be left
//! ([`NodeId::crash_states`]), until the program comes to its own end first.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::resume_unwind;

use super::disk::{CrashProfile, Disk, TooManyStates};
use super::{EndReport, HARNESS, NodeId, world};

/// Something that a program does to the world outside of its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
    /// Before an fsync or fdatasync has done anything: all that it was to make durable is at stake.
    Sync,
    /// After a rename, before its caller knows.
    Rename,
    /// After bytes or a datagram have left, before their sender goes on: who gets them may rely on
    /// what they say.
    Send,
}

/// How a machine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// [`NodeId::kill`]
    Kill,
    /// [`NodeId::power_loss`]
    PowerLoss,
}

/// A crash point that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedEnd(usize);

struct Planned {
    node: u32,
    point: CrashPoint,
    /// Until then; 0 for one that was reached.
    passes_left: u64,
    end: End,
    report: Option<EndReport>,
}

thread_local! {
    /// Of the run of this thread, which has had no other.
    static PLANNED: RefCell<Vec<Planned>> = const { RefCell::new(Vec::new()) };
    /// Whether any of them is yet to be reached.
    static IS_ANY: Cell<bool> = const { Cell::new(false) };
}

/// Ends a machine when it reaches its `ordinal`-th such point from now on, at once and in the middle
/// of whatever the task does.
///
/// # Panics
/// If it is the harness's own node, or the zeroth.
pub fn end_at(node: NodeId, point: CrashPoint, ordinal: u64, end: End) -> PlannedEnd {
    assert!(node.0 != HARNESS, "the harness's node does not end");
    assert!(ordinal > 0, "the first of them is number 1");
    IS_ANY.set(true);
    PLANNED.with_borrow_mut(|planned| {
        planned.push(Planned {
            node: node.0,
            point,
            passes_left: ordinal,
            end,
            report: None,
        });
        PlannedEnd(planned.len() - 1)
    })
}

impl PlannedEnd {
    /// What the end did to the machine; `None` if it has not come to it.
    pub fn report(self) -> Option<EndReport> {
        PLANNED.with_borrow(|planned| planned[self.0].report)
    }
}

impl NodeId {
    /// Every distinct state in which this machine's disk might come back if it lost power now: see
    /// [`Disk::crash_states`].
    ///
    /// # Errors
    /// If there are more than `max`.
    pub fn crash_states(
        self,
        profile: &CrashProfile,
        max: usize,
    ) -> Result<Vec<Disk>, TooManyStates> {
        world::with(|world| world.nodes[self.0 as usize].disk.crash_states(profile, max))
    }

    /// Puts another disk into this machine.
    ///
    /// # Panics
    /// If its process runs.
    pub fn install_disk(self, disk: Disk) {
        world::with(|world| {
            let node = &mut world.nodes[self.0 as usize];
            assert!(!node.up, "node {} is up", node.name);
            node.disk = disk;
        });
    }
}

/// The running task's program is at such a point. To be called while nobody holds the world.
#[inline]
pub(crate) fn pass(point: CrashPoint) {
    if IS_ANY.get() {
        pass_one_that_matters(point);
    }
}

#[cold]
fn pass_one_that_matters(point: CrashPoint) {
    let node = world::with(|world| world.current_node());
    let Some((index, end)) = reached(node, point) else {
        return;
    };
    let report = match end {
        End::Kill => NodeId(node).kill(),
        End::PowerLoss => NodeId(node).power_loss(),
    };
    PLANNED.with_borrow_mut(|planned| planned[index].report = Some(report));
    // All that the program could still reach is closed. The task itself ends here.
    resume_unwind(Box::new(Ended));
}

/// Counts a pass; answers the end that has come, if one has.
fn reached(node: u32, point: CrashPoint) -> Option<(usize, End)> {
    PLANNED.with_borrow_mut(|planned| {
        let mut reached = None;
        let waiting = planned.iter_mut().enumerate();
        let concerned =
            waiting.filter(|(_, it)| it.passes_left > 0 && it.node == node && it.point == point);
        for (index, it) in concerned {
            it.passes_left -= 1;
            if it.passes_left == 0 {
                reached = Some((index, it.end));
            }
        }
        IS_ANY.set(planned.iter().any(|it| it.passes_left > 0));
        reached
    })
}

/// What a task unwinds with that has ended at a crash point.
struct Ended;

/// Whether a task unwound because its machine has ended.
pub(super) fn is_end(panic: &(dyn Any + Send)) -> bool {
    panic.is::<Ended>()
}
