//! Nodes: simulated machines that start, die, lose power and stand still.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use super::clock::Clock;
use super::clock_faults::ClocksInPause;
use super::cpu::Cpu;
use super::disk::{Disk, DiskOptions};
use super::disk_faults::DiskHarm;
use super::domains::Domain;
use super::events::Event;
use super::memory_budget::MemoryBudget;
use super::network::FaultTag;
use super::signals::Handler;
use super::slots::Id;
use super::task_faults::TaskEffect;
use super::tasks::LocalFuture;
use super::triggers::{self, Moment};
use super::waker::Waiter;
use super::world::{self, World};
use super::{HARNESS, NodeId};
use crate::keyed::Key;

type Program = Rc<dyn Fn() -> LocalFuture>;

pub(super) struct Node {
    pub(super) name: String,
    /// Whether its process runs.
    pub(super) up: bool,
    /// Whether the machine runs: one whose process was killed still answers, by its kernel.
    pub(super) powered: bool,
    pub(super) paused: bool,
    /// How many times it has been started.
    pub(super) incarnation: u32,
    program: Option<Program>,
    root: Option<Id>,
    /// Tasks that became ready while it stood still.
    pub(super) parked: Vec<Id>,
    /// Events that reached it while it stood still.
    pub(super) held: Vec<Event>,
    pub(super) ports: Vec<super::network::Port>,
    pub(super) next_ephemeral_port: u16,
    pub(super) disk: Disk,
    pub(super) domain: Domain,
    pub(super) cpu: Cpu,
    /// By [`Signal`](super::signals::Signal).
    pub(super) handlers: [Handler; 2],
    pub(super) task_effects: Vec<(FaultTag, TaskEffect)>,
    pub(super) memory: Option<MemoryBudget>,
    /// Absent as long as its clocks show true time.
    pub(super) clock: Option<Box<Clock>>,
    pub(super) disk_harm: DiskHarm,
    /// How many files its process has opened: part of the key of what their operations take.
    pub(super) files_opened: u64,
    /// Who waits for the lock of a file.
    pub(super) file_lockers: Vec<Waiter>,
}

impl Node {
    pub(super) fn new(name: String, disk: DiskOptions) -> Self {
        Self {
            name,
            up: false,
            powered: false,
            paused: false,
            incarnation: 0,
            program: None,
            root: None,
            parked: Vec::new(),
            held: Vec::new(),
            ports: Vec::new(),
            next_ephemeral_port: 0,
            domain: Domain::default(),
            cpu: Cpu::default(),
            handlers: Default::default(),
            task_effects: Vec::new(),
            memory: None,
            clock: None,
            disk: Disk::new(disk),
            disk_harm: DiskHarm::default(),
            files_opened: 0,
            file_lockers: Vec::new(),
        }
    }
}

/// What an end did to a node that was up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndReport {
    /// Connections whose other ends saw it, or will.
    pub connections: u64,
    /// Sectors and directory entries that were written, not synced, and lost.
    pub lost: u64,
}

/// Cuts machines from power, all at one instant. Answers what that did to each, in their order.
pub fn power_loss(nodes: &[NodeId]) -> Vec<EndReport> {
    nodes.iter().map(|node| node.power_loss()).collect()
}

/// Adds a machine. It is not up yet.
pub fn add_node(name: &str) -> NodeId {
    world::with(|world| {
        let index = u32::try_from(world.nodes.len()).expect("fewer than 2^32 nodes");
        let disk = world.config.disk;
        world.nodes.push(Node::new(name.to_owned(), disk));
        world.network.links.add_node(world.nodes.len());
        NodeId(index)
    })
}

impl NodeId {
    /// Starts `program` on this machine; [`Self::restart`] starts it again.
    ///
    /// # Panics
    /// If the node is up.
    pub fn start<F: Future<Output = ()> + 'static>(self, program: impl Fn() -> F + 'static) {
        let program: Program = Rc::new(move || Box::pin(program()));
        world::with(|world| world.nodes[self.0 as usize].program = Some(program));
        self.restart();
    }

    /// Starts this machine's program again, with what its disk has kept.
    ///
    /// # Panics
    /// If the node is up, or has never been started.
    pub fn restart(self) {
        let program = world::with(|world| {
            let node = &mut world.nodes[self.0 as usize];
            assert!(!node.up, "node {} is up already", node.name);
            node.program
                .clone()
                .expect("a node is started before it is restarted")
        });
        crate::interpose::note_restart(self.0);
        world::with(|world| world.boot(self.0));
        let future = program();
        world::with(|world| {
            let identity = world.root_identity(self.0);
            world.trace_birth(identity, super::trace::ROOT);
            let root = world.add_task(self.0, identity, future);
            world.nodes[self.0 as usize].root = Some(root);
        });
    }

    /// Ends the process at once, as SIGKILL does: peers see its connections end, the page cache
    /// survives. Nothing happens to a node that is down.
    pub fn kill(self) -> EndReport {
        kill(self.0)
    }

    /// Cuts the machine from power: peers hear nothing more, and of what was written and not synced
    /// the disk keeps a keyed part. A machine whose process was killed can lose power as well.
    pub fn power_loss(self) -> EndReport {
        let is_powered = |node: &Node| node.powered;
        end(self.0, is_powered, |world, node| world.cut_power(node))
    }

    /// Makes the machine stand still: it computes nothing, and takes no packets in. Its clocks run on.
    pub fn pause(self) {
        self.pause_with(ClocksInPause::Run);
    }

    /// As [`Self::pause`], and says what the machine's clocks do meanwhile. Nothing happens to a machine
    /// that stands still already.
    pub fn pause_with(self, clocks: ClocksInPause) {
        world::with(|world| {
            let node = &mut world.nodes[self.0 as usize];
            if std::mem::replace(&mut node.paused, true) || clocks == ClocksInPause::Run {
                return;
            }
            world.change_clock(self.0, |clock, now_ns| clock.pause(now_ns, clocks));
        });
    }

    /// Lets a machine that stood still go on; answers how many events and wake-ups it had missed.
    pub fn resume(self) -> u64 {
        world::with(|world| world.resume_node(self.0))
    }

    /// Whether its process runs (perhaps paused).
    pub fn is_up(self) -> bool {
        world::with(|world| world.nodes[self.0 as usize].up)
    }

    /// Whether it stands still.
    pub fn is_paused(self) -> bool {
        world::with(|world| world.nodes[self.0 as usize].paused)
    }

    /// The machine's address.
    pub fn ip(self) -> IpAddr {
        IpAddr::V4(ip_of(self.0))
    }

    /// The machine's number, in the order in which machines were added; the harness's is 0.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The machine's name.
    pub fn name(self) -> String {
        world::with(|world| world.nodes[self.0 as usize].name.clone())
    }

    /// How many times it has been started.
    pub fn incarnation(self) -> u32 {
        world::with(|world| world.nodes[self.0 as usize].incarnation)
    }
}

/// `10.x.y.z`, with the node's number in the last three bytes.
pub(super) fn ip_of(node: u32) -> Ipv4Addr {
    let [_, x, y, z] = node.to_be_bytes();
    Ipv4Addr::new(10, x, y, z)
}

/// Ends a node's process as SIGKILL does.
pub(super) fn kill(node: u32) -> EndReport {
    let is_up = |node: &Node| node.up;
    end(node, is_up, |world, node| {
        let connections = world.close_sockets_of(node);
        world.nodes[node as usize].disk.kill();
        EndReport {
            connections,
            lost: 0,
        }
    })
}

/// Ends a node's process if its first task has: returning from `main` ends a process.
pub(super) fn end_if_root(node: u32, task: Id) {
    if node != HARNESS && world::with(|world| world.nodes[node as usize].root == Some(task)) {
        kill(node);
    }
}

fn end(
    node: u32,
    can_end: fn(&Node) -> bool,
    how: impl FnOnce(&mut World, u32) -> EndReport,
) -> EndReport {
    let (report, futures, has_ended) = world::with(|world| {
        if !can_end(&world.nodes[node as usize]) {
            return (EndReport::default(), Vec::new(), false);
        }
        let has_ended = world.nodes[node as usize].up;
        let incarnation = world.nodes[node as usize].incarnation;
        world.note(
            Key::root(u64::from(node))
                .with(u64::from(incarnation))
                .bits(),
        );
        let report = how(world, node);
        world.end_pause_of_clock(node);
        let slot = &mut world.nodes[node as usize];
        slot.up = false;
        slot.paused = false;
        slot.root = None;
        slot.parked.clear();
        slot.cpu = Cpu::default();
        slot.handlers = Default::default();
        slot.ports.clear();
        // A packet that waited for a machine that now is dead finds it dead.
        let held = std::mem::take(&mut slot.held);
        let futures = world.remove_tasks(Some(node));
        held.into_iter().for_each(|event| world.happen(event));
        (report, futures, has_ended)
    });
    // A killed process runs no destructors. Rust's futures must be dropped all the same; by now all
    // that they could reach is closed, and a spawn on a node that is down is refused.
    drop(futures);
    super::turns::wake_foreign();
    if has_ended {
        triggers::tell(node, Moment::End);
    }
    report
}

impl World {
    fn boot(&mut self, node: u32) {
        let slot = &mut self.nodes[node as usize];
        let has_had_power = slot.powered || slot.incarnation == 0;
        (slot.up, slot.powered) = (true, true);
        slot.incarnation += 1;
        slot.next_ephemeral_port = super::network::FIRST_EPHEMERAL_PORT;
        slot.files_opened = 0;
        self.empty_memory(node);
        if !has_had_power {
            self.spoil_clock(node);
        }
    }

    fn cut_power(&mut self, node: u32) -> EndReport {
        self.nodes[node as usize].powered = false;
        let connections = self.silence_sockets_of(node);
        let incarnation = self.nodes[node as usize].incarnation;
        let key = self
            .key
            .label("power-loss")
            .with(u64::from(node))
            .with(u64::from(incarnation));
        let profile = self.config.disk_profile;
        let lost = self.nodes[node as usize].disk.power_loss(key, &profile);
        EndReport {
            connections,
            lost: lost.sectors_lost + lost.sectors_torn + lost.entries_lost,
        }
    }

    fn resume_node(&mut self, node: u32) -> u64 {
        self.end_pause_of_clock(node);
        let slot = &mut self.nodes[node as usize];
        slot.paused = false;
        let (held, parked) = (
            std::mem::take(&mut slot.held),
            std::mem::take(&mut slot.parked),
        );
        let missed = (held.len() + parked.len()) as u64;
        held.into_iter().for_each(|event| self.happen(event));
        parked.into_iter().for_each(|id| self.tasks.enqueue(id));
        missed
    }
}
