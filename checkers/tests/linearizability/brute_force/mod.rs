//! A checker that tries every order: too slow to use, too simple to be wrong.

use squall_checkers::history::{
    Event, EventKind, History, Operation, Outcome, ProcessReuse, Value, ValueRef,
};
use squall_checkers::linearizability::{Limits, Online, check, verify_order};
use squall_checkers::spec::{Decoded, DecodedBy, Spec};
use squall_checkers::verdict::Verdict;
use std::collections::BTreeMap;

/// Whether some order explains the history.
pub(crate) fn is_linearizable<S: Spec>(spec: &S, history: &History) -> bool {
    candidates(spec, history).values().all(|candidates| {
        let all: Vec<&Candidate<'_, S>> = candidates.iter().collect();
        can_be_ordered(spec, &spec.initial(), &all)
    })
}

/// The operations on each key that may have happened.
fn candidates<'a, S: Spec>(
    spec: &S,
    history: &'a History,
) -> BTreeMap<ObjectKey, Vec<Candidate<'a, S>>> {
    let mut objects: BTreeMap<ObjectKey, Vec<Candidate<'_, S>>> = BTreeMap::new();
    for recorded in history.operations() {
        let decoded = spec.decode(&recorded).expect("tests use known operations");
        if decoded != Decoded::Absent {
            objects
                .entry(object(spec, &recorded))
                .or_default()
                .push(Candidate { recorded, decoded });
        }
    }
    objects
}

/// The key, and the part of it.
type ObjectKey = [Option<Value>; 2];

/// What operation concerns which object.
fn object<S: Spec>(spec: &S, recorded: &Operation<'_>) -> ObjectKey {
    let part = spec.part(recorded.f, recorded.input);
    [recorded.key, part].map(|name| name.map(ValueRef::to_value))
}

struct Candidate<'a, S: Spec> {
    recorded: Operation<'a>,
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
    let history = history(events);
    let expected = is_linearizable(spec, &history);
    let verdict = check(spec, &history, &Limits::default()).expect("tests use known operations");
    let online = first_bad_event_online(spec, events);
    assert_eq!(online, first_bad_event(&verdict), "{events:#?}");
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
            let up_to = |end: usize| is_linearizable(spec, &self::history(&events[..end]));
            assert!(
                up_to(first_bad),
                "bad before event {first_bad}: {events:#?}"
            );
            assert!(
                !up_to(first_bad + 1),
                "not yet bad at event {first_bad}: {events:#?}"
            );
            let shortest = self::history(&events[..=first_bad]);
            let is_enough = is_impossible_alone(spec, &shortest, &anomaly.witness);
            assert!(is_enough, "a weak witness: {events:#?}\n{anomaly:#?}");
            if anomaly.minimal {
                require_each_needed(spec, &shortest, &anomaly.witness);
            }
        }
        other => panic!("no verdict: {other:?}"),
    }
    expected
}

/// The first bad event that an online judge finds.
pub(crate) fn first_bad_event_online<S: Spec>(spec: &S, events: &[Event]) -> Option<usize> {
    let mut online = Online::new(spec, Limits::default());
    let mut told = events.iter().enumerate().filter_map(|(index, event)| {
        let pushed = online.push(event).expect("tests use known operations");
        pushed.map(|anomaly| (index, anomaly.first_bad_event))
    });
    let (index, first_bad) = told.next()?;
    assert_eq!(first_bad, Some(index), "it is told when it happens");
    first_bad
}

pub(crate) fn first_bad_event(verdict: &Verdict) -> Option<usize> {
    match verdict {
        Verdict::Invalid(anomaly) => anomaly.first_bad_event,
        _ => None,
    }
}

pub(crate) fn history(events: &[Event]) -> History {
    let paired = History::from_events_with(events.to_vec(), ProcessReuse::AfterInfo);
    paired.expect("tests make histories")
}

/// Whether the witness alone is impossible: from the start on, or whatever was before its first
/// invocation.
fn is_impossible_alone<S: Spec>(spec: &S, history: &History, witness: &[usize]) -> bool {
    let from_start = only_certain(history, witness, 0);
    !is_linearizable(spec, &from_start) || is_impossible_anyway(spec, history, witness, witness)
}

/// Without any one of the witness the others are possible, if not whatever was before.
fn require_each_needed<S: Spec>(spec: &S, history: &History, witness: &[usize]) {
    for &needed in witness {
        let rest: Vec<usize> = witness.iter().copied().filter(|&id| id != needed).collect();
        assert!(
            !is_impossible_anyway(spec, history, witness, &rest),
            "{needed} of {witness:?} is not needed: {history:#?}"
        );
    }
}

/// Whether those that are certain are impossible whatever was before the witness's first invocation.
fn is_impossible_anyway<S: Spec>(
    spec: &S,
    history: &History,
    witness: &[usize],
    certain: &[usize],
) -> bool {
    let first = witness
        .first()
        .map_or(0, |&id| history.operations().invoked(id));
    let later = only_certain(history, certain, first);
    let key = witness
        .first()
        .map(|&id| object(spec, &history.operation(id)))
        .unwrap_or_default();
    let candidates = candidates(spec, &later).remove(&key).unwrap_or_default();
    let candidates: Vec<&Candidate<'_, S>> = candidates.iter().collect();
    let from_start = only_certain(history, witness, 0);
    let states = reachable_states(spec, &from_start, &key);
    states
        .iter()
        .all(|state| !can_be_ordered(spec, state, &candidates))
}

/// Every state that the history's operations on a key can lead to, in any order.
fn reachable_states<S: Spec>(spec: &S, history: &History, key: &ObjectKey) -> Vec<S::State> {
    let candidates = candidates(spec, history).remove(key).unwrap_or_default();
    let mut states = vec![spec.initial()];
    let mut next = 0;
    while next < states.len() {
        for candidate in &candidates {
            if let Some(after) = candidate.step(spec, &states[next])
                && !states.contains(&after)
            {
                states.push(after);
            }
        }
        next += 1;
    }
    states
}

/// The history in which nobody knows how operations ended other than the witness. That an operation
/// failed, and so changed nothing, stays known: it is left out, as is what ended before `event`.
fn only_certain(history: &History, witness: &[usize], event: usize) -> History {
    let mut events: Vec<Option<Event>> = history.events().to_vec().into_iter().map(Some).collect();
    for operation in history.operations() {
        let Some(completed) = operation
            .completed
            .filter(|_| !witness.contains(&operation.id))
        else {
            continue;
        };
        if operation.outcome == Outcome::Fail || completed < event {
            events[operation.invoked] = None;
            events[completed] = None;
        } else if let Some(event) = &mut events[completed] {
            event.kind = EventKind::Info;
        }
    }
    let events: Vec<Event> = events.into_iter().flatten().collect();
    self::history(&events)
}
