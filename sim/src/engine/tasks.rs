//! Tasks: futures with an identity that no accident of timing changes.
//!
//! A task's identity is its node, the node's incarnation and its path of spawns: the parent's
//! identity and its ordinal among the parent's children. What it does, and when it is scheduled,
//! is keyed by that, so it stays the same when something elsewhere goes away.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;

use super::heap::Heap;
use super::nodes::Node;
use super::pct::{self, Fallen, PctQueue};
use super::prefetch::prefetch;
use super::slots::{Id, Slots};
use super::trace::DecisionKind;
use super::world::World;
use super::{HARNESS, Schedule};
use crate::keyed::Key;

pub(crate) type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// All tasks of a run, and which of them are ready.
pub(super) struct Tasks {
    slots: Slots<Task>,
    ready: Ready,
    current: Option<Id>,
    pub(super) current_node: u32,
}

struct Task {
    /// Absent while it is polled.
    future: Option<LocalFuture>,
    node: u32,
    identity: Key,
    state: State,
    fallen: Fallen,
    /// How many tasks it has spawned.
    children: u64,
    /// How many timers it has started.
    timers: u64,
    /// How many random numbers it has drawn.
    draws: u64,
    wake_ups: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// In the queue of ready tasks, or parked on its paused node.
    Ready,
}

enum Ready {
    Fifo(VecDeque<Id>),
    /// By a keyed priority of the task's identity and its how-many-th wake-up this is.
    Random(Heap<u64, Id>),
    Pct(PctQueue),
}

impl Ready {
    #[inline]
    fn push(&mut self, id: Id, task: &mut Task) {
        task.wake_ups += 1;
        match self {
            Self::Fifo(queue) => queue.push_back(id),
            Self::Random(heap) => heap.push(task.identity.with(task.wake_ups).bits(), id),
            Self::Pct(queue) => queue.push(id, pct::priority(task.identity, task.fallen)),
        }
    }

    #[inline]
    fn pop(&mut self) -> Option<Id> {
        match self {
            Self::Fifo(queue) => queue.pop_front(),
            Self::Random(heap) => heap.pop().map(|(_, id)| id),
            Self::Pct(queue) => queue.pop(),
        }
    }

    /// Puts a task back that has been popped, where it was.
    fn put_back(&mut self, id: Id, task: &Task) {
        match self {
            Self::Fifo(queue) => queue.push_back(id),
            Self::Random(heap) => heap.push(task.identity.with(task.wake_ups).bits(), id),
            Self::Pct(queue) => queue.push(id, pct::priority(task.identity, task.fallen)),
        }
    }
}

impl Tasks {
    pub(super) fn new(schedule: Schedule) -> Self {
        let ready = match schedule {
            Schedule::Fifo => Ready::Fifo(VecDeque::new()),
            Schedule::Random => Ready::Random(Heap::default()),
            Schedule::Pct { .. } => Ready::Pct(PctQueue::default()),
        };
        Self {
            slots: Slots::default(),
            ready,
            current: None,
            current_node: HARNESS,
        }
    }

    /// Adds a task that is ready; the running task is its parent.
    fn insert(&mut self, node: u32, identity: Key, future: LocalFuture) -> Id {
        self.slots.insert(Task {
            future: Some(future),
            node,
            identity,
            state: State::Idle,
            fallen: 0,
            children: 0,
            timers: 0,
            draws: 0,
            wake_ups: 0,
        })
    }

    /// Makes a task ready; answers the node to park it on if that stands still.
    #[inline]
    pub(super) fn make_ready(&mut self, id: Id, nodes: &[Node]) -> Option<u32> {
        let task = self.slots.get_mut(id)?;
        if task.state == State::Ready {
            return None;
        }
        task.state = State::Ready;
        if nodes[task.node as usize].paused {
            return Some(task.node);
        }
        self.ready.push(id, task);
        None
    }

    /// Asks for a task's memory, that it may have its turn soon.
    #[inline]
    pub(super) fn prefetch(&self, id: Id) {
        self.slots.prefetch(id);
    }

    /// The same for its future's.
    #[inline]
    pub(super) fn prefetch_future(&self, id: Id) {
        let task = self.slots.get(id);
        if let Some(future) = task.and_then(|task| task.future.as_ref()) {
            prefetch(&**future);
        }
    }

    /// Puts a task that is marked ready into the queue.
    pub(super) fn enqueue(&mut self, id: Id) {
        if let Some(task) = self.slots.get_mut(id) {
            self.ready.push(id, task);
        }
    }

    /// Makes a task ready that is to run before all that are in the queue; whether there is such a task.
    pub(super) fn make_ready_first(&mut self, id: Id) -> bool {
        let Some(task) = self.slots.get_mut(id) else {
            return false;
        };
        task.state = State::Ready;
        task.wake_ups += 1;
        true
    }

    /// Takes a task out of the queue that is ready; it may have been taken out of the world meanwhile.
    pub(super) fn pop_ready(&mut self) -> Option<Id> {
        self.ready.pop()
    }

    /// Puts a task back that has been popped and has not had its turn.
    pub(super) fn put_back_ready(&mut self, id: Id) {
        if let Some(task) = self.slots.get(id) {
            self.ready.put_back(id, task);
        }
    }

    /// The priority of the ready task whose turn is next, where tasks have any for life.
    pub(super) fn peek_priority(&self) -> Option<u64> {
        match &self.ready {
            Ready::Pct(queue) => queue.peek_priority(),
            _ => None,
        }
    }

    pub(super) fn time_passes(&mut self) {
        if let Ready::Pct(queue) = &mut self.ready {
            queue.time_passes();
        }
    }

    /// Gives a task another priority, from its next turn on.
    pub(super) fn fall_behind(&mut self, id: Id, fallen: Fallen) {
        if let Some(task) = self.slots.get_mut(id) {
            task.fallen = fallen;
        }
    }

    pub(super) fn node_of(&self, id: Id) -> Option<u32> {
        self.slots.get(id).map(|task| task.node)
    }

    /// The key of what is done to a task in its next turn, or in the one that it has.
    pub(super) fn turn_key(&self, id: Id) -> Option<Key> {
        let task = self.slots.get(id)?;
        Some(task.identity.label("turn").with(task.wake_ups))
    }

    /// As [`Self::turn_key`], for the running task.
    pub(super) fn current_turn_key(&self) -> Option<Key> {
        self.turn_key(self.current?)
    }

    /// Takes the next ready task's future out, to be polled as the running task. Tasks of nodes that
    /// stand still are parked there.
    #[inline]
    pub(super) fn begin_turn(&mut self, nodes: &mut [Node]) -> Option<(Id, Key, LocalFuture)> {
        loop {
            let id = self.ready.pop()?;
            let Some(task) = self.slots.get(id) else {
                continue;
            };
            let node = &mut nodes[task.node as usize];
            if node.paused {
                node.parked.push(id);
                continue;
            }
            if let Some((identity, future)) = self.begin_turn_of(id) {
                return Some((id, identity, future));
            }
        }
    }

    /// As [`Self::begin_turn`], of a task that is ready.
    #[inline]
    pub(super) fn begin_turn_of(&mut self, id: Id) -> Option<(Key, LocalFuture)> {
        let task = self.slots.get_mut(id)?;
        let future = task.future.take()?;
        task.state = State::Idle;
        (self.current, self.current_node) = (Some(id), task.node);
        Some((task.identity, future))
    }

    /// No task runs any more.
    #[inline]
    pub(super) fn end_turn(&mut self) {
        (self.current, self.current_node) = (None, HARNESS);
    }

    /// Puts a future back after its turn; gives it back to be dropped if the task is gone.
    #[inline]
    pub(super) fn give_back(&mut self, id: Id, future: LocalFuture) -> Option<LocalFuture> {
        match self.slots.get_mut(id) {
            Some(task) => {
                task.future = Some(future);
                None
            }
            None => Some(future),
        }
    }

    /// The key of the running task's next timer.
    #[inline]
    pub(super) fn next_timer_identity(&mut self, root: Key) -> Key {
        match self.current.and_then(|id| self.slots.get_mut(id)) {
            Some(task) => {
                task.timers += 1;
                task.identity.with(task.timers)
            }
            None => root,
        }
    }

    /// The running task's identity, and how many tasks it has spawned.
    pub(super) fn current_identity(&self) -> Option<(Key, u64)> {
        let task = self.slots.get(self.current?)?;
        Some((task.identity, task.children))
    }

    fn next_draw(&mut self) -> Option<Key> {
        let task = self.current.and_then(|id| self.slots.get_mut(id))?;
        task.draws += 1;
        Some(task.identity.label("draw").with(task.draws))
    }
}

impl World {
    /// Starts a task on the running task's node; gives the future back if that node is not up. `name`
    /// is what a trace calls it.
    pub(crate) fn spawn(
        &mut self,
        future: LocalFuture,
        name: &'static str,
    ) -> Result<Id, LocalFuture> {
        let node = self.tasks.current_node;
        if !self.nodes[node as usize].up {
            return Err(future);
        }
        let parent = self
            .tasks
            .current
            .and_then(|id| self.tasks.slots.get_mut(id));
        let identity = match parent {
            Some(parent) => {
                parent.children += 1;
                parent.identity.label("child").with(parent.children)
            }
            None => self.root_identity(node),
        };
        self.trace_birth(identity, name);
        Ok(self.add_task(node, identity, future))
    }

    pub(super) fn add_task(&mut self, node: u32, identity: Key, future: LocalFuture) -> Id {
        let id = self.tasks.insert(node, identity, future);
        self.make_ready(id);
        id
    }

    /// The identity of a node's first task.
    pub(super) fn root_identity(&self, node: u32) -> Key {
        let incarnation = self.nodes[node as usize].incarnation;
        self.key
            .label("task")
            .with(u64::from(node))
            .with(u64::from(incarnation))
    }

    /// Takes a task out of the world. Its future is to be dropped when nobody holds the world.
    pub(crate) fn remove_task(&mut self, id: Id) -> Option<LocalFuture> {
        self.tasks.slots.remove(id).and_then(|task| task.future)
    }

    /// The key of the running task's next random number.
    pub(crate) fn next_draw(&mut self) -> Option<Key> {
        let draw = self.tasks.next_draw()?;
        self.trace(DecisionKind::Draw, || draw.word());
        Some(draw)
    }

    /// Takes all tasks of a node, or of all nodes, out of the world.
    pub(super) fn remove_tasks(&mut self, of_node: Option<u32>) -> Vec<LocalFuture> {
        let wanted = |task: &Task| of_node.is_none_or(|node| task.node == node);
        let ids = self.tasks.slots.ids_where(wanted);
        ids.into_iter()
            .filter_map(|id| self.remove_task(id))
            .collect()
    }
}
