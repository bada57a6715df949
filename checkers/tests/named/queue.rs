//! Queues.

use crate::histories::*;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use squall_checkers::history::{
    EventKind, History, Operation, Operations, Outcome, Value, ValueRef,
};
use squall_checkers::named::queue::{self, Delivery, QueueOptions};

/// A delivery: by which operation, of what, under which number.
type Given<'a> = (Operation<'a>, i64, Option<i64>);

fn given(operation: Operation<'_>) -> Vec<Given<'_>> {
    let one = |value: ValueRef<'_>| match value {
        ValueRef::Int(value) => (operation, value, None),
        ValueRef::List(pair) => match pair.array() {
            Some([ValueRef::Int(value), ValueRef::Int(number)]) => (operation, value, Some(number)),
            _ => panic!("a pair"),
        },
        _ => panic!("a message"),
    };
    match (operation.f, operation.output) {
        _ if !is_ok(operation.outcome) => Vec::new(),
        ("dequeue", ValueRef::Nil) => Vec::new(),
        ("dequeue", value) => vec![one(value)],
        ("drain", ValueRef::List(values)) => values.iter().map(one).collect(),
        _ => Vec::new(),
    }
}

/// The laws as they read; and how many acknowledged messages nobody knows of.
fn naive(history: &History, options: &QueueOptions) -> (Classes, usize) {
    let mut classes = Classes::new();
    let operations = history.operations();
    let all: Vec<Given<'_>> = operations.iter().flat_map(given).collect();
    for (place, &(by, value, number)) in all.iter().enumerate() {
        let end = by.completed.expect("ok");
        let named = |f: &'static str| {
            operations
                .iter()
                .filter(move |it| it.f == f && it.input == Value::Int(value))
        };
        if !named("enqueue").any(|it| it.invoked < end && it.outcome != Outcome::Fail) {
            classes.insert("unexpected-message");
        }
        if named("ack").any(|it| is_ok(it.outcome) && it.completed < Some(by.invoked)) {
            classes.insert("redelivered-after-ack");
        }
        for &(other_by, other, other_number) in all[place + 1..].iter().filter(|it| it.1 == value) {
            if options.delivery != Delivery::AtLeastOnce {
                classes.insert("duplicate-delivery");
            }
            if number.is_some() && other_number.is_some() && number != other_number {
                classes.insert("duplicate-message");
            }
            let is_dequeued = by.f == "dequeue" && other_by.f == "dequeue";
            let _ = other;
            if let Some(hold_ns) = options
                .hold_ns
                .filter(|_| is_dequeued && history.has_times())
                && !can_both_be(by, other_by, hold_ns, operations, value)
            {
                classes.insert("two-holders");
            }
        }
    }
    let untraced = lost(history, options, &all, &mut classes);
    (classes, untraced)
}

/// Whether some moments for two deliveries and a release explain them. Events are 1 ns apart.
fn can_both_be(
    one: Operation<'_>,
    two: Operation<'_>,
    hold_ns: u64,
    operations: Operations<'_>,
    value: i64,
) -> bool {
    let span = |it: Operation<'_>| it.invoked..=it.completed.expect("ok");
    span(one).any(|first| {
        span(two).any(|second| {
            let (from, to) = (first.min(second), first.max(second));
            (to - from) as u64 >= hold_ns
                || operations.iter().any(|it| {
                    matches!(it.f, "ack" | "nak")
                        && it.input == Value::Int(value)
                        && it.outcome != Outcome::Fail
                        && it.invoked < to
                        && it.completed.is_none_or(|end| end > from)
                })
        })
    })
}

fn lost(
    history: &History,
    options: &QueueOptions,
    all: &[Given<'_>],
    classes: &mut Classes,
) -> usize {
    let operations = history.operations();
    let takes = |it: &Operation<'_>| matches!(it.f, "dequeue" | "drain");
    let last = operations
        .iter()
        .rev()
        .find(|it| takes(it) && is_ok(it.outcome));
    let (mut missing, mut undecided) = (0, 0);
    for value in 0..9 {
        let enqueues = operations
            .iter()
            .filter(|it| it.f == "enqueue" && it.input == Value::Int(value));
        let acknowledged = enqueues
            .filter(|it| is_ok(it.outcome))
            .filter_map(|it| it.completed)
            .min();
        let Some(acknowledged) = acknowledged.filter(|_| all.iter().all(|it| it.1 != value)) else {
            continue;
        };
        let is_decided = options.drained
            || last.is_some_and(|it| it.output == Value::Nil && it.invoked > acknowledged)
            || operations
                .iter()
                .any(|it| it.f == "drain" && is_ok(it.outcome) && it.invoked > acknowledged);
        if is_decided {
            missing += 1;
        } else {
            undecided += 1;
        }
    }
    let crashed = |f: &str| {
        operations
            .iter()
            .filter(|it| it.f == f && it.outcome == Outcome::Info)
            .count()
    };
    let has_acks = operations.iter().any(|it| it.f == "ack");
    let is_explained = !has_acks && (crashed("drain") > 0 || crashed("dequeue") >= missing);
    if options.delivery != Delivery::AtMostOnce && missing > 0 && !is_explained {
        classes.insert("lost-message");
    }
    undecided
}

fn calls() -> impl Strategy<Value = Call> + Clone {
    let value = || (0_i64..4).prop_map(Value::Int);
    let message = prop_oneof![
        4 => value(),
        1 => (0_i64..4, 10_i64..12).prop_map(|(value, number)| ints(&[value, number])),
    ];
    let enqueue =
        (value(), end()).prop_map(|(value, end)| call("enqueue", value.clone(), end, value));
    let answer = prop_oneof![5 => message.clone(), 1 => Just(Value::Nil)];
    let dequeue =
        (answer, end()).prop_map(|(answer, end)| call("dequeue", Value::Nil, end, answer));
    let release = (prop_oneof![Just("ack"), Just("nak")], value(), end())
        .prop_map(|(f, value, end)| call(f, value.clone(), end, value));
    let drain = (prop::collection::vec(message, 0..3), end())
        .prop_map(|(messages, end)| call("drain", Value::Nil, end, Value::List(messages)));
    prop_oneof![6 => enqueue, 6 => dequeue, 1 => release, 1 => drain]
}

fn options() -> impl Strategy<Value = QueueOptions> {
    let delivery = prop_oneof![
        Just(Delivery::AtLeastOnce),
        Just(Delivery::ExactlyOnce),
        Just(Delivery::AtMostOnce)
    ];
    (delivery, prop::option::of(1_u64..12), any::<bool>()).prop_map(
        |(delivery, hold_ns, drained)| QueueOptions {
            delivery,
            hold_ns,
            drained,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_law(history in woven(calls()), options in options()) {
        let verdict = queue::check(&history, &options);
        let (classes, undecided) = naive(&history, &options);
        check_agreement(&verdict, &classes);
        prop_assert_eq!(queue::statistics(&history, &options).map(|it| it.undecided), Ok(undecided));
        if let Some(found) = anomaly(&verdict).filter(|_| !classes.contains("lost-message")) {
            let options = QueueOptions { drained: false, delivery: match options.delivery {
                Delivery::AtLeastOnce => Delivery::AtLeastOnce,
                _ => Delivery::AtMostOnce,
            }, ..options };
            // What is lost is judged by the end; all else by what came before.
            let check = |history: &History| queue::check(history, &options);
            let event = found.first_bad_event.expect("an event");
            let at = check(&prefix(&history, event + 1));
            prop_assert!(anomaly(&at).is_some());
            let before = check(&prefix(&history, event));
            prop_assert!(anomaly(&before).is_none_or(|found| found.class == "lost-message"));
        }
    }

    #[test]
    fn a_good_history_is_judged_with_a_delivery_doubled_or_dropped(count in 1_usize..8, at in any::<prop::sample::Index>()) {
        let mut calls = Vec::new();
        for value in 0..count as i64 {
            calls.push(call("enqueue", value.into(), EventKind::Ok, value.into()));
            calls.push(call("dequeue", Value::Nil, EventKind::Ok, value.into()));
        }
        calls.push(call("dequeue", Value::Nil, EventKind::Ok, Value::Nil));
        let judge = |calls: &Vec<Call>| {
            let history = weave(std::slice::from_ref(calls), &vec![at; 2 * calls.len()]);
            let options = QueueOptions { delivery: Delivery::ExactlyOnce, ..QueueOptions::default() };
            let verdict = queue::check(&history, &options);
            anomaly(&verdict).map(|found| found.class.clone())
        };
        prop_assert_eq!(judge(&calls), None);
        let place = 1 + 2 * at.index(count);
        let mut doubled = calls.clone();
        doubled.insert(place, calls[place].clone());
        prop_assert_eq!(judge(&doubled), Some("duplicate-delivery".to_owned()));
        calls.remove(place);
        prop_assert_eq!(judge(&calls), Some("lost-message".to_owned()));
    }
}

fn check(text: &str, options: &QueueOptions, expected: Expect) {
    expected.assert_eq(&told(queue::check(&log(text), options)));
}

#[test]
fn what_is_wrong_is_told() {
    let at_least = QueueOptions::default();
    let exactly = QueueOptions {
        delivery: Delivery::ExactlyOnce,
        ..at_least.clone()
    };
    let held = QueueOptions {
        hold_ns: Some(100),
        ..at_least.clone()
    };
    let enqueue = "0 :invoke :enqueue 7\n0 :ok :enqueue 7\n";
    let dequeue = |answer: &str| format!("1 :invoke :dequeue\n1 :ok :dequeue {answer}\n");
    let (seven, nil) = (dequeue("7"), dequeue("nil"));
    let ack = "1 :invoke :ack 7\n1 :ok :ack 7\n";
    check(
        &format!("{enqueue}{seven}{seven}{nil}"),
        &at_least,
        expect![[r#"
            valid
        "#]],
    );
    check(
        &format!("{enqueue}{seven}{seven}"),
        &exactly,
        expect![[r#"
        duplicate-delivery: Message 7 was delivered to process 1's dequeue (events 2 to 3), and again to process 1's dequeue (events 4 to 5).
        [1, 2] since event Some(5)
        1 messages were acknowledged and 1 delivered, 0 of these without being acknowledged; there were 1 more deliveries of the same. 0 were lost; of 0 nobody knows.
        Found in all: duplicate-delivery 1.
    "#]],
    );
    check(
        &format!("{enqueue}{seven}{seven}"),
        &held,
        expect![[r#"
        two-holders: Message 7 was given to process 1's dequeue (events 2 to 3), and within its hold of 100 ns to process 1's dequeue (events 4 to 5).
        [1, 2] since event Some(5)
        1 messages were acknowledged and 1 delivered, 0 of these without being acknowledged; there were 1 more deliveries of the same. 0 were lost; of 0 nobody knows.
        Found in all: two-holders 1.
    "#]],
    );
    check(
        &format!("{enqueue}{seven}1 :invoke :nak 7\n1 :ok :nak 7\n{seven}"),
        &held,
        expect![[r#"
            valid
        "#]],
    );
    check(
        &format!("{enqueue}{seven}{ack}{seven}"),
        &at_least,
        expect![[r#"
            redelivered-after-ack: Process 1's dequeue (events 6 to 7) was given message 7, although process 1's ack (events 4 to 5) had returned before.
            [2, 3] since event Some(7)
            1 messages were acknowledged and 1 delivered, 0 of these without being acknowledged; there were 1 more deliveries of the same. 0 were lost; of 0 nobody knows.
            Found in all: redelivered-after-ack 1.
        "#]],
    );
    check(
        &format!("{enqueue}{}{}", dequeue("[7 1]"), dequeue("[7 2]")),
        &at_least,
        expect![[r#"
            duplicate-message: Message 7 is stored twice: number 1 was given to process 1's dequeue (events 2 to 3), number 2 to process 1's dequeue (events 4 to 5).
            [1, 2] since event Some(5)
            1 messages were acknowledged and 1 delivered, 0 of these without being acknowledged; there were 1 more deliveries of the same. 0 were lost; of 0 nobody knows.
            Found in all: duplicate-message 1.
        "#]],
    );
    check(
        &format!("{enqueue}{nil}"),
        &at_least,
        expect![[r#"
        lost-message: Process 0's enqueue (events 0 to 1) of 7 was acknowledged, but nobody got the message although the queue had nothing left for process 1's dequeue (events 2 to 3).
        [0, 1] since event Some(3)
        1 messages were acknowledged and 0 delivered, 0 of these without being acknowledged; there were 0 more deliveries of the same. 1 were lost; of 0 nobody knows.
        Found in all: lost-message 1.
    "#]],
    );
    check(
        &format!("{enqueue}2 :invoke :dequeue\n{nil}2 :info :dequeue"),
        &at_least,
        expect![[r#"
            vacuous: no message was delivered
        "#]],
    );
    check(
        &format!("{enqueue}1 :invoke :drain\n1 :ok :drain [8]"),
        &at_least,
        expect![[r#"
            unexpected-message: Process 1's drain (events 2 to 3) was given message 8, which nobody had begun to enqueue.
            [1] since event Some(3)
            1 messages were acknowledged and 1 delivered, 1 of these without being acknowledged; there were 0 more deliveries of the same. 1 were lost; of 0 nobody knows.
            Found in all: lost-message 1, unexpected-message 1.
        "#]],
    );
    check(
        &format!("{nil}{enqueue}0 :invoke :enqueue 8\n{}", dequeue("8")),
        &at_least,
        expect![[r#"
            vacuous: 1 acknowledged messages were not delivered, and nothing says that the queue was drained after them
        "#]],
    );
    check(
        &format!("0 :invoke :enqueue 7\n0 :fail :enqueue 7\n{seven}"),
        &at_least,
        expect![[r#"
            unexpected-message: Process 1's dequeue (events 2 to 3) was given message 7, although process 0's enqueue (events 0 to 1) failed.
            [0, 1] since event Some(3)
            0 messages were acknowledged and 1 delivered, 1 of these without being acknowledged; there were 0 more deliveries of the same. 0 were lost; of 0 nobody knows.
            Found in all: unexpected-message 1.
        "#]],
    );
    check(
        "0 :invoke :enqueue nil",
        &at_least,
        expect![[r#"
        operation 0 (process 0, event 0): expected `enqueue` of a value, but found nil
    "#]],
    );
    check(
        "0 :invoke :drain\n0 :ok :drain 7",
        &at_least,
        expect![[r#"
        operation 0 (process 0, event 1): expected `drain` to return a list of messages, but found 7
    "#]],
    );
    check(
        "0 :invoke :pop",
        &at_least,
        expect![[r#"
        operation 0 (process 0, event 0): expected `enqueue`, `dequeue`, `ack`, `nak` or `drain` of a queue, but found `pop`
    "#]],
    );
}

#[test]
fn a_list_that_was_enqueued_is_no_pair_of_message_and_number() {
    let text = "0 :invoke :enqueue [7 1]\n0 :ok :enqueue [7 1]\n1 :invoke :dequeue\n1 :ok :dequeue [7 1]\n";
    check(
        text,
        &QueueOptions::default(),
        expect![[r#"
        valid
    "#]],
    );
}

#[test]
fn a_drained_queue_has_lost_what_nobody_got_by_its_last_event() {
    let text = "0 :invoke :enqueue 7\n0 :ok :enqueue 7\n0 :invoke :enqueue 8\n0 :ok :enqueue 8\n1 :invoke :dequeue\n1 :ok :dequeue 8\n";
    let drained = QueueOptions {
        drained: true,
        ..QueueOptions::default()
    };
    check(
        text,
        &drained,
        expect![[r#"
        lost-message: Process 0's enqueue (events 0 to 1) of 7 was acknowledged, but nobody got the message although the queue was drained.
        [0] since event Some(5)
        2 messages were acknowledged and 1 delivered, 0 of these without being acknowledged; there were 0 more deliveries of the same. 1 were lost; of 0 nobody knows.
        Found in all: lost-message 1.
    "#]],
    );
}

#[test]
fn every_promise_is_known_by_its_name() {
    for delivery in [
        Delivery::AtLeastOnce,
        Delivery::AtMostOnce,
        Delivery::ExactlyOnce,
    ] {
        assert_eq!(delivery.to_string().parse(), Ok(delivery));
    }
    assert!("twice".parse::<Delivery>().is_err());
}

/// Since nobody knew whether it had been given back until that failed, all hold it since one event.
#[test]
fn of_holders_since_one_event_the_first_are_told() {
    let held = QueueOptions {
        hold_ns: Some(100),
        ..QueueOptions::default()
    };
    let dequeue = |process: u64| format!("{process} :invoke :dequeue\n{process} :ok :dequeue 7\n");
    let given = [1, 2, 3].map(dequeue).concat();
    check(
        &format!("0 :invoke :enqueue 7\n0 :ok :enqueue 7\n4 :invoke :nak 7\n{given}4 :fail :nak 7"),
        &held,
        expect![[r#"
            two-holders: Message 7 was given to process 1's dequeue (events 3 to 4), and within its hold of 100 ns to process 2's dequeue (events 5 to 6).
            [2, 3] since event Some(9)
            1 messages were acknowledged and 1 delivered, 0 of these without being acknowledged; there were 2 more deliveries of the same. 0 were lost; of 0 nobody knows.
            Found in all: two-holders 1.
        "#]],
    );
}
