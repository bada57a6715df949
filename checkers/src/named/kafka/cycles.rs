//! Circular flow of information among transactions: G1c of Adya, "Weak Consistency", 1999.
//!
//! Who polled a message came after who sent it (wr), a process does one thing after another, and what
//! returned came before what began later. A circle of these with a wr is impossible where polls show
//! only what was committed: `G1c`, and `G1c-process` and `G1c-realtime` where it needs the order of a
//! process, or real time.
//!
//! That who sent something to one offset came before who sent to the next (ww) is no such law: what
//! concurrent transactions send is mixed in each log as it comes. Circles with ww are counted, as `G0`
//! and its forms, or `G1c-ww` if they have a wr as well.

use super::Report;
use super::logs::Logs;
use super::recorded::{Act, Recorded, What};
use crate::isolation::cycles::{self, CycleLimits, Cycles, Found};
use crate::isolation::graph::{Edge, Graph, Kinds};
use crate::isolation::models::rules_out;
use crate::isolation::orders::{self, Interval};
use crate::isolation::phenomena::Phenomenon::{
    self, G0, G0Process, G0Realtime, G1c, G1cProcess, G1cRealtime,
};
use crate::named::findings::Told;
use crate::named::{first_letter_up, whose_of};
use crate::verdict::Dependency;
use std::collections::BTreeSet;

const WITHOUT_WW: [Phenomenon; 3] = [G1c, G1cProcess, G1cRealtime];
const OF_WW: [Phenomenon; 3] = [G0, G0Process, G0Realtime];
const G1C_WW: &str = "G1c-ww";
/// A longer circle is told in full only in the explanation.
const TOLD_STEPS: usize = 4;
/// Of a longer circle it is not asked whether an act can be spared.
const LOOKED_INTO_UP_TO: usize = 64;

pub(super) fn judge(recorded: &Recorded<'_>, logs: &Logs<'_, '_>, report: &mut Report<'_>) {
    let flow = Flow { recorded, logs };
    let with_ww = flow.with_ww();
    if with_ww.order.is_some() {
        return;
    }
    // What needs neither processes nor real time is of the wider forms too, and tells the most.
    let mut earliest = usize::MAX;
    for phenomenon in WITHOUT_WW {
        if let Some((event, found)) = flow.first(phenomenon)
            && event < earliest
        {
            earliest = event;
            report.note(event, phenomenon.name(), || flow.tell(event, &found));
        }
    }
    for class in classes_with_ww(&with_ww.found) {
        report.count_allowed(class);
    }
}

/// The classes of the circles that need a ww.
fn classes_with_ww(found: &[Found]) -> Vec<&'static str> {
    let is_ww = |edge: &Edge| edge.kind == Kinds::WRITE_WRITE;
    let with_ww = found.iter().filter(|found| found.cycle.iter().any(is_ww));
    let mut classes: Vec<&'static str> = with_ww
        .map(|found| match found.phenomenon {
            of_ww if OF_WW.contains(&of_ww) => of_ww.name(),
            _ => G1C_WW,
        })
        .collect();
    classes.dedup();
    classes
}

struct Flow<'r, 'h> {
    recorded: &'r Recorded<'h>,
    logs: &'r Logs<'r, 'h>,
}

/// What is believed of a history.
#[derive(Clone, Copy)]
struct View<'v> {
    /// The events before this one have been seen.
    until: usize,
    /// If given, of all other acts nobody knows whether and what they returned.
    acts: Option<&'v BTreeSet<u32>>,
}

impl View<'_> {
    fn before(until: usize) -> Self {
        Self { until, acts: None }
    }

    fn returned(self, place: u32, act: &Act) -> Option<usize> {
        let returned = act.span.returned().filter(|&event| event < self.until);
        returned.filter(|_| self.acts.is_none_or(|acts| acts.contains(&place)))
    }
}

impl Flow<'_, '_> {
    /// The event with which there is a circle of this form, and the circle.
    fn first(&self, phenomenon: Phenomenon) -> Option<(usize, Found)> {
        let found = |until| self.find(View::before(until), phenomenon);
        found(usize::MAX)?;
        let acts = self.recorded.acts.iter();
        let mut events: Vec<usize> = acts.filter_map(|act| act.span.completed()).collect();
        events.sort_unstable();
        let place = events.partition_point(|event| found(event + 1).is_none());
        let event = *events.get(place)?;
        Some((event, found(event + 1)?))
    }

    fn find(&self, view: View<'_>, phenomenon: Phenomenon) -> Option<Found> {
        let graph = self.graph(view, Vec::new());
        let is_it = |other| other == phenomenon;
        let cycles = cycles::find(&graph, &is_it, &CycleLimits::default());
        cycles.found.into_iter().next()
    }

    /// What there is once offsets order transactions.
    fn with_ww(&self) -> Cycles {
        let graph = self.graph(View::before(usize::MAX), self.overwritten());
        let wanted = |phenomenon| OF_WW.contains(&phenomenon) || WITHOUT_WW.contains(&phenomenon);
        cycles::find(&graph, &wanted, &CycleLimits::default())
    }

    /// The acts by their places, and what is believed of their order.
    fn graph(&self, view: View<'_>, mut edges: Vec<Edge>) -> Graph {
        let count = self.recorded.acts.len() as u32;
        for (reader, act) in (0..count).zip(&self.recorded.acts) {
            if view.returned(reader, act).is_some() {
                self.add_reads(reader, act, view.until, &mut edges);
            }
        }
        let intervals = self.intervals(view);
        orders::add_sessions(&intervals, &mut edges);
        let nodes = orders::add_realtime(&intervals, count, &mut edges);
        Graph::new(count, nodes, &edges)
    }

    fn add_reads(&self, reader: u32, act: &Act, until: usize, edges: &mut Vec<Edge>) {
        let polled = act.polled();
        let senders = polled.filter_map(|record| self.sender(record.message, reader, until));
        edges.extend(senders.map(|from| Edge {
            from,
            to: reader,
            kind: Kinds::WRITE_READ,
        }));
    }

    /// Who sent what an act polled, if that was another one and nobody else may have.
    fn sender(&self, message: usize, reader: u32, until: usize) -> Option<u32> {
        let span = |place: u32| self.recorded.acts[place as usize].span;
        let returned = span(reader).returned()?;
        let mut senders = self
            .logs
            .senders(message)
            .iter()
            .copied()
            .filter(|&sender| {
                let is_failed = span(sender).failed().is_some_and(|failed| failed < until);
                span(sender).invoked() < returned && !is_failed
            });
        let sender = senders.next()?;
        // One act may send the same message twice.
        let is_only = senders.all(|other| other == sender);
        (is_only && sender != reader).then_some(sender)
    }

    fn intervals(&self, view: View<'_>) -> Vec<Interval> {
        let until = view.until;
        let acts = (0..).zip(&self.recorded.acts);
        let counts = acts.filter(|(_, act)| {
            let is_failed = act.span.failed().is_some_and(|failed| failed < until);
            matches!(act.what, What::Transaction(_)) && act.span.invoked() < until && !is_failed
        });
        let intervals = counts.map(|(node, act)| Interval {
            node,
            process: act.process,
            invoked: act.span.invoked() as u32,
            returned: view.returned(node, act).map(|event| event as u32),
        });
        intervals.collect()
    }

    /// From who sent something to a key to who sent what lies at the next offset.
    fn overwritten(&self) -> Vec<Edge> {
        let mut edges = Vec::new();
        for senders in self.logs.senders_in_order() {
            let pairs = senders.windows(2).filter(|pair| pair[0] != pair[1]);
            edges.extend(pairs.map(|pair| Edge {
                from: pair[0],
                to: pair[1],
                kind: Kinds::WRITE_WRITE,
            }));
        }
        edges
    }

    fn tell(&self, event: usize, found: &Found) -> Told {
        let id = |place: u32| self.recorded.acts[place as usize].span.id();
        let edges = found.cycle.iter();
        let cycle = edges.map(|&edge| Dependency {
            from: id(edge.from),
            to: id(edge.to),
            kind: edge.kind.dependency().expect("no relays in what is found"),
            sentence: self.clause(edge, event + 1),
        });
        let cycle: Vec<Dependency> = cycle.collect();
        let clauses: Vec<&str> = cycle.iter().map(|step| step.sentence.as_str()).collect();
        let sentence = match clauses.split_last() {
            Some((last, others)) if others.len() >= TOLD_STEPS => format!(
                "{} operations must each come before the next, and the last before the first: {last}.",
                cycle.len()
            ),
            _ => format!(
                "{}: no order of these is possible.",
                first_letter_up(&clauses.join("; "))
            ),
        };
        let broken = rules_out(&[found.phenomenon]).weakest;
        let steps = clauses.iter().filter(|_| clauses.len() > TOLD_STEPS);
        Told {
            minimal: self.is_minimal(event, found),
            explanation: steps
                .map(|step| format!("{}.", first_letter_up(step)))
                .collect(),
            rules_out: broken.iter().map(ToString::to_string).collect(),
            witness: cycle.iter().map(|step| step.from).collect(),
            sentence,
            cycle,
        }
    }

    /// Whether no act of the circle can be spared: not if what it did is known without its return.
    fn is_minimal(&self, event: usize, found: &Found) -> bool {
        if found.cycle.len() > LOOKED_INTO_UP_TO {
            return false;
        }
        let acts: BTreeSet<u32> = found.cycle.iter().map(|edge| edge.from).collect();
        acts.iter().all(|act| {
            let mut others = acts.clone();
            others.remove(act);
            let view = View {
                until: event + 1,
                acts: Some(&others),
            };
            self.find(view, G1cRealtime).is_none()
        })
    }

    fn clause(&self, edge: Edge, until: usize) -> String {
        let Edge { from, to, kind } = edge;
        let act = |place: u32| &self.recorded.acts[place as usize];
        let whose = |place: u32| whose_of(self.recorded.history, act(place).span.id());
        let mut polled = act(to).polled().map(|record| record.message);
        let is_it = |&message: &usize| self.sender(message, to, until) == Some(from);
        match polled.find(is_it).filter(|_| kind == Kinds::WRITE_READ) {
            Some(message) => format!(
                "{} polled {}, which {} sent",
                whose(to),
                self.recorded.name(message),
                whose(from)
            ),
            None => format!("{} ended before {} began", whose(from), whose(to)),
        }
    }
}
