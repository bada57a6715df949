//! The world of one run: tables of tasks, nodes and sockets, the queue of events, and the clock.
//!
//! Everything that a handle names lives here, in one value that belongs to the run's thread.
//! Nothing in here calls into a program: wakers of programs are woken, and their futures polled and
//! dropped, only when no one holds the world.

use std::cell::Cell;
use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::task::Waker;

use super::Config;
use super::events::{Event, EventQueue};
use super::network::Network;
use super::nodes::Node;
use super::pct::ChangePoints;
use super::slots::{Id, Slots};
use super::tasks::Tasks;
use super::timers::Timer;
use super::trace::{DecisionKind, Tracer};
use super::waker::Waiter;
use crate::keyed::Key;

thread_local! {
    /// Empty outside of a run, and while somebody looks at the world. Not dropped with its thread:
    /// a thread-local that needs no destructor is reached without asking whether that has run, and
    /// a run takes its world away as it ends.
    static WORLD: Cell<Option<ManuallyDrop<Box<World>>>> = const { Cell::new(None) };
    /// Whether this thread is in a run: asked without touching the world.
    static IN_RUN: Cell<bool> = const { Cell::new(false) };
}

/// All there is in a run.
pub(crate) struct World {
    pub(super) now_ns: u64,
    /// The seed's key: every choice descends from it.
    pub(super) key: Key,
    /// The running hash over every decision.
    pub(super) digest: Key,
    pub(super) config: Config,
    pub(super) events: EventQueue,
    pub(super) event_count: u64,
    pub(super) tasks: Tasks,
    pub(super) timers: Slots<Timer>,
    pub(super) nodes: Vec<Node>,
    /// Whether a turn needs more than a poll: somebody has asked for what no calm world has, and pays
    /// for it from then on.
    pub(super) is_odd: bool,
    /// Whose turn it was last, or is, and whose clocks libc shows, since the world is odd.
    pub(super) had_turn: u32,
    /// Present where the schedule is [`Schedule::Pct`](super::Schedule::Pct).
    pub(super) change_points: Option<ChangePoints>,
    /// Tasks whose turn comes before all others'.
    pub(super) urgent: VecDeque<Id>,
    /// Nodes whose processes are to be killed when nobody holds the world.
    pub(super) doomed: Vec<u32>,
    pub(super) network: Network,
    /// Wakers of combinators, to be woken when nobody holds the world.
    pub(super) foreign_wakes: Vec<Waker>,
    /// Whether somebody wants the run to end.
    pub(super) is_stopped: bool,
    pub(super) panics: Vec<super::NodePanic>,
    /// Those that a fault brought about.
    pub(super) injected_panics: Vec<super::NodePanic>,
    pub(super) counters: super::Counters,
    pub(super) log: Option<Vec<super::LogLine>>,
    pub(super) tracer: Option<Box<Tracer>>,
}

/// Whether this thread is in a run of the engine.
#[inline]
pub(crate) fn is_running() -> bool {
    IN_RUN.get()
}

/// The world in somebody's hands, if there is one; put back in its place as it is let go, by a panic
/// too.
struct Held(Option<ManuallyDrop<Box<World>>>);

impl Held {
    #[inline(always)]
    fn take() -> Self {
        Self(WORLD.take())
    }
}

impl Drop for Held {
    #[inline(always)]
    fn drop(&mut self) {
        WORLD.set(self.0.take());
    }
}

/// Looks at this thread's world.
///
/// Inlined: what `look` answers then goes straight to where it is wanted.
///
/// # Panics
/// If there is none: the caller holds a handle of a run outside of it.
#[inline(always)]
pub(crate) fn with<R>(look: impl FnOnce(&mut World) -> R) -> R {
    let mut held = Held::take();
    match &mut held.0 {
        Some(world) => look(world),
        None => no_world(),
    }
}

#[cold]
fn no_world() -> ! {
    assert!(
        !is_running(),
        "the simulated world was used by what it was just calling, a waker's destructor perhaps"
    );
    panic!("a handle of the simulated world was used outside of its run, where it names nothing")
}

/// Looks at this thread's world, if there is one.
#[inline(always)]
pub(crate) fn try_with<R>(look: impl FnOnce(&mut World) -> R) -> Option<R> {
    is_running().then(|| with(look))
}

/// As [`try_with`], and `None` too while the world itself is at work.
pub(crate) fn try_with_idle<R>(look: impl FnOnce(&mut World) -> R) -> Option<R> {
    let mut held = Held::take();
    held.0.as_mut().map(|world| look(world))
}

/// Whether somebody looks at this thread's world just now. It does not look at it itself.
pub(crate) fn is_held() -> bool {
    let world = WORLD.take();
    let is_held = world.is_none();
    WORLD.set(world);
    is_held
}

/// Makes a world this thread's.
pub(super) fn install(world: World) {
    assert!(
        !is_running(),
        "a run inside a run: give the inner one a thread of its own"
    );
    WORLD.set(Some(ManuallyDrop::new(Box::new(world))));
    IN_RUN.set(true);
}

/// Takes this thread's world away.
pub(super) fn uninstall() -> Option<Box<World>> {
    IN_RUN.set(false);
    WORLD.take().map(ManuallyDrop::into_inner)
}

impl World {
    pub(super) fn new(config: Config) -> Self {
        let key = Key::root(config.seed);
        let change_points = match config.schedule {
            super::Schedule::Pct {
                depth,
                steps_estimate,
            } => Some(ChangePoints::new(key, depth, steps_estimate)),
            super::Schedule::Fifo | super::Schedule::Random => None,
        };
        Self {
            now_ns: 0,
            key,
            digest: Key::root(0),
            events: EventQueue::default(),
            event_count: 0,
            tasks: Tasks::new(config.schedule),
            timers: Slots::default(),
            nodes: Vec::new(),
            is_odd: change_points.is_some(),
            change_points,
            had_turn: super::HARNESS,
            urgent: VecDeque::new(),
            doomed: Vec::new(),
            network: Network::new(key, &config.network),
            foreign_wakes: Vec::new(),
            is_stopped: false,
            panics: Vec::new(),
            injected_panics: Vec::new(),
            counters: super::Counters::default(),
            log: config.detail.then(Vec::new),
            tracer: None,
            config,
        }
    }

    /// Mixes a decision into the digest.
    #[inline]
    pub(super) fn note(&mut self, word: u64) {
        self.digest = self.digest.with(word);
        self.trace_note(word);
    }

    /// Puts an event into the queue. `identity` is what it is about: it breaks ties by a keyed
    /// choice, so that events of one instant come in an order that the seed decides.
    #[inline]
    pub(super) fn schedule(&mut self, time_ns: u64, identity: Key, event: Event) {
        self.event_count += 1;
        self.trace(DecisionKind::Schedule, || identity.with(time_ns).bits());
        let tie = match self.config.schedule {
            super::Schedule::Fifo => self.event_count,
            super::Schedule::Random => identity.bits(),
            super::Schedule::Pct { .. } => super::pct::priority(identity, 0),
        };
        self.events.push(time_ns.max(self.now_ns), tie, event);
    }

    /// Wakes, or notes to wake once nobody holds the world.
    #[inline]
    pub(super) fn wake(&mut self, waiter: Waiter) {
        match waiter {
            Waiter::Task(task) => self.make_ready(task),
            Waiter::Foreign(waker) => self.foreign_wakes.push(waker),
        }
    }

    /// As [`Self::wake`], and a task has the very next turn.
    pub(super) fn wake_first(&mut self, waiter: Waiter) {
        match waiter {
            Waiter::Task(task) => {
                if self.tasks.make_ready_first(task) {
                    self.urgent.push_back(task);
                }
            }
            Waiter::Foreign(waker) => self.foreign_wakes.push(waker),
        }
    }

    /// Lets the next event happen. `false` if none is left before the end.
    pub(super) fn step(&mut self) -> bool {
        let Some((time_ns, event)) = self.events.pop_until(self.config.end_ns) else {
            return false;
        };
        debug_assert!(time_ns >= self.now_ns, "time runs forwards");
        self.look_ahead();
        if time_ns != self.now_ns {
            self.now_ns = time_ns;
            crate::interpose::set_now(time_ns);
        }
        self.counters.events += 1;
        self.happen(event);
        true
    }

    /// Asks for the memory that the events to come will look at. Sleepers are many, and each was last
    /// looked at as it fell asleep: were their memory fetched when it is their turn, that would be most
    /// of what a sleep costs. One kind after the other, for each leads to the next.
    #[inline]
    fn look_ahead(&self) {
        let Some(soon) = self.events.ahead(4) else {
            return;
        };
        if let Some(task) = self.sleeper_of(soon) {
            self.tasks.prefetch_future(task);
        }
        let later = self.events.ahead(8);
        if let Some(task) = later.and_then(|event| self.sleeper_of(event)) {
            self.tasks.prefetch(task);
        }
        if let Some(Event::Timer(id)) = self.events.ahead(12) {
            self.timers.prefetch(id);
        }
    }

    /// The task that a timer will wake.
    #[inline]
    fn sleeper_of(&self, event: Event) -> Option<Id> {
        match event {
            Event::Timer(id) => self.timers.get(id)?.task(),
            _ => None,
        }
    }

    /// Lets an event happen now.
    pub(super) fn happen(&mut self, event: Event) {
        self.trace_event(event);
        match event {
            Event::Timer(id) => self.timer_fires(id),
            Event::Datagram(index) => self.datagram_arrives(index),
            Event::Segment(id) => self.segment_arrives(id),
            Event::Syn(id) => self.syn_arrives(id),
            Event::SynAck(id) => self.syn_ack_arrives(id),
            Event::Reset(id) => self.reset_arrives(id),
            Event::Window(id) => self.window_opens(id),
            Event::Unreachable(id) => self.refusal_arrives(id),
            Event::GiveUp(id) => self.patience_ends(id),
            Event::Cpu(node) => self.cpu_is_done(node),
        }
    }

    /// Holds an event back where its node stands still; it happens when the node goes on.
    pub(super) fn hold_if_paused(&mut self, node: u32, event: Event) -> bool {
        let node = &mut self.nodes[node as usize];
        if node.paused {
            node.held.push(event);
        }
        node.paused
    }

    /// The node of the running task; the harness if none runs.
    #[inline]
    pub(crate) fn current_node(&self) -> u32 {
        self.tasks.current_node
    }

    pub(super) fn name_of(&self, node: u32) -> String {
        self.nodes[node as usize].name.clone()
    }

    pub(crate) fn current_node_name(&self) -> &str {
        &self.nodes[self.current_node() as usize].name
    }

    #[inline]
    pub(super) fn make_ready(&mut self, id: Id) {
        if let Some(parked_on) = self.tasks.make_ready(id, &self.nodes) {
            self.nodes[parked_on as usize].parked.push(id);
        }
    }
}
