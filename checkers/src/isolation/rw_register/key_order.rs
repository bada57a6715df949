//! What is known of the order of versions where each key on its own is sequential, or linearizable,
//! however transactions are isolated: Kingsbury, Alvaro, "Elle: Inferring Isolation Anomalies from
//! Experimental Observations", 2020, section 5.

use super::digraph::{Edge, Reason};
use super::happened::{Happened, Read};
use super::sessions::{Ends, Order};
use super::transactions::{INITIAL, NEVER, Transactions};
use crate::history::Outcome;
use crate::sorting::sort_by_number;

/// What a transaction did to a key.
#[derive(Clone, Copy)]
struct Visit {
    key: u32,
    transaction: u32,
    process: u32,
    invoked: u32,
    /// [`NEVER`] if nobody knows.
    returned: u32,
    /// The slots of the version that it found first or, if it read nothing, made, and of the one that it
    /// made or, if it wrote nothing, found.
    first: u32,
    last: u32,
}

/// Adds that the versions that visits to a key left come before the versions that later visits found:
/// later in their process or, if `order` is that of real time, later at all. O(n·c²) for c transactions
/// at a time, or c processes.
pub(super) fn add_versions(
    all: &Transactions,
    happened: &Happened,
    order: Order,
    ends: Ends,
    edges: &mut Vec<Edge>,
) {
    if order == Order::None {
        return;
    }
    let visits = visits(all, happened);
    for of_key in visits.chunk_by(|one, other| one.key == other.key) {
        let mut open: Vec<Visit> = Vec::new();
        for &visit in of_key {
            let is_before = |earlier: &Visit, later: &Visit| {
                earlier.returned < later.invoked
                    && (order == Order::Realtime || earlier.process == later.process)
            };
            let before: Vec<Visit> = open
                .iter()
                .copied()
                .filter(|it| is_before(it, &visit))
                .collect();
            // What comes before one of these comes before all that come after it.
            open.retain(|earlier| !before.iter().any(|later| is_before(earlier, later)));
            for earlier in open.iter().filter(|it| is_before(it, &visit)) {
                add(happened, earlier, &visit, ends, edges);
            }
            if visit.returned != NEVER {
                open.push(visit);
            }
        }
    }
}

/// By key, and in the order of invocation.
fn visits(all: &Transactions, happened: &Happened) -> Vec<Visit> {
    let mut visits: Vec<Visit> = Vec::new();
    for (transaction, &number) in (0..).zip(&happened.transactions) {
        let number = number as usize;
        let start = visits.len();
        let visit = |key, slot| Visit {
            key,
            transaction,
            process: all.processes[number],
            invoked: all.invoked[number],
            returned: match all.outcomes[number] {
                Outcome::Ok => all.completed[number],
                _ => NEVER,
            },
            first: slot,
            last: slot,
        };
        for &Read { key, slot } in happened.reads.get(transaction as usize) {
            if visits[start..].iter().all(|visit| visit.key != key) {
                visits.push(visit(key, slot));
            }
        }
        for slot in happened.writes.range(transaction as usize) {
            let slot = slot as u32;
            let key = happened.key_of(slot);
            match visits[start..].iter_mut().find(|visit| visit.key == key) {
                Some(visit) => visit.last = slot,
                None => visits.push(visit(key, slot)),
            }
        }
    }
    sort_by_number(&mut visits, |visit| visit.key as usize);
    visits
}

/// The version that the one left comes before that which the other found, unless it is the same.
fn add(happened: &Happened, one: &Visit, other: &Visit, ends: Ends, edges: &mut Vec<Edge>) {
    if one.last == INITIAL || one.last == other.first {
        return;
    }
    let key = other.key;
    let later = other.transaction;
    let reason = Reason::KeyOrder { key, later };
    let writer = happened.owner[one.last as usize];
    if other.first != INITIAL {
        let next = happened.owner[other.first as usize];
        edges.push(Edge::new(ends.commit(writer), ends.begin(next), reason));
        return;
    }
    // Nothing comes before the initial version: these edges close a circle.
    edges.push(Edge::new(
        ends.commit(one.transaction),
        ends.begin(later),
        reason,
    ));
    if writer != later {
        let reason = Reason::ReadWrite { key };
        edges.push(Edge::new(ends.begin(later), ends.commit(writer), reason));
    }
}
