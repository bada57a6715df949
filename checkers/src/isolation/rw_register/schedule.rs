//! A first guess: the order in which the system itself may have done it.
//!
//! A good system nearly always has a witness that follows the history, so it is tried before anything
//! dearer. Nodes are taken one at a time, the most urgent first, and no fragment of a key begins while
//! another one is under way. The guess may get stuck where a witness exists: that says nothing.

use super::constraints::Constraints;
use super::digraph::{Digraph, NONE};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// An order of all nodes in which no two fragments of a key overlap, if the guess finds one. Nodes of
/// less `urgency` come first where either may. O(n log n).
pub(super) fn guess(constraints: &Constraints, urgency: &[u32]) -> Option<Vec<u32>> {
    let graph = Digraph::new(constraints.nodes as usize, &constraints.edges);
    let mut schedule = Schedule::new(constraints, &graph, urgency);
    let mut order = Vec::with_capacity(constraints.nodes as usize);
    while let Some(Reverse((_, node))) = schedule.ready.pop() {
        if schedule.take(node) {
            order.push(node);
            schedule.release(&graph, node);
        }
    }
    (order.len() == constraints.nodes as usize).then_some(order)
}

/// Where a span begins or ends, and the lock of its key. A span without an end does not hold the lock:
/// nothing has to wait for it.
#[derive(Clone, Copy)]
struct Mark {
    node: u32,
    lock: u32,
    holds: bool,
}

struct Schedule<'a> {
    urgency: &'a [u32],
    missing: Vec<u32>,
    ready: BinaryHeap<Reverse<(u32, u32)>>,
    heads: Vec<Mark>,
    tails: Vec<Mark>,
    /// For each lock whether it is held, and the nodes that wait for it.
    held: Vec<bool>,
    waiting: Vec<Vec<u32>>,
}

impl<'a> Schedule<'a> {
    fn new(constraints: &Constraints, graph: &Digraph<'_>, urgency: &'a [u32]) -> Self {
        let (mut heads, mut tails) = (Vec::new(), Vec::new());
        for (group, lock) in constraints.groups.iter().zip(0u32..) {
            let members = group.first as usize..(group.first + group.count) as usize;
            for span in &constraints.spans[members] {
                for place in 0..2 {
                    let lock = 2 * lock + place as u32;
                    let (head, tail) = (span.heads[place], span.tails[place]);
                    let holds = tail != NONE;
                    let mark = |node| Mark { node, lock, holds };
                    heads.extend(Some(head).filter(|&head| head != NONE).map(mark));
                    tails.extend(Some(tail).filter(|_| holds).map(mark));
                }
            }
        }
        let place = |mark: &Mark| (mark.node, mark.lock);
        heads.sort_unstable_by_key(place);
        tails.sort_unstable_by_key(place);
        let mut schedule = Self {
            urgency,
            missing: graph.incoming_counts(),
            ready: BinaryHeap::new(),
            heads,
            tails,
            held: vec![false; 2 * constraints.groups.len()],
            waiting: vec![Vec::new(); 2 * constraints.groups.len()],
        };
        for node in 0..graph.len() as u32 {
            if schedule.missing[node as usize] == 0 {
                schedule.offer(node);
            }
        }
        schedule
    }

    fn offer(&mut self, node: u32) {
        self.ready
            .push(Reverse((self.urgency[node as usize], node)));
    }

    /// Takes the locks that a node needs, if all are free; else it waits for one of them.
    fn take(&mut self, node: u32) -> bool {
        let needed = marks(&self.heads, node);
        let held = needed
            .clone()
            .find(|&mark| self.held[self.heads[mark].lock as usize]);
        if let Some(held) = held {
            self.waiting[self.heads[held].lock as usize].push(node);
            return false;
        }
        for mark in needed {
            self.held[self.heads[mark].lock as usize] = self.heads[mark].holds;
        }
        true
    }

    fn release(&mut self, graph: &Digraph<'_>, node: u32) {
        for mark in marks(&self.tails, node) {
            let lock = self.tails[mark].lock as usize;
            self.held[lock] = false;
            for waiting in std::mem::take(&mut self.waiting[lock]) {
                self.offer(waiting);
            }
        }
        for &(to, _) in graph.successors(node) {
            self.missing[to as usize] -= 1;
            if self.missing[to as usize] == 0 {
                self.offer(to);
            }
        }
    }
}

/// The marks of a node among marks sorted by node.
fn marks(sorted: &[Mark], node: u32) -> std::ops::Range<usize> {
    let start = sorted.partition_point(|mark| mark.node < node);
    let count = sorted[start..].partition_point(|mark| mark.node == node);
    start..start + count
}
