//! Session order and real time as edges of a graph: what reachability needs of them, and no more.
//!
//! A transaction comes before another in real time if it returned before the other was invoked. That
//! may be n²/2 pairs; a chain of *time nodes*, one for each run of returns, says the same with at most
//! 3n edges: who returns leads to its time node, each time node to the next, and the last one before an
//! invocation to whoever is invoked.

use super::graph::{Edge, Kinds};
use std::collections::HashMap;

/// When a transaction took place: indices among the events of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The transaction's node.
    pub node: u32,
    pub process: u64,
    pub invoked: u32,
    /// `None` if it may take effect at any later time.
    pub returned: Option<u32>,
}

/// Adds the edges of real time. The time nodes are numbered from `nodes`; returns how many nodes there
/// are with them. The intervals stand in the order of invocation.
pub fn add_realtime(intervals: &[Interval], nodes: u32, edges: &mut Vec<Edge>) -> u32 {
    let mut returns: Vec<(u32, u32)> = intervals
        .iter()
        .filter_map(|interval| interval.returned.map(|event| (event, interval.node)))
        .collect();
    returns.sort_unstable();
    let mut returns = returns.into_iter().peekable();
    // Those that returned since the last time node.
    let mut waiting: Vec<u32> = Vec::new();
    let mut end = nodes;
    for interval in intervals {
        while let Some((_, node)) = returns.next_if(|&(event, _)| event < interval.invoked) {
            waiting.push(node);
        }
        if !waiting.is_empty() {
            if end > nodes {
                edges.push(via(end - 1, end));
            }
            edges.extend(waiting.drain(..).map(|from| Edge {
                from,
                to: end,
                kind: Kinds::REALTIME,
            }));
            end += 1;
        }
        if end > nodes {
            edges.push(via(end - 1, interval.node));
        }
    }
    end
}

/// Adds the edges of session order: from each transaction of a process to the next. The intervals
/// stand in the order of invocation.
pub fn add_sessions(intervals: &[Interval], edges: &mut Vec<Edge>) {
    let mut last: HashMap<u64, Interval> = HashMap::new();
    for &interval in intervals {
        let before = last.get(&interval.process);
        if let Some(before) = before.filter(|before| has_ended(before, &interval)) {
            edges.push(Edge {
                from: before.node,
                to: interval.node,
                kind: Kinds::PROCESS,
            });
        }
        if interval.returned.is_some() {
            last.insert(interval.process, interval);
        }
    }
}

fn has_ended(before: &Interval, now: &Interval) -> bool {
    before.returned.is_some_and(|event| event < now.invoked)
}

fn via(from: u32, to: u32) -> Edge {
    Edge {
        from,
        to,
        kind: Kinds::VIA,
    }
}
