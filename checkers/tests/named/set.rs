//! Sets.

use crate::histories::*;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use squall_checkers::Limits;
use squall_checkers::history::{self, EventKind, History, Outcome, Value, ValueRef};
use squall_checkers::linearizability;
use squall_checkers::named::set::{self, SetOptions};
use squall_checkers::spec::{DecodeError, Decoded, DecodedBy, Reason, Spec};
use squall_checkers::verdict::Verdict;
use std::collections::BTreeSet;
use std::fmt;

const KEEPS: SetOptions = SetOptions {
    linearizable: false,
};
const LINEARIZABLE: SetOptions = SetOptions { linearizable: true };

/// A set as a specification: the search through all orders is the reference.
struct GrowOnlySet;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Shown(BTreeSet<Value>);

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum SetOperation {
    Add(Value),
    Read,
}

impl Spec for GrowOnlySet {
    type State = Shown;
    type Operation = SetOperation;
    type Return = Value;

    fn initial(&self) -> Shown {
        Shown(BTreeSet::new())
    }

    fn step(
        &self,
        state: &Shown,
        operation: &SetOperation,
        returned: Option<&Value>,
    ) -> Result<Shown, Reason> {
        match (operation, returned) {
            (SetOperation::Add(element), _) => {
                let mut state = state.clone();
                state.0.insert(element.clone());
                Ok(state)
            }
            (SetOperation::Read, Some(Value::List(shown))) => {
                let shown_set: BTreeSet<Value> = shown.iter().cloned().collect();
                if shown_set == state.0 && shown.len() == state.0.len() {
                    Ok(state.clone())
                } else {
                    Err("another set".into())
                }
            }
            (SetOperation::Read, _) => Ok(state.clone()),
        }
    }

    fn decode(&self, operation: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
        let decoded = match operation.f {
            "add" => SetOperation::Add(operation.input.to_value()),
            _ => SetOperation::Read,
        };
        Ok(match operation.outcome {
            Outcome::Ok => Decoded::Returned(decoded, operation.output.to_value()),
            Outcome::Info => Decoded::Uncertain(decoded),
            Outcome::Fail => Decoded::Absent,
        })
    }
}

/// The law of a set that keeps what it knows, read off its words.
fn naive(history: &History) -> Classes {
    let mut classes = Classes::new();
    let operations = history.operations();
    let reads: Vec<_> = operations
        .iter()
        .filter(|it| it.f == "read" && is_ok(it.outcome))
        .collect();
    let shows = |read: &history::Operation<'_>, element: ValueRef<'_>| matches!(read.output, ValueRef::List(shown) if shown.iter().any(|it| it == element));
    for read in &reads {
        let ValueRef::List(shown) = read.output else {
            panic!("a list")
        };
        for element in shown {
            if shown.iter().filter(|other| *other == element).count() > 1 {
                classes.insert("duplicate-element");
            }
            let added: Vec<_> = operations
                .iter()
                .filter(|it| it.f == "add" && it.input == element)
                .filter(|it| it.invoked < read.completed.expect("ok"))
                .collect();
            if added.is_empty() {
                classes.insert("unexpected-element");
            } else if added.iter().all(|it| it.outcome == Outcome::Fail) {
                classes.insert("resurrected-element");
            }
        }
    }
    for add in operations
        .iter()
        .filter(|it| it.f == "add" && it.outcome != Outcome::Fail)
    {
        let knows = |it: &history::Operation<'_>| {
            is_ok(it.outcome)
                && (it.f == "add" && it.input == add.input
                    || it.f == "read" && shows(it, add.input))
        };
        let Some(known) = operations
            .iter()
            .filter(knows)
            .filter_map(|it| it.completed)
            .min()
        else {
            continue;
        };
        let is_lost_for = |read: &history::Operation<'_>| {
            let may_be_later =
                |other: &&history::Operation<'_>| other.completed.expect("ok") > read.invoked;
            read.invoked > known
                && !reads
                    .iter()
                    .filter(may_be_later)
                    .any(|other| shows(other, add.input))
        };
        if reads.iter().any(is_lost_for) {
            classes.insert("lost-element");
        }
    }
    classes
}

fn calls(duplicates: bool) -> impl Strategy<Value = Call> + Clone {
    let add = (0_i64..4, end())
        .prop_map(|(element, end)| call("add", element.into(), end, element.into()));
    let shown = if duplicates {
        prop::collection::vec(0_i64..5, 0..4).boxed()
    } else {
        // Growing sets are likelier to be possible.
        let prefix = (0_i64..5).prop_map(|count| (0..count).collect::<Vec<i64>>());
        let any =
            prop::collection::btree_set(0_i64..4, 0..4).prop_map(|set| set.into_iter().collect());
        prop_oneof![prefix, any].boxed()
    };
    let read = (shown, end()).prop_map(|(shown, end)| call("read", Value::Nil, end, ints(&shown)));
    prop_oneof![add, read]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_law(history in woven(calls(true))) {
        let verdict = set::check(&history, &KEEPS);
        check_agreement(&verdict, &naive(&history));
        if let Some(found) = anomaly(&verdict).filter(|found| found.class != "lost-element") {
            let is_prefix_closed = !naive(&history).contains("lost-element");
            if is_prefix_closed {
                let check = |history: &History| set::check(history, &KEEPS);
                let event = found.first_bad_event.expect("an event");
                let at = check(&prefix(&history, event + 1));
                prop_assert!(anomaly(&at).is_some());
            }
        }
    }

    #[test]
    fn linearizable_is_what_some_order_explains(history in woven(calls(false))) {
        let verdict = set::check(&history, &LINEARIZABLE);
        let reference = linearizability::check(&GrowOnlySet, &history, &Limits::default());
        let reference = reference.expect("a set");
        match (&verdict, &reference) {
            (Ok(Verdict::Invalid(found)), Verdict::Invalid(expected)) => {
                prop_assert_eq!(found.first_bad_event, expected.first_bad_event, "{:?} {:?}", found, expected);
            }
            (Ok(Verdict::Valid { .. } | Verdict::Vacuous(_)), Verdict::Valid { .. }) => {}
            _ => prop_assert!(false, "{:?} but {:?}", verdict, reference),
        }
    }

    #[test]
    fn a_good_history_is_judged_with_one_element_dropped(reads in 1_usize..8, at in any::<prop::sample::Index>()) {
        // Each element is read right after it was added.
        let mut calls = Vec::new();
        for count in 0..reads as i64 {
            calls.push(call("add", count.into(), EventKind::Ok, count.into()));
            calls.push(call("read", Value::Nil, EventKind::Ok, ints(&(0..=count).collect::<Vec<_>>())));
        }
        let whole = |calls: &Vec<Call>| {
            weave(std::slice::from_ref(calls), &vec![at; 4 * reads])
        };
        prop_assert_eq!(told(set::check(&whole(&calls), &LINEARIZABLE)), "valid\n");
        let read = 1 + 2 * at.index(reads);
        if let Value::List(shown) = &mut calls[read].output {
            shown.remove(at.index(shown.len()));
        }
        let history = whole(&calls);
        let verdict = set::check(&history, &LINEARIZABLE);
        prop_assert!(anomaly(&verdict).is_some());
        let is_last = read + 1 == calls.len();
        prop_assert_eq!(anomaly(&set::check(&history, &KEEPS)).is_some(), is_last);
    }
}

fn check(text: &str, options: &SetOptions, expected: Expect) {
    expected.assert_eq(&told(set::check(&log(text), options)));
}

#[test]
fn what_is_wrong_is_told() {
    let added = "0 :invoke :add 7\n0 :ok :add 7\n";
    let read = |shown: &str| format!("1 :invoke :read\n1 :ok :read {shown}\n");
    let (none, seven) = (read("[]"), read("[7]"));
    check(
        &format!("{added}{seven}{none}"),
        &KEEPS,
        expect![[r#"
        lost-element: Element 7 is lost: process 0's add (events 0 to 1) made it known at event 1, but process 1's read (events 4 to 5) lacks it, and so does every read after.
        [0, 2] since event Some(5)
        Of all elements 0 were seen to the end, 0 of them missed for a while; 1 were lost, 0 never read.
        Found in all: lost-element 1.
    "#]],
    );
    check(
        &format!("{added}{none}{seven}"),
        &KEEPS,
        expect![[r#"
        valid
    "#]],
    );
    check(
        &format!("{added}{none}{seven}"),
        &LINEARIZABLE,
        expect![[r#"
        stale-read: Process 1's read (events 2 to 3) lacks element 7, although process 0's add (events 0 to 1) had made it known at event 1.
        [0, 1] since event Some(3)
        Of all elements 1 were seen to the end, 1 of them missed for a while (the worst, 7, for 10 ns); 0 were lost, 0 never read.
        Found in all: stale-read 1.
    "#]],
    );
    check(
        &format!("{added}{}", read("[7 7]")),
        &KEEPS,
        expect![[r#"
        duplicate-element: Process 1's read (events 2 to 3) shows element 7 twice.
        [1] since event Some(3)
        Of all elements 1 were seen to the end, 0 of them missed for a while; 0 were lost, 0 never read.
        Found in all: duplicate-element 1.
    "#]],
    );
    check(
        &read("[8]"),
        &KEEPS,
        expect![[r#"
        unexpected-element: Process 1's read (events 0 to 1) shows element 8, which nobody had begun to add.
        [0] since event Some(1)
        Of all elements 0 were seen to the end, 0 of them missed for a while; 0 were lost, 0 never read.
        Found in all: unexpected-element 1.
    "#]],
    );
    check(
        &format!("0 :invoke :add 7\n0 :fail :add 7\n{seven}"),
        &KEEPS,
        expect![[r#"
            resurrected-element: Process 1's read (events 2 to 3) shows element 7, although process 0's add (events 0 to 1) failed.
            [0, 1] since event Some(3)
            Of all elements 0 were seen to the end, 0 of them missed for a while; 0 were lost, 0 never read.
            Found in all: resurrected-element 1.
        "#]],
    );
    check(
        "0 :invoke :add 1\n1 :invoke :add 2\n2 :invoke :read\n3 :invoke :read\n2 :ok :read [1]\n3 :ok :read [2]",
        &LINEARIZABLE,
        expect![[r#"
            incomparable-reads: Process 3's read (events 3 to 5) shows element 2 but lacks 1, and process 2's read (events 2 to 4) the other way round: neither can have come first.
            [2, 3] since event Some(5)
            Of all elements 2 were seen to the end, 0 of them missed for a while; 0 were lost, 0 never read.
            Found in all: incomparable-reads 1.
        "#]],
    );
    check(
        "2 :invoke :read\n0 :invoke :add 1\n0 :ok :add 1\n1 :invoke :add 2\n2 :ok :read [2]",
        &LINEARIZABLE,
        expect![[r#"
            causal-reverse: Process 2's read (events 0 to 4) shows element 2 but lacks 1, which process 0's add (events 1 to 2) had made known at event 2, before 2 was begun to be added.
            [0, 1, 2] since event Some(4)
            Of all elements 1 were seen to the end, 0 of them missed for a while; 0 were lost, 1 never read.
            Found in all: causal-reverse 1.
        "#]],
    );
    check(
        added,
        &KEEPS,
        expect![[r#"
        vacuous: no read of the set returned
    "#]],
    );
    check(
        "0 :invoke :read\n0 :ok :read 7",
        &KEEPS,
        expect![[r#"
        operation 0 (process 0, event 1): expected `read` to return the list of all elements, but found 7
    "#]],
    );
    check(
        "0 :invoke :push 7",
        &KEEPS,
        expect![[r#"
        operation 0 (process 0, event 0): expected `add` or `read` of a set, but found `push`
    "#]],
    );
}

#[test]
fn statistics_say_how_stale_and_how_lost() {
    let history = log(
        "0 :invoke :add 1\n0 :ok :add 1\n1 :invoke :read\n1 :ok :read []\n1 :invoke :read\n1 :ok :read [1]
         0 :invoke :add 2\n0 :ok :add 2\n1 :invoke :read\n1 :ok :read [1]\n0 :invoke :add 3",
    );
    expect!["Ok(SetStatistics { reads: 3, stable: 1, stale: 1, lost: 1, never_read: 1, stable_latency: Latencies { times_ns: [10] }, lost_latency: Latencies { times_ns: [0] }, worst_stale: Some((Int(1), 10)) })"].assert_eq(&format!("{:?}", set::statistics(&history)));
}

#[test]
fn of_elements_that_were_stale_as_long_the_first_is_told() {
    let adds = "0 :invoke :add 7\n1 :invoke :add 8\n";
    let reads = "2 :invoke :read\n2 :ok :read [7 8]\n2 :invoke :read\n2 :ok :read []\n2 :invoke :read\n2 :ok :read [7 8]\n";
    check(
        &format!("{adds}{reads}"),
        &LINEARIZABLE,
        expect![[r#"
        stale-read: Process 2's read (events 4 to 5) lacks element 7, although process 2's read (events 2 to 3) had made it known at event 3.
        [2, 3] since event Some(5)
        Of all elements 2 were seen to the end, 2 of them missed for a while (the worst, 7, for 10 ns); 0 were lost, 0 never read.
        Found in all: stale-read 1.
    "#]],
    );
}

#[test]
fn latencies_are_counted() {
    let text = "0 :invoke :add 1\n0 :ok :add 1\n0 :invoke :add 2\n0 :ok :add 2\n1 :invoke :read\n1 :ok :read [1 2]";
    let statistics = set::statistics(&log(text)).expect("a set");
    let counts = [statistics.stable_latency, statistics.lost_latency].map(|it| it.count());
    assert_eq!(counts, [2, 0]);
}

/// Whether small or large for the number of elements.
#[test]
fn elements_are_any_integers() {
    for element in [0, 1023, 1024, 1025, i64::MAX, -1] {
        let added = format!("0 :invoke :add {element}\n0 :ok :add {element}\n");
        let judged = |shown: &str| {
            let text = format!("{added}1 :invoke :read\n1 :ok :read [{shown}]");
            set::check(&log(&text), &LINEARIZABLE)
                .expect("a set")
                .word()
        };
        assert_eq!(judged(&element.to_string()), "valid", "{element}");
        assert_eq!(judged(""), "invalid", "{element}");
    }
}
