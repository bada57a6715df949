//! The engine: our own deterministic world.
//!
//! A [`run`] gets a thread of its own, a [`Config`] and a *harness*: a future that adds nodes, starts
//! programs on them, does them harm and looks at what comes of it. The run ends with the harness.
//! Everything in between is a function of the configuration and the programs' code.
//!
//! In reading order: `world` (the tables), `turns` (the loop), `tasks`, `pct` and `waker` (who computes),
//! `events`, `time_queue`, `heap`, `far`, `timers` and `prefetch` (when), `clock` and `clock_faults` (what time it seems to be),
//! `odd_turns`, `task_faults`, `cpu` and `memory_budget` (what is done to who computes), `triggers` (what
//! a harness waits for), `signals`, `nodes` and `domains` (where), `network`, `datagrams` and `streams`
//! (what they say to each other), `disk` (what they keep), `crash_points` (where exactly they end),
//! `slots` (ids). `probe` and `trace` are for those who doubt a run.

mod clock;
mod clock_faults;
mod cpu;
mod crash_points;
mod datagrams;
pub mod disk;
mod disk_damage;
mod disk_faults;
mod disk_queue;
mod domains;
mod events;
mod far;
mod files;
mod heap;
mod memory_budget;
mod network;
mod nodes;
mod odd_turns;
mod pct;
mod prefetch;
mod probe;
mod signals;
mod slots;
mod streams;
mod task_faults;
mod tasks;
mod time_queue;
mod timers;
mod trace;
mod triggers;
mod turns;
mod waker;
pub(crate) mod world;

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

pub(crate) use self::clock::Ahead;
pub(crate) use self::clock_faults::DeadlineBy;
pub use self::clock_faults::{ClockEffect, ClocksInPause, add_clock_effect, remove_clock_effects};
pub(crate) use self::crash_points::pass;
pub use self::crash_points::{CrashPoint, End, PlannedEnd, end_at};
pub use self::disk_damage::DiskSnapshot;
pub use self::disk_faults::{DiskEffect, add_disk_effect, remove_disk_effects};
pub use self::disk_queue::DiskTiming;
pub(crate) use self::disk_queue::{Operation, Work};
pub use self::domains::{Domain, Place, add_node_in, nodes_in};
pub(crate) use self::files::OpenedFile;
pub use self::memory_budget::{MemoryBudgetError, remove_memory_budgets, set_memory_budget};
pub(crate) use self::network::Answer;
pub use self::network::{
    Bandwidth, FaultTag, GrayLink, Latency, LinkEffect, NameEffect, NetworkConfig, PRESETS, Preset,
    Swizzle, SwizzleStep, add_gray_link, add_link_effect, add_name_effect, count_fault, cuts,
    fault_observed, new_fault_tag, preset, remove_link_effects, set_link_bandwidth,
    set_link_latency, swizzle,
};
pub use self::nodes::{EndReport, add_node, power_loss};
use self::probe::Probe;
pub use self::probe::{Findings, Wanted, probed};
pub(crate) use self::signals::Signal;
pub(crate) use self::slots::Id;
pub(crate) use self::streams::NEIGHBOUR_PATIENCE_NS;
pub use self::task_faults::{TaskEffect, add_task_effect, remove_task_effects};
pub(crate) use self::tasks::LocalFuture;
pub use self::trace::{Decision, DecisionKind, STRIDE, Trace};
pub(crate) use self::triggers::{Moment, happened};
pub use self::triggers::{Predicate, Trigger, When, when};
use self::world::World;
pub use crate::interpose::{ChangedWord, Escape, EscapeKind, Memory};

/// The number of the harness's own node, which no fault touches.
const HARNESS: u32 = 0;

/// The longest time that a configuration or a fault may name.
const DAY_NS: u64 = 86_400_000_000_000;

/// A simulated machine. Number 0 is the harness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// The node that the harness itself runs on.
    pub const HARNESS: Self = Self(HARNESS);
}

/// The order of ready tasks, and of events of one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// First come, first served.
    Fifo,
    /// By a keyed priority of (identity, its how-many-th wake-up).
    #[default]
    Random,
    /// By one keyed priority for life, and `depth - 1` keyed moments at which whoever has its turn falls
    /// behind all others: a bug that needs `depth` orderings of n tasks and events is found with a
    /// probability of at least `1 / (n steps_estimate^(depth - 1))`, which random orders may all but
    /// never find (Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of Finding
    /// Bugs", ASPLOS 2010). It orders what is ready at one instant of virtual time; how long a packet
    /// takes is the network's choice.
    Pct {
        /// From 1; bugs of depth 2 and 3 are most.
        depth: u8,
        /// How many turns and events a run has, about: [`Counters::polls`] and [`Counters::events`] of
        /// an earlier one.
        steps_estimate: u64,
    },
}

/// All that decides a run, besides the code.
#[derive(Clone, Debug)]
pub struct Config {
    /// Keys every choice.
    pub seed: u64,
    pub schedule: Schedule,
    pub network: NetworkConfig,
    /// What each machine's disk is like.
    pub disk: disk::DiskOptions,
    pub disk_profile: disk::CrashProfile,
    pub disk_timing: DiskTiming,
    /// Virtual time ends here: a run that is not over by then fails.
    pub end_ns: u64,
    /// Whether to keep what nodes log.
    pub detail: bool,
    /// The planted bug that is switched on.
    pub mutant: Option<String>,
}

impl Config {
    /// A calm world with this seed, which lasts a virtual day at the most.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            schedule: Schedule::default(),
            network: NetworkConfig::default(),
            disk: disk::DiskOptions::default(),
            disk_profile: disk::CrashProfile::default(),
            disk_timing: DiskTiming::default(),
            end_ns: DAY_NS,
            detail: false,
            mutant: None,
        }
    }
}

/// What a run counts by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub events: u64,
    pub polls: u64,
    pub packets_delivered: u64,
    pub packets_lost: u64,
    pub retransmissions: u64,
    pub connections: u64,
    pub file_syncs: u64,
    pub bytes_written: u64,
}

/// A line that a node logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub time_ns: u64,
    pub node: NodeId,
    pub text: String,
}

/// A panic of a node's program, which ended its process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePanic {
    pub time_ns: u64,
    pub node: NodeId,
    pub message: String,
}

/// What a run leaves behind.
#[derive(Clone, Debug)]
pub struct Outcome<T> {
    /// What the harness returned.
    pub output: T,
    /// A hash over every decision: equal for equal runs.
    pub digest: u64,
    pub virtual_ns: u64,
    pub counters: Counters,
    /// Bugs.
    pub panics: Vec<NodePanic>,
    /// Panics that a fault brought about ([`TaskEffect::Panic`]).
    pub injected_panics: Vec<NodePanic>,
    /// Empty unless the configuration asked for detail.
    pub log: Vec<LogLine>,
    /// What programs did that the simulation could not make its own.
    pub escapes: Vec<Escape>,
}

impl<T> Outcome<T> {
    fn map<U>(self, map: impl FnOnce(T) -> U) -> Outcome<U> {
        Outcome {
            output: map(self.output),
            digest: self.digest,
            virtual_ns: self.virtual_ns,
            counters: self.counters,
            panics: self.panics,
            injected_panics: self.injected_panics,
            log: self.log,
            escapes: self.escapes,
        }
    }
}

/// Why a run did not come to its end.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RunError {
    #[error(
        "nothing can happen any more at {virtual_ns} ns of virtual time: the harness waits for \
         something that no task, timer or packet will bring"
    )]
    Deadlock { virtual_ns: u64 },
    #[error("the run's virtual time ended at {end_ns} ns, before the harness did")]
    OutOfTime { end_ns: u64 },
    #[error("the thread for the run could not be started: {0}")]
    Thread(String),
}

/// What programs [`emit`](crate::emit) goes to.
pub type Observer = Box<dyn FnMut(Emitted<'_>)>;

/// Something that a program said about itself.
pub struct Emitted<'a> {
    pub time_ns: u64,
    pub node: NodeId,
    pub incarnation: u32,
    /// The event, of a type that the program and the observer share.
    pub event: &'a dyn Any,
}

thread_local! {
    static OBSERVER: RefCell<Option<Observer>> = const { RefCell::new(None) };
}

/// Lets an observer hear what programs emit from now on, for the rest of the run.
pub fn observe(observer: Observer) {
    OBSERVER.set(Some(observer));
}

pub(crate) fn emit(event: &dyn Any) {
    let (time_ns, node, incarnation) = world::with(|world| {
        let node = world.current_node();
        (
            world.now_ns,
            NodeId(node),
            world.nodes[node as usize].incarnation,
        )
    });
    OBSERVER.with_borrow_mut(|observer| {
        if let Some(observer) = observer {
            let emitted = Emitted {
                time_ns,
                node,
                incarnation,
                event,
            };
            // What an observer keeps is not the program's.
            crate::memory::uncharged(|| observer(emitted));
        }
    });
    triggers::tell(node.0, Moment::Emitted(event));
}

/// Starts a task on the running task's node whose future need not be `Send`: a harness's own.
pub fn spawn_local<F: Future + 'static>(future: F) -> crate::task::JoinHandle<F::Output> {
    crate::task::spawn_in_engine(future)
}

/// Virtual nanoseconds since the run began: true time, for the harness and for checkers.
pub fn now_ns() -> u64 {
    world::with(|world| world.now_ns)
}

/// Mixes a word into the run's digest: what a harness saw is part of what must not differ.
pub fn note(word: u64) {
    world::with(|world| world.note(word));
}

/// Ends the run at once, from any node: who has seen what must not be need not wait for the harness.
///
/// # Panics
/// Always: [`run`] ends as if the harness had panicked with this message.
#[track_caller]
pub fn stop(why: &str) -> ! {
    world::with(|world| world.is_stopped = true);
    panic!("{why}");
}

/// Runs a harness in a world of its own, on a thread of its own.
///
/// The thread is new so that no key of a hash map, no random generator and no other thread-local of
/// an earlier run reaches this one.
///
/// # Errors
/// If the harness can never end, or does not before the virtual time does.
///
/// # Panics
/// With the harness, if that panics.
pub fn run<T, H, F>(config: Config, harness: H) -> Result<Outcome<T>, RunError>
where
    T: Send,
    H: FnOnce() -> F + Send,
    F: Future<Output = T> + 'static,
    T: 'static,
{
    let outcome = run_untyped(
        config,
        Box::new(|| {
            let future = harness();
            Box::pin(async move { Box::new(future.await) as Output })
        }),
    )?;
    Ok(outcome.map(|output| {
        let output = output.downcast();
        *output.expect("it is what the harness has returned")
    }))
}

/// What a harness has returned.
type Output = Box<dyn Any + Send>;

/// A harness without its types: what runs it is compiled once, not again for each.
type UntypedHarness<'a> = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Output>>> + Send + 'a>;

fn run_untyped(config: Config, harness: UntypedHarness<'_>) -> Result<Outcome<Output>, RunError> {
    let thread = std::thread::Builder::new()
        .name("simulation".to_owned())
        .stack_size(16 << 20);
    let probe = probe::take_next();
    std::thread::scope(|scope| {
        let handle = thread
            .spawn_scoped(scope, move || run_here(config, probe, harness))
            .map_err(|error| RunError::Thread(error.to_string()))?;
        handle.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn run_here(
    config: Config,
    probe: Option<Probe>,
    harness: UntypedHarness<'_>,
) -> Result<Outcome<Output>, RunError> {
    let end_ns = config.end_ns;
    crate::mutant::activate(config.mutant.as_deref());
    crate::interpose::begin(config.seed);
    world::install(World::new(config));
    if let Some(probe) = &probe {
        probe.begin();
    }
    triggers::begin();
    let output = Rc::new(RefCell::new(None));
    let result = catch_unwind(AssertUnwindSafe(|| {
        start_harness(harness, Rc::clone(&output));
        turns::drive(&|| output.borrow().is_some(), end_ns)
    }));
    let mut world = tear_down();
    let escapes = crate::interpose::end(&|node| world.name_of(node));
    if let Some(probe) = &probe {
        probe.answer(&mut world, &escapes);
    }
    crate::mutant::activate(None);
    result.unwrap_or_else(|panic| resume_unwind(panic))?;
    let output = output
        .take()
        .expect("the loop ends without error only when the harness has");
    Ok(Outcome {
        output,
        digest: world.digest.bits(),
        virtual_ns: world.now_ns,
        counters: world.counters,
        panics: world.panics,
        injected_panics: world.injected_panics,
        log: world.log.unwrap_or_default(),
        escapes,
    })
}

fn start_harness(harness: UntypedHarness<'_>, output: Rc<RefCell<Option<Output>>>) {
    let node = add_node("harness");
    assert_eq!(node, NodeId::HARNESS, "the harness is the first node");
    world::with(|world| {
        let harness = &mut world.nodes[HARNESS as usize];
        (harness.up, harness.powered) = (true, true);
    });
    let future = harness();
    let future: LocalFuture = Box::pin(async move {
        let value = future.await;
        *output.borrow_mut() = Some(value);
    });
    world::with(|world| {
        let identity = world.root_identity(HARNESS);
        world.trace_birth(identity, trace::ROOT);
        world.add_task(HARNESS, identity, future);
    });
}

/// Drops all that programs hold while there still is a world for their destructors to see.
fn tear_down() -> Box<World> {
    let futures = world::with(|world| {
        world.nodes.iter_mut().for_each(|node| node.up = false);
        world.remove_tasks(None)
    });
    drop(futures);
    OBSERVER.set(None);
    crate::memory::close_all();
    world::uninstall().expect("a run has a world until here")
}

pub(crate) fn is_logging() -> bool {
    world::try_with(|world| world.log.is_some()).unwrap_or(false)
}

pub(crate) fn log(line: std::fmt::Arguments<'_>) {
    // A line that is kept is not the program's: with and without it, the run is the same.
    let text = crate::memory::uncharged(|| line.to_string());
    world::try_with(|world| {
        let line = LogLine {
            time_ns: world.now_ns,
            node: NodeId(world.current_node()),
            text,
        };
        world.trace(DecisionKind::Log, || trace::hash(line.text.as_bytes()));
        if let Some(log) = &mut world.log {
            log.push(line);
        }
    });
}
