//! The machines of a run, and what has been heard from the servers among them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use squall_checkers::verdict::Anomaly;
use squall_sim::engine::{self, Emitted, NodeId};
use tokio::sync::Notify;

use crate::record::NodeReport;
use crate::system::{Heard, Stopped, System};

/// The machines, shared by the harness, the storm, the clients and the observer.
#[derive(Clone)]
pub struct Cluster {
    system: Rc<RefCell<dyn System>>,
    /// The servers' machines, by number.
    pub servers: Rc<[NodeId]>,
    /// The clients' machines, by number.
    pub clients: Rc<[NodeId]>,
    heard: Rc<RefCell<HeardSoFar>>,
    has_new_leader: Rc<Notify>,
    excuses: Rc<RefCell<BTreeMap<u32, Excuse>>>,
}

/// Why a server may stop by itself, and be in the right: its disk fails it.
#[derive(Clone, Copy, Debug, Default)]
struct Excuse {
    /// Faults of its disk that last.
    lasting: u32,
    /// The latest incarnation that has seen such a fault.
    incarnation: u32,
    /// Its disk is damaged for good.
    is_damaged: bool,
}

/// What servers have said so far.
#[derive(Debug, Default)]
pub struct HeardSoFar {
    pub reports: Vec<NodeReport>,
    pub violations: Vec<Anomaly>,
    leaders: Vec<u32>,
}

impl Cluster {
    /// Adds machines, and starts the system's servers on theirs.
    pub fn start(system: &Rc<RefCell<dyn System>>, servers: u32, clients: u32) -> Self {
        let name = |number| system.borrow().name(number);
        let cluster = Self {
            system: Rc::clone(system),
            servers: (0..servers)
                .map(|number| engine::add_node(&name(number)))
                .collect(),
            clients: (0..clients)
                .map(|number| engine::add_node(&format!("c{number}")))
                .collect(),
            heard: Rc::default(),
            has_new_leader: Rc::new(Notify::new()),
            excuses: Rc::default(),
        };
        let ears = cluster.clone();
        let listener = Rc::clone(system);
        engine::observe(Box::new(move |emitted| {
            ears.hear(&mut *listener.borrow_mut(), &emitted)
        }));
        for (number, node) in cluster.servers.iter().enumerate() {
            system.borrow().start(*node, number as u32);
            cluster.report(number as u32, "start", "started");
        }
        cluster
    }

    /// The machine of a number: the servers come first, then the clients.
    pub fn machine(&self, number: u32) -> NodeId {
        let number = number as usize;
        match self.servers.get(number) {
            Some(server) => *server,
            None => self.clients[number - self.servers.len()],
        }
    }

    /// The number of the server on a machine, if there is one.
    pub fn server_on(&self, node: NodeId) -> Option<u32> {
        let position = self.servers.iter().position(|server| *server == node)?;
        Some(position as u32)
    }

    /// The number of a client's machine.
    pub fn machine_of_client(&self, client: u32) -> u32 {
        self.servers.len() as u32 + client
    }

    fn hear(&self, system: &mut dyn System, emitted: &Emitted<'_>) {
        let Some(server) = self.server_on(emitted.node) else {
            return;
        };
        if let Some(Stopped(why)) = emitted.event.downcast_ref() {
            return self.hear_stopped(server, why);
        }
        for heard in system.hear(server, emitted) {
            match heard {
                Heard::Leads => {
                    self.heard.borrow_mut().leaders.push(server);
                    self.has_new_leader.notify_waiters();
                }
                Heard::Report { kind, what } => self.report(server, kind, &what),
                Heard::Broken(anomaly) => self.heard.borrow_mut().violations.push(anomaly),
            }
        }
    }

    fn hear_stopped(&self, server: u32, why: &str) {
        let node = self.machine(server);
        self.report(server, "stop", &format!("stopped: {why}"));
        let excuse = self
            .excuses
            .borrow()
            .get(&server)
            .copied()
            .unwrap_or_default();
        let is_excused =
            excuse.is_damaged || excuse.lasting > 0 || excuse.incarnation == node.incarnation();
        if !is_excused {
            let anomaly = stopped(&node.name(), why);
            self.heard.borrow_mut().violations.push(anomaly);
        }
    }

    /// A fault of a server's disk begins: until it has ended the server may stop by itself.
    pub fn begin_excuse(&self, server: u32) {
        self.excuses.borrow_mut().entry(server).or_default().lasting += 1;
    }

    /// A fault of a server's disk ends. The incarnation that has seen it may stop even now.
    pub fn end_excuse(&self, server: u32) {
        let incarnation = self.machine(server).incarnation();
        let mut excuses = self.excuses.borrow_mut();
        let excuse = excuses.entry(server).or_default();
        excuse.lasting = excuse.lasting.saturating_sub(1);
        excuse.incarnation = incarnation;
    }

    /// A server's disk is damaged: it may refuse to work from now on.
    pub fn excuse_for_good(&self, server: u32) {
        self.excuses
            .borrow_mut()
            .entry(server)
            .or_default()
            .is_damaged = true;
    }

    /// Whether the fault budget has room for damage to one more disk.
    pub fn may_damage(&self, server: u32) -> bool {
        let mut damaged = self.damaged();
        damaged.insert(server);
        self.system.borrow().survives(&damaged)
    }

    /// Whether so many servers are down for good, and in the right, that nobody can ask the system to
    /// answer.
    pub fn is_crippled(&self) -> bool {
        let mut refusing = self.damaged();
        refusing.retain(|server| !self.machine(*server).is_up());
        !self.system.borrow().must_answer_without(&refusing)
    }

    /// The servers whose disks are damaged.
    fn damaged(&self) -> BTreeSet<u32> {
        let excuses = self.excuses.borrow();
        let damaged = excuses.iter().filter(|(_, excuse)| excuse.is_damaged);
        damaged.map(|(server, _)| *server).collect()
    }

    /// Puts a line into a machine's lane.
    pub fn report(&self, machine: u32, kind: &str, what: &str) {
        self.heard.borrow_mut().reports.push(NodeReport {
            time_ns: engine::now_ns(),
            node: machine,
            what: what.to_owned(),
            kind: kind.to_owned(),
        });
    }

    /// Whoever became leader last.
    pub fn leader(&self) -> Option<u32> {
        self.heard.borrow().leaders.last().copied()
    }

    /// Waits until a server has become leader for the `nth` time in all.
    pub async fn wait_for_leader(&self, nth: u32) {
        loop {
            let notified = self.has_new_leader.notified();
            if self.heard.borrow().leaders.len() >= nth as usize {
                return;
            }
            notified.await;
        }
    }

    /// Takes out what has been heard.
    pub fn into_heard(self) -> HeardSoFar {
        std::mem::take(&mut *self.heard.borrow_mut())
    }
}

fn stopped(name: &str, why: &str) -> Anomaly {
    Anomaly {
        checker: "crash".to_owned(),
        class: "server-stopped".to_owned(),
        sentence: format!("Server {name} stopped by itself: {why}"),
        ..Anomaly::default()
    }
}
