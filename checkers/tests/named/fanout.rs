//! Ordered push.

use crate::histories::*;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use squall_checkers::history::{EventKind, History, Operation, Outcome, Value, ValueRef};
use squall_checkers::named::fanout::{self, FanoutOptions};
use std::collections::BTreeSet;

/// What one subscriber was told, in order: by which poll, and a message or a gap.
type Told<'a> = Vec<(Operation<'a>, Option<ValueRef<'a>>)>;

fn told_to<'a>(history: &'a History, key: Option<ValueRef<'_>>) -> Told<'a> {
    let polls = history
        .operations()
        .iter()
        .filter(|it| it.f == "poll" && it.key == key);
    let mut told = Told::new();
    for poll in polls {
        match (poll.output, poll.outcome) {
            (ValueRef::List(items), Outcome::Ok) => {
                let gap = ValueRef::Text("gap");
                told.extend(
                    items
                        .iter()
                        .map(|item| (poll, Some(item).filter(|item| *item != gap))),
                );
            }
            (_, Outcome::Info) => told.push((poll, None)),
            _ => {}
        }
    }
    told
}

fn number(message: ValueRef<'_>) -> (ValueRef<'_>, i64) {
    match message {
        ValueRef::List(pair) => match pair.array() {
            Some([publisher, ValueRef::Int(number)]) => (publisher, number),
            _ => panic!("a pair"),
        },
        _ => panic!("a list"),
    }
}

fn naive(history: &History, options: &FanoutOptions) -> Classes {
    let mut classes = Classes::new();
    let keys: BTreeSet<Option<ValueRef<'_>>> = history
        .operations()
        .iter()
        .filter(|it| it.f == "poll")
        .map(|it| it.key)
        .collect();
    for key in keys {
        let told = told_to(history, key);
        for (place, &(poll, message)) in told.iter().enumerate() {
            let Some(message) = message else { continue };
            let before = history.operations().iter().filter(|it| {
                it.f == "publish" && it.input == message && Some(it.invoked) < poll.completed
            });
            let before: Vec<_> = before.collect();
            if before.is_empty() {
                classes.insert("unexpected-message");
            } else if before.iter().all(|it| it.outcome == Outcome::Fail) {
                classes.insert("failed-publish-delivered");
            }
            let earlier = || told[..place].iter().filter_map(|it| it.1);
            let (publisher, own) = number(message);
            let above = earlier().any(|it| number(it).0 == publisher && number(it).1 >= own);
            if earlier().any(|it| it == message) {
                classes.insert("duplicate-delivery");
            } else if above {
                classes.insert("reordered-delivery");
            }
            if !above
                && misses(
                    history,
                    key,
                    &told[..place],
                    publisher,
                    i64::MAX,
                    Some(own),
                    Some(poll.id),
                )
            {
                classes.insert("missing-message");
            }
        }
        let mut polls = history
            .operations()
            .iter()
            .filter(|it| it.f == "poll" && it.key == key);
        let last = polls.rfind(|it| it.outcome != Outcome::Fail);
        let is_final = |it: &Operation<'_>| {
            is_ok(it.outcome) && (options.drained || it.input == Value::from("final"))
        };
        if let Some(last) = last.filter(is_final) {
            for publisher in 0..3 {
                if misses(
                    history,
                    key,
                    &told,
                    ValueRef::Int(publisher),
                    last.invoked as i64,
                    None,
                    Some(usize::MAX),
                ) {
                    classes.insert("missing-at-end");
                }
            }
        }
    }
    classes
}

/// Whether, after what a subscriber was told, an acknowledged message of a publisher is skipped.
fn misses(
    history: &History,
    key: Option<ValueRef<'_>>,
    told: &[(Operation<'_>, Option<ValueRef<'_>>)],
    publisher: ValueRef<'_>,
    until: i64,
    below: Option<i64>,
    before: Option<usize>,
) -> bool {
    let of_publisher = |it: &(Operation<'_>, Option<ValueRef<'_>>)| {
        it.1.is_some_and(|it| number(it).0 == publisher)
    };
    let highest = told
        .iter()
        .filter_map(|it| it.1)
        .map(number)
        .filter(|it| it.0 == publisher)
        .map(|it| it.1)
        .max();
    let last_gap = told.iter().rposition(|it| it.1.is_none());
    let since_gap = &told[last_gap.map_or(0, |gap| gap + 1)..];
    let is_unbroken = since_gap.iter().any(of_publisher);
    // The first poll that returned with, or after, the last gap.
    let gap_id = last_gap.map_or(0, |gap| told[gap].0.id);
    let polls = history
        .operations()
        .iter()
        .filter(|it| it.f == "poll" && it.key == key && is_ok(it.outcome));
    let subscribed = polls
        .clone()
        .find(|it| it.id >= gap_id && Some(it.id) < before)
        .and_then(|it| it.completed);
    let publishes = || {
        history
            .operations()
            .iter()
            .filter(|it| it.f == "publish" && it.outcome != Outcome::Fail)
    };
    publishes().filter(|it| is_ok(it.outcome)).any(|publish| {
        let (by, own) = number(publish.input);
        let attempts = || publishes().filter(|it| it.input == publish.input);
        let begun = attempts().map(|it| it.invoked).min().expect("one");
        let acknowledged = attempts()
            .filter(|it| is_ok(it.outcome))
            .filter_map(|it| it.completed)
            .min()
            .expect("one");
        let is_owed = is_unbroken || subscribed.is_some_and(|at| at < begun);
        by == publisher
            && highest.is_none_or(|highest| own > highest)
            && below.is_none_or(|below| own < below)
            && (acknowledged as i64) < until
            && is_owed
    })
}

/// One or two publishers that number upwards, and two subscribers that are told more or less that.
fn histories() -> impl Strategy<Value = History> {
    let publisher = |publisher: i64| {
        prop::collection::vec(end(), 0..6).prop_map(move |ends| {
            let calls = (0_i64..).zip(ends);
            calls
                .map(|(number, end)| call("publish", ints(&[publisher, number]), end, Value::Nil))
                .collect::<Vec<_>>()
        })
    };
    let item = prop_oneof![
        9 => (0_i64..2, 0_i64..5).prop_map(|(publisher, number)| ints(&[publisher, number])),
        1 => Just(Value::from("gap")),
    ];
    let poll = (
        prop::collection::vec(item, 0..3),
        end(),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(mut items, end, is_final)| {
            items.sort();
            let input = if is_final {
                Value::from("final")
            } else {
                Value::Nil
            };
            call("poll", input, end, Value::List(items))
        });
    let subscriber = |key: i64| {
        prop::collection::vec(poll.clone(), 0..5).prop_map(move |mut polls| {
            polls
                .iter_mut()
                .for_each(|poll| poll.key = Some(Value::Int(key)));
            polls
        })
    };
    let clients = (publisher(0), publisher(1), subscriber(0), subscriber(1));
    (
        clients,
        prop::collection::vec(any::<prop::sample::Index>(), 8..50),
    )
        .prop_map(|((a, b, c, d), picks)| weave(&[a, b, c, d], &picks))
}

/// One publisher, and a subscriber that polls after each `per_poll` messages.
fn good(count: usize, per_poll: usize) -> Vec<Call> {
    let poll = |items: Vec<Value>| Call {
        key: Some(Value::from("s")),
        ..call("poll", Value::Nil, EventKind::Ok, Value::List(items))
    };
    let mut calls = vec![poll(Vec::new())];
    let numbers: Vec<i64> = (0..count as i64).collect();
    for numbers in numbers.chunks(per_poll) {
        calls.extend(
            numbers
                .iter()
                .map(|number| call("publish", ints(&[0, *number]), EventKind::Ok, Value::Nil)),
        );
        calls.push(poll(
            numbers.iter().map(|number| ints(&[0, *number])).collect(),
        ));
    }
    calls
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_law(history in histories(), drained: bool) {
        let options = FanoutOptions { drained };
        let verdict = fanout::check(&history, &options);
        let classes = naive(&history, &options);
        check_agreement(&verdict, &classes);
        if let Some(found) = anomaly(&verdict).filter(|_| !drained && !classes.contains("missing-at-end")) {
            let event = found.first_bad_event.expect("an event");
            let at = fanout::check(&prefix(&history, event + 1), &options);
            prop_assert!(anomaly(&at).is_some());
            let before = fanout::check(&prefix(&history, event), &options);
            prop_assert!(anomaly(&before).is_none_or(|found| found.class == "missing-at-end"));
        }
    }

    #[test]
    fn a_good_history_is_judged_with_an_item_dropped_or_two_polls_swapped(count in 2_usize..9, at in any::<prop::sample::Index>()) {
        let judge = |calls: &Vec<Call>| {
            let history = weave(std::slice::from_ref(calls), &vec![at; 2 * calls.len()]);
            let verdict = fanout::check(&history, &FanoutOptions { drained: true });
            anomaly(&verdict).map(|found| found.class.clone())
        };
        let mut calls = good(count, 1);
        prop_assert_eq!(judge(&calls), None);
        prop_assert_eq!(judge(&good(count, 3)), None);
        let place = 2 * (1 + at.index(count - 1));
        let mut swapped = calls.clone();
        let earlier = swapped[place].output.clone();
        swapped[place].output = std::mem::replace(&mut swapped[place + 2 - 2 * usize::from(place == 2 * count)].output, earlier);
        if place < 2 * count {
            prop_assert!(judge(&swapped).is_some());
        }
        calls[place].output = Value::List(Vec::new());
        let is_last = place == 2 * count;
        let expected = if is_last { "missing-at-end" } else { "missing-message" };
        prop_assert_eq!(judge(&calls), Some(expected.to_owned()));
        calls[place].output = Value::List(vec![Value::from("gap")]);
        prop_assert_eq!(judge(&calls), None);
    }
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&told(fanout::check(
        &keyed_log(text),
        &FanoutOptions::default(),
    )));
}

#[test]
fn what_is_wrong_is_told() {
    let publish = |number: i64| format!("0/- :invoke :publish [5 {number}]\n0/- :ok :publish\n");
    let poll = |items: &str| format!("1/a :invoke :poll\n1/a :ok :poll {items}\n");
    let all = [poll("[]"), publish(1), publish(2), publish(3)].concat();
    check(
        &format!("{all}{}", poll("[[5 1] [5 2]]")),
        expect![[r#"
        valid
    "#]],
    );
    check(
        &format!("{all}{}", poll("[[5 1] [5 3]]")),
        expect![[r#"
        missing-message: Subscriber "a" was given [5 3] by process 1's poll (events 8 to 9), but not [5 2], which had been acknowledged and comes before it, and was told of no gap.
        [2, 4] since event Some(9)
        1 subscribers received 2 messages.
        Found in all: missing-message 1.
    "#]],
    );
    check(
        &format!("{all}{}", poll("[[5 2]]")),
        expect![[r#"
        missing-message: Subscriber "a" was given [5 2] by process 1's poll (events 8 to 9), but not [5 1], which had been acknowledged and comes before it, and was told of no gap.
        [1, 4] since event Some(9)
        1 subscribers received 1 messages.
        Found in all: missing-message 1.
    "#]],
    );
    check(
        &format!("{all}{}", poll("[[5 1] \"gap\" [5 3]]")),
        expect![[r#"
            valid
        "#]],
    );
    check(
        &format!("{all}{}", poll("[[5 1] [5 2] [5 1]]")),
        expect![[r#"
            duplicate-delivery: Subscriber "a" was given [5 1] a second time by process 1's poll (events 8 to 9).
            [4] since event Some(9)
            1 subscribers received 3 messages.
            Found in all: duplicate-delivery 1.
        "#]],
    );
    check(
        &format!("{all}{}", poll("[\"gap\" [5 3] [5 2]]")),
        expect![[r#"
            reordered-delivery: Subscriber "a" was given [5 2] after [5 3] by process 1's poll (events 8 to 9).
            [4] since event Some(9)
            1 subscribers received 2 messages.
            Found in all: reordered-delivery 1.
        "#]],
    );
    check(
        &format!("{all}{}", poll("[[5 9]]")),
        expect![[r#"
        unexpected-message: Subscriber "a" was given [5 9] by process 1's poll (events 8 to 9), which nobody had begun to publish.
        [4] since event Some(9)
        1 subscribers received 1 messages.
        Found in all: missing-message 3, unexpected-message 1.
    "#]],
    );
    check(
        &format!("{all}1/a :invoke :poll final\n1/a :ok :poll [[5 1] [5 2]]"),
        expect![[r#"
            missing-at-end: Subscriber "a" was never given [5 3], which had been acknowledged before its last poll, process 1's poll (events 8 to 9), and was told of no gap.
            [3, 4] since event Some(9)
            1 subscribers received 2 messages.
            Found in all: missing-at-end 1.
        "#]],
    );
    check(
        &format!(
            "{all}1/a :invoke :poll\n1/a :info :poll\n2/a :invoke :poll\n2/a :ok :poll [[5 3]]"
        ),
        expect![[r#"
            valid
        "#]],
    );
    check(
        &format!(
            "{all}1/a :invoke :poll\n1/a :fail :poll\n1/a :invoke :poll\n1/a :ok :poll [[5 3]]"
        ),
        expect![[r#"
            missing-message: Subscriber "a" was given [5 3] by process 1's poll (events 10 to 11), but not [5 1], which had been acknowledged and comes before it, and was told of no gap.
            [1, 5] since event Some(11)
            1 subscribers received 1 messages.
            Found in all: missing-message 2.
        "#]],
    );
    check(
        &format!(
            "0/- :invoke :publish [5 1]\n0/- :fail :publish\n{}",
            poll("[[5 1]]")
        ),
        expect![[r#"
            failed-publish-delivered: Subscriber "a" was given [5 1] by process 1's poll (events 2 to 3), although process 0's publish (events 0 to 1) failed.
            [0, 1] since event Some(3)
            1 subscribers received 1 messages.
            Found in all: failed-publish-delivered 1.
        "#]],
    );
    check(
        &all,
        expect![[r#"
        vacuous: no message reached a subscriber
    "#]],
    );
    check(
        "1/a :invoke :poll\n2/a :invoke :poll\n1/a :ok :poll []",
        expect![[r#"
            operation 1 (process 2, event 1): expected a subscriber to poll once at a time, but found a poll before the last one returned
        "#]],
    );
    check(
        &poll("[7]"),
        expect![[r#"
        operation 0 (process 1, event 1): expected `poll` to return a list of [publisher sequence] and "gap", but found [7]
    "#]],
    );
    check(
        "0/- :invoke :publish 7",
        expect![[r#"
        operation 0 (process 0, event 0): expected `publish` to be invoked with [publisher sequence], but found 7
    "#]],
    );
    check(
        "0/- :invoke :send 7",
        expect![[r#"
        operation 0 (process 0, event 0): expected `publish` or `poll`, but found `send`
    "#]],
    );
}
