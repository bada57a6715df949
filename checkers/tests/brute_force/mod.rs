//! A checker that tries every order: too slow to use, too simple to be wrong.

use squall_checkers::history::{
    Event, EventKind, History, Operation, Outcome, ProcessReuse, Value,
};
use squall_checkers::linearizability::{Limits, check, verify_order};
use squall_checkers::spec::{Decoded, DecodedBy, Spec};
use squall_checkers::verdict::Verdict;
use std::collections::BTreeMap;

/// Whether some order explains the history.
pub(crate) fn is_linearizable<S: Spec>(spec: &S, history: &History) -> bool {
    let mut objects: BTreeMap<Option<Value>, Vec<Candidate<'_, S>>> = BTreeMap::new();
    for recorded in history.operations() {
        let decoded = spec.decode(recorded).expect("tests use known operations");
        if decoded != Decoded::Absent {
            objects
                .entry(spec.key(recorded))
                .or_default()
                .push(Candidate { recorded, decoded });
        }
    }
    objects.values().all(|candidates| {
        let all: Vec<&Candidate<'_, S>> = candidates.iter().collect();
        can_be_ordered(spec, &spec.initial(), &all)
    })
}

struct Candidate<'a, S: Spec> {
    recorded: &'a Operation,
    decoded: DecodedBy<S>,
}

impl<S: Spec> Candidate<'_, S> {
    fn is_certain(&self) -> bool {
        matches!(self.decoded, Decoded::Returned(..))
    }

    fn step(&self, spec: &S, state: &S::State) -> Option<S::State> {
        match &self.decoded {
            Decoded::Returned(operation, returned) => {
                spec.step(state, operation, Some(returned)).ok()
            }
            Decoded::Uncertain(operation) => spec.step(state, operation, None).ok(),
            Decoded::Absent => None,
        }
    }
}

fn can_be_ordered<S: Spec>(spec: &S, state: &S::State, left: &[&Candidate<'_, S>]) -> bool {
    if left.iter().all(|candidate| !candidate.is_certain()) {
        return true;
    }
    (0..left.len()).any(|index| {
        let next = left[index];
        let waits = left.iter().any(|other| {
            other.is_certain()
                && other
                    .recorded
                    .completed
                    .is_some_and(|completed| completed < next.recorded.invoked)
        });
        let after = next.step(spec, state).filter(|_| !waits);
        after.is_some_and(|after| {
            let rest = [&left[..index], &left[index + 1..]].concat();
            can_be_ordered(spec, &after, &rest)
        })
    })
}

/// Compares the checker with the search through every order: the verdict, the order of a possible
/// history, and the first bad event and the witness of an impossible one. Returns whether the
/// history is possible.
pub(crate) fn compare<S: Spec>(spec: &S, events: &[Event]) -> bool {
    let history = history(events.to_vec());
    let expected = is_linearizable(spec, &history);
    let verdict = check(spec, &history, &Limits::default()).expect("tests use known operations");
    match verdict {
        Verdict::Valid { witness } => {
            assert!(expected, "said to be possible: {events:#?}");
            let order = witness.expect("this checker always gives an order");
            assert_eq!(verify_order(spec, &history, &order), Ok(()), "{events:#?}");
        }
        Verdict::Invalid(anomaly) => {
            assert!(
                !expected,
                "said to be impossible: {events:#?}\n{anomaly:#?}"
            );
            let first_bad = anomaly
                .first_bad_event
                .expect("this checker always knows the event");
            let up_to = |end: usize| is_linearizable(spec, &self::history(events[..end].to_vec()));
            assert!(
                up_to(first_bad),
                "bad before event {first_bad}: {events:#?}"
            );
            assert!(
                !up_to(first_bad + 1),
                "not yet bad at event {first_bad}: {events:#?}"
            );
            let alone = only_certain(&history, &anomaly.witness);
            assert!(
                !is_linearizable(spec, &alone),
                "a weak witness: {events:#?}\n{anomaly:#?}"
            );
        }
        other => panic!("no verdict: {other:?}"),
    }
    expected
}

fn history(events: Vec<Event>) -> History {
    History::from_events_with(events, ProcessReuse::AfterInfo).expect("tests make histories")
}

/// The history in which nobody knows how operations ended other than the witness. That an operation
/// failed, and so changed nothing, stays known: it is left out.
fn only_certain(history: &History, witness: &[usize]) -> History {
    let mut events: Vec<Option<Event>> = history.events().iter().cloned().map(Some).collect();
    for operation in history.operations() {
        let Some(completed) = operation
            .completed
            .filter(|_| !witness.contains(&operation.id))
        else {
            continue;
        };
        if operation.outcome == Outcome::Fail {
            events[operation.invoked] = None;
            events[completed] = None;
        } else if let Some(event) = &mut events[completed] {
            event.kind = EventKind::Info;
        }
    }
    self::history(events.into_iter().flatten().collect())
}
