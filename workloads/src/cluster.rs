//! The servers of a run, and what has been heard from them.

use std::cell::RefCell;
use std::rc::Rc;

use squall_checkers::verdict::Anomaly;
use squall_sim::engine::{self, Emitted, NodeId};
use tokio::sync::Notify;

use crate::record::NodeReport;
use crate::system::{Heard, System};

/// The servers, shared by the harness, the storm and the observer.
#[derive(Clone)]
pub struct Cluster {
    /// The machines, by the servers' numbers.
    pub servers: Rc<[NodeId]>,
    heard: Rc<RefCell<HeardSoFar>>,
    has_new_leader: Rc<Notify>,
}

/// What servers have said so far.
#[derive(Debug, Default)]
pub struct HeardSoFar {
    pub reports: Vec<NodeReport>,
    pub violations: Vec<Anomaly>,
    leaders: Vec<u32>,
}

impl Cluster {
    /// Adds machines named `n0`, `n1`, … and starts the system's servers on them.
    pub fn start(system: Rc<RefCell<dyn System>>, count: u32) -> Self {
        let servers: Rc<[NodeId]> = (0..count)
            .map(|number| engine::add_node(&format!("n{number}")))
            .collect();
        let cluster = Self {
            servers: Rc::clone(&servers),
            heard: Rc::default(),
            has_new_leader: Rc::new(Notify::new()),
        };
        let ears = cluster.clone();
        let listener = Rc::clone(&system);
        engine::observe(Box::new(move |emitted| {
            ears.hear(&mut *listener.borrow_mut(), &emitted)
        }));
        for (number, node) in servers.iter().enumerate() {
            system.borrow().start(*node, number as u32);
            cluster.report(number as u32, "start", "started");
        }
        cluster
    }

    fn hear(&self, system: &mut dyn System, emitted: &Emitted<'_>) {
        let Some(server) = self.servers.iter().position(|node| *node == emitted.node) else {
            return;
        };
        for heard in system.hear(server as u32, emitted) {
            match heard {
                Heard::Leads => {
                    self.heard.borrow_mut().leaders.push(server as u32);
                    self.has_new_leader.notify_waiters();
                }
                Heard::Report { kind, what } => self.report(server as u32, kind, &what),
                Heard::Broken(anomaly) => self.heard.borrow_mut().violations.push(anomaly),
            }
        }
    }

    /// Puts a line into a server's lane.
    pub fn report(&self, server: u32, kind: &str, what: &str) {
        self.heard.borrow_mut().reports.push(NodeReport {
            time_ns: engine::now_ns(),
            node: server,
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
