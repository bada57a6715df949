//! What the sections of a page have in common: operations, lanes, faults and the span of time, from
//! a record or from a bare history.

use std::collections::{BTreeMap, BTreeSet};

use squall_checkers::{
    history::{Event, EventKind, Operation, Outcome, ValueRef},
    verdict::Verdict,
};
use squall_workloads::{
    plan::Plan,
    record::{FaultRecord, LogLine, NodeReport, Record},
};

use crate::display;

/// A run or a history, seen as things that happen on lanes in a span of time.
pub(crate) struct Scene<'a> {
    pub(crate) operations: Vec<Operation<'a>>,
    pub(crate) clock: Clock,
    /// The end of the span; it starts at 0.
    pub(crate) end_ns: u64,
    pub(crate) lanes: Lanes,
    pub(crate) faults: &'a [FaultRecord],
    pub(crate) reports: &'a [NodeReport],
    pub(crate) nodes: &'a [String],
    pub(crate) log: &'a [LogLine],
    /// The ids of the operations that together are impossible, each once.
    witness: BTreeSet<usize>,
    pub(crate) first_bad: Option<FirstBad>,
}

/// What the times of a scene mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// The simulation's nanoseconds.
    Virtual,
    /// Nanoseconds by the recorder's clock.
    Recorded,
    /// The history has no times: places in the order of events stand for them.
    EventOrder,
}

/// The event whose prefix is already impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FirstBad {
    pub(crate) event: usize,
    pub(crate) time_ns: u64,
    /// The operation that the event starts or ends.
    pub(crate) operation: Option<usize>,
}

/// Which client a process belongs to. A process that ended in `info` is never used again; its client
/// goes on under another number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lanes {
    pub(crate) names: Vec<String>,
    of_process: BTreeMap<u64, usize>,
}

impl<'a> Scene<'a> {
    pub(crate) fn of_record(plan: &Plan, record: &'a Record, verdict: &'a Verdict) -> Self {
        let mut scene = Self::of_events(&record.history, Clock::Virtual, verdict);
        if !plan.clients.is_empty() {
            scene.lanes = Lanes::by_client(&record.history, plan.clients.len());
        }
        scene.end_ns = scene.end_ns.max(record.virtual_ns);
        scene.faults = &record.faults;
        scene.reports = &record.reports;
        scene.nodes = &record.nodes;
        scene.log = &record.log;
        scene
    }

    pub(crate) fn of_history(history: &'a [Event], verdict: &'a Verdict) -> Self {
        let timed = history.iter().any(|event| event.time_ns > 0);
        let clock = if timed {
            Clock::Recorded
        } else {
            Clock::EventOrder
        };
        Self::of_events(history, clock, verdict)
    }

    fn of_events(history: &'a [Event], clock: Clock, verdict: &'a Verdict) -> Self {
        let anomaly = match verdict {
            Verdict::Invalid(anomaly) => Some(anomaly),
            _ => None,
        };
        let operations = paired(history, clock);
        let witness = anomaly
            .into_iter()
            .flat_map(|anomaly| anomaly.witness.iter().copied());
        let witness = witness.filter(|&id| id < operations.len()).collect();
        let first_bad = anomaly
            .and_then(|anomaly| anomaly.first_bad_event)
            .and_then(|event| first_bad(event, history, clock, &operations));
        let last_event_ns = (0..history.len()).map(|index| time_of(history, clock, index));
        Self {
            operations,
            clock,
            end_ns: last_event_ns.max().unwrap_or(0).max(1),
            lanes: Lanes::by_life(history),
            faults: &[],
            reports: &[],
            nodes: &[],
            log: &[],
            witness,
            first_bad,
        }
    }

    /// The operations that together are impossible, in order of invocation.
    pub(crate) fn witness(&self) -> impl Iterator<Item = &Operation<'a>> + Clone {
        self.witness.iter().map(|&id| &self.operations[id])
    }

    pub(crate) fn lane_of(&self, operation: &Operation<'_>) -> usize {
        self.lanes.of_process[&operation.process]
    }

    pub(crate) fn client_of(&self, operation: &Operation<'_>) -> &str {
        &self.lanes.names[self.lane_of(operation)]
    }

    pub(crate) fn node_name(&self, node: u32) -> String {
        let named = usize::try_from(node)
            .ok()
            .and_then(|node| self.nodes.get(node));
        named.cloned().unwrap_or_else(|| format!("node {node}"))
    }

    pub(crate) fn node_names(&self, nodes: &[u32]) -> String {
        let names: Vec<_> = nodes.iter().map(|&node| self.node_name(node)).collect();
        names.join(", ")
    }

    /// A point in time, in the scene's clock.
    pub(crate) fn instant(&self, time_ns: u64) -> String {
        match self.clock {
            Clock::Virtual | Clock::Recorded => display::instant(time_ns),
            Clock::EventOrder => format!("event {time_ns}"),
        }
    }
}

impl Lanes {
    /// A process modulo the number of clients is its client.
    fn by_client(history: &[Event], clients: usize) -> Self {
        let of_process = history
            .iter()
            .map(|event| {
                let client = event.process % clients as u64;
                (
                    event.process,
                    usize::try_from(client).expect("below a usize"),
                )
            })
            .collect();
        Self {
            names: (0..clients)
                .map(|client| format!("client {client}"))
                .collect(),
            of_process,
        }
    }

    /// Without a plan: a new process takes the first lane whose process has ended in `info`, since
    /// that is how a client goes on.
    fn by_life(history: &[Event]) -> Self {
        let mut of_process = BTreeMap::new();
        let mut free = BTreeSet::new();
        let mut lanes = 0;
        for event in history {
            let lane = *of_process.entry(event.process).or_insert_with(|| {
                free.pop_first().unwrap_or_else(|| {
                    lanes += 1;
                    lanes - 1
                })
            });
            if event.kind == EventKind::Info {
                free.insert(lane);
            }
        }
        let names = if lanes == of_process.len() {
            // One process a lane: call it what the history calls it.
            let processes = of_process.iter().map(|(process, lane)| (lane, process));
            let by_lane: BTreeMap<_, _> = processes.collect();
            by_lane
                .values()
                .map(|process| format!("process {process}"))
                .collect()
        } else {
            (0..lanes).map(|lane| format!("client {lane}")).collect()
        };
        Self { names, of_process }
    }
}

fn time_of(history: &[Event], clock: Clock, index: usize) -> u64 {
    match clock {
        Clock::Virtual | Clock::Recorded => history[index].time_ns,
        Clock::EventOrder => index as u64,
    }
}

/// The operations of a history, which need not be well-formed: a page is also read to find out what
/// is wrong with a recorder. A completion without its invocation is left out; an operation whose
/// process goes on without a completion stays open.
fn paired(history: &[Event], clock: Clock) -> Vec<Operation<'_>> {
    let mut operations: Vec<Operation<'_>> = Vec::with_capacity(history.len() / 2);
    let mut open: BTreeMap<u64, usize> = BTreeMap::new();
    for (index, event) in history.iter().enumerate() {
        let time_ns = time_of(history, clock, index);
        if event.kind == EventKind::Invoke {
            open.insert(event.process, operations.len());
            operations.push(invoked(operations.len(), index, event, time_ns));
        } else if let Some(id) = open.remove(&event.process) {
            complete(&mut operations[id], index, event, time_ns);
        }
    }
    operations
}

fn invoked(id: usize, index: usize, event: &Event, time_ns: u64) -> Operation<'_> {
    Operation {
        id,
        process: event.process,
        f: &event.f,
        key: event.key.as_ref().map(ValueRef::from),
        input: ValueRef::from(&event.value),
        output: ValueRef::Nil,
        outcome: Outcome::Info,
        invoked: index,
        completed: None,
        invoked_ns: time_ns,
        completed_ns: None,
        error: None,
    }
}

fn complete<'a>(operation: &mut Operation<'a>, index: usize, event: &'a Event, time_ns: u64) {
    operation.output = ValueRef::from(&event.value);
    operation.error = event.error.as_deref();
    operation.completed_ns = Some(time_ns.max(operation.invoked_ns));
    operation.outcome = match event.kind {
        EventKind::Ok => Outcome::Ok,
        EventKind::Fail => Outcome::Fail,
        EventKind::Info | EventKind::Invoke => Outcome::Info,
    };
    if operation.outcome != Outcome::Info {
        operation.completed = Some(index);
    }
}

fn first_bad(
    event: usize,
    history: &[Event],
    clock: Clock,
    operations: &[Operation<'_>],
) -> Option<FirstBad> {
    if event >= history.len() {
        return None;
    }
    let operation = operations
        .iter()
        .find(|operation| operation.invoked == event || operation.completed == Some(event));
    Some(FirstBad {
        event,
        time_ns: time_of(history, clock, event),
        operation: operation.map(|operation| operation.id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_checkers::{history::Value, verdict::Anomaly};

    fn event(process: u64, kind: EventKind, time_ns: u64) -> Event {
        Event {
            process,
            kind,
            f: "write".to_owned(),
            key: None,
            value: Value::Int(1),
            time_ns,
            error: None,
        }
    }

    const VALID: Verdict = Verdict::Valid { witness: None };

    #[test]
    fn a_malformed_history_is_paired_as_far_as_it_can_be() {
        let history = [
            event(0, EventKind::Ok, 1),
            event(0, EventKind::Invoke, 2),
            event(0, EventKind::Invoke, 3),
            event(0, EventKind::Ok, 1),
            event(1, EventKind::Info, 9),
        ];
        let scene = Scene::of_history(&history, &VALID);
        let outcomes: Vec<_> = scene.operations.iter().map(|op| op.outcome).collect();
        assert_eq!(outcomes, [Outcome::Info, Outcome::Ok]);
        // Time went backwards; a bar must not.
        assert_eq!(scene.operations[1].completed_ns, Some(3));
    }

    #[test]
    fn a_process_that_follows_a_crashed_one_shares_its_lane() {
        let history = [
            event(0, EventKind::Invoke, 1),
            event(1, EventKind::Invoke, 2),
            event(0, EventKind::Info, 3),
            event(7, EventKind::Invoke, 4),
        ];
        let scene = Scene::of_history(&history, &VALID);
        let lanes: Vec<_> = scene
            .operations
            .iter()
            .map(|op| scene.lane_of(op))
            .collect();
        assert_eq!(lanes, [0, 1, 0]);
        assert_eq!(scene.lanes.names, ["client 0", "client 1"]);
    }

    #[test]
    fn a_history_without_times_is_drawn_by_the_order_of_its_events() {
        let history = [event(4, EventKind::Invoke, 0), event(4, EventKind::Ok, 0)];
        let scene = Scene::of_history(&history, &VALID);
        assert_eq!(scene.clock, Clock::EventOrder);
        assert_eq!(scene.operations[0].completed_ns, Some(1));
        assert_eq!(scene.lanes.names, ["process 4"]);
    }

    #[test]
    fn an_index_beyond_the_history_is_no_first_bad_event() {
        let verdict = Verdict::Invalid(Anomaly {
            checker: String::new(),
            class: String::new(),
            sentence: String::new(),
            witness: vec![5],
            first_bad_event: Some(5),
            ..Anomaly::default()
        });
        let scene = Scene::of_history(&[], &verdict);
        assert_eq!(scene.first_bad, None);
        assert_eq!(scene.witness().count(), 0);
    }
}
