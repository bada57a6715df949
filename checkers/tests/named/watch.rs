//! Watches.

use crate::histories::*;
use crate::random::Random;
use crate::simulated::{Classes, Simulated, agree, ask, judge_many, simulate};
use expect_test::{Expect, expect};
use squall_checkers::history::{History, Operation, Outcome, Value};
use squall_checkers::named::watch::{self, Change, WatchOptions};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Item {
    /// Revision, key, value.
    Event(i64, i64, i64),
    Progress(i64),
}

fn items(watch: &Operation<'_>) -> Vec<Item> {
    let Value::List(items) = watch.output.to_value() else {
        panic!("a list")
    };
    let items = items.iter().map(|item| match item {
        Value::List(item) => match item.as_slice() {
            [Value::Int(revision), Value::Int(key), Value::Int(value)] => {
                Item::Event(*revision, *key, *value)
            }
            [Value::Text(_), Value::Int(revision)] => Item::Progress(*revision),
            _ => panic!("an item"),
        },
        _ => panic!("an item"),
    });
    items.collect()
}

/// Every event of one process is one watcher's.
fn naive(history: &History) -> Classes {
    let mut classes = Classes::new();
    let operations: Vec<_> = history.operations().iter().collect();
    let told = operations
        .iter()
        .filter(|it| it.f == "watch" && is_ok(it.outcome));
    let puts: Vec<_> = operations.iter().filter(|it| it.f == "put").collect();
    let mut known: BTreeSet<(i64, i64, i64)> = BTreeSet::new();
    for watch in told.clone() {
        for item in items(watch) {
            let Item::Event(revision, key, value) = item else {
                continue;
            };
            known.insert((revision, key, value));
            let put = puts.iter().filter(|it| {
                it.key.map(|key| key.to_value()) == Some(Value::Int(key))
                    && it.input == Value::Int(value)
                    && Some(it.invoked) < watch.completed
            });
            if puts.is_empty() {
                continue;
            }
            if put.clone().count() == 0 {
                classes.insert("unexpected-event");
            } else if put.clone().all(|it| it.outcome == Outcome::Fail) {
                classes.insert("failed-put-delivered");
            }
        }
    }
    for put in puts.iter().filter(|it| is_ok(it.outcome)) {
        if let (Some(revision), Some(Value::Int(key)), Some(value)) = (
            put.output.as_int(),
            put.key.map(|key| key.to_value()),
            put.input.as_int(),
        ) && revision != value
        {
            known.insert((revision, key, value));
        }
    }
    for one in &known {
        if known
            .iter()
            .any(|other| (one.0, one.1) == (other.0, other.1) && one.2 != other.2)
        {
            classes.insert("divergent-event");
        }
    }
    let places: BTreeSet<(i64, i64)> = known
        .iter()
        .map(|&(revision, key, _)| (revision, key))
        .collect();
    let mut streams: BTreeMap<u64, Vec<&Operation<'_>>> = BTreeMap::new();
    for watch in operations
        .iter()
        .filter(|it| it.f == "watch" && it.outcome != Outcome::Fail)
    {
        streams.entry(watch.process).or_default().push(watch);
    }
    for stream in streams.values() {
        follow(stream, &places, &mut classes);
    }
    classes
}

fn follow(stream: &[&Operation<'_>], places: &BTreeSet<(i64, i64)>, classes: &mut Classes) {
    // Where it began and whether on demand, what it was told since, with the answer's number, and progress.
    let mut told: Vec<(i64, i64, usize)> = Vec::new();
    let mut from: Option<i64> = None;
    let mut start: Option<i64> = None;
    let mut progress: Option<i64> = None;
    for (number, watch) in stream.iter().enumerate() {
        if let Some(at) = watch.input.as_int() {
            (from, start, progress) = (Some(at), Some(at), None);
            told.clear();
        }
        if !is_ok(watch.outcome) {
            from = None;
            continue;
        }
        for item in items(watch) {
            let highest = told.iter().map(|&(revision, ..)| revision).max();
            let keys_at = |revision: i64| -> Vec<i64> {
                let at = told.iter().filter(|it| it.0 == revision);
                at.map(|it| it.1).collect()
            };
            let all_at = |revision: i64| -> Vec<i64> {
                places
                    .iter()
                    .filter(|it| it.0 == revision)
                    .map(|it| it.1)
                    .collect()
            };
            let is_torn = |revision: i64| {
                all_at(revision)
                    .iter()
                    .any(|key| !keys_at(revision).contains(key))
            };
            match item {
                Item::Event(revision, key, _) => {
                    if start.is_some_and(|start| revision < start) {
                        classes.insert("event-before-start");
                    } else if highest.is_some_and(|highest| revision < highest) {
                        classes.insert("event-goes-back");
                    } else if told.iter().any(|it| (it.0, it.1) == (revision, key)) {
                        classes.insert("duplicate-event");
                    } else if progress.is_some_and(|progress| revision <= progress) {
                        classes.insert("event-after-progress");
                    } else if told.iter().any(|it| it.0 == revision && it.2 != number) {
                        classes.insert("torn-revision");
                    } else {
                        if highest.is_some_and(|highest| highest < revision && is_torn(highest)) {
                            classes.insert("missing-event");
                        }
                        if highest != Some(revision)
                            && from.is_some_and(|from| {
                                places.iter().any(|it| from <= it.0 && it.0 < revision)
                            })
                        {
                            classes.insert("missing-event");
                        }
                        from = Some(revision + 1);
                        told.push((revision, key, number));
                    }
                }
                Item::Progress(revision) => {
                    if highest.is_none_or(|highest| highest <= revision) {
                        if highest.is_some_and(is_torn) {
                            classes.insert("missing-event");
                        }
                        if from.is_some_and(|from| {
                            places.iter().any(|it| from <= it.0 && it.0 <= revision)
                        }) {
                            classes.insert("false-progress");
                        }
                    }
                    progress = progress.max(Some(revision));
                    from = from.max(Some(revision + 1));
                }
            }
        }
    }
}

/// A store whose watchers miss something now and then.
struct Store {
    changes: Vec<(i64, i64, i64)>,
    next: i64,
    positions: Vec<usize>,
    error_in: u64,
}

impl Simulated for Store {
    fn ask(&mut self, random: &mut Random, client: usize) -> Call {
        if random.one_in(2) {
            self.next += 1;
            let key = Some(Value::Int(random.below(2)));
            return Call {
                key,
                ..ask("put", Value::Int(100 + self.next))
            };
        }
        if random.one_in(5) {
            let place = random.below(self.changes.len() as u64 + 1) as usize;
            self.positions[client] = place;
            let revision = self
                .changes
                .get(place)
                .map_or_else(|| self.revision() + 1, |it| it.0);
            // From the first of a revision on.
            self.positions[client] = self.changes.partition_point(|it| it.0 < revision);
            return ask("watch", Value::Int(revision));
        }
        ask("watch", Value::Nil)
    }

    fn act(&mut self, random: &mut Random, client: usize, asked: &Call) -> Value {
        if let (Value::Int(value), Some(Value::Int(key)), "put") =
            (&asked.input, &asked.key, asked.f)
        {
            // Now and then two changes under two keys have one revision.
            let is_shared = random.one_in(4)
                && self.changes.last().is_some_and(|last| {
                    last.1 != *key && self.positions.iter().all(|&it| it < self.changes.len())
                });
            let revision = self.revision() + i64::from(!is_shared);
            self.changes.push((revision, *key, *value));
            return if random.one_in(2) {
                Value::Int(revision)
            } else {
                Value::Nil
            };
        }
        let from = self.positions[client].min(self.changes.len());
        let mut items: Vec<Value> = self.changes[from..]
            .iter()
            .map(|&(revision, key, value)| ints(&[revision, key, value]))
            .collect();
        self.positions[client] = self.changes.len();
        if random.one_in(6) {
            items.push(Value::List(vec!["progress".into(), self.revision().into()]));
        }
        if random.one_in(self.error_in) && !items.is_empty() {
            let place = random.below(items.len() as u64) as usize;
            match random.below(3) {
                0 => drop(items.remove(place)),
                1 => items.push(items[place].clone()),
                _ => items.reverse(),
            }
        }
        Value::List(items)
    }

    fn crash(&mut self, client: usize) {
        self.positions[client] = self.changes.len();
    }
}

impl Store {
    fn revision(&self) -> i64 {
        self.changes.last().map_or(0, |it| it.0)
    }
}

#[test]
fn agrees_with_the_law() {
    judge_many(1500, |random| {
        let mut store = Store {
            changes: Vec::new(),
            next: 0,
            positions: vec![0; 3],
            error_in: 6,
        };
        let history = simulate(&mut store, random, 3, 14);
        agree(
            &history,
            |history| watch::check(history, &WatchOptions::default()),
            naive,
        )
    });
}

fn check(text: &str, options: &WatchOptions, expected: Expect) {
    expected.assert_eq(&told(watch::check(&keyed_log(text), options)));
}

#[test]
fn what_is_wrong_is_told() {
    let known = WatchOptions::default();
    let given = WatchOptions {
        changes: Some(
            (1..4)
                .map(|revision| Change {
                    revision,
                    key: Value::from("x"),
                    value: Value::Int(revision * 10),
                })
                .collect(),
        ),
        drained: true,
    };
    let puts = "0/x :invoke :put 10\n0/x :ok :put 1\n0/x :invoke :put 20\n0/x :ok :put 2\n0/x :invoke :put 30\n0/x :ok :put 3\n";
    let watch = |name: &str, input: &str, told: &str| {
        format!("1/{name} :invoke :watch {input}\n1/{name} :ok :watch {told}\n")
    };
    let all = watch("a", "1", "[[1 \"x\" 10] [2 \"x\" 20] [3 \"x\" 30]]");
    check(
        &format!("{puts}{all}"),
        &known,
        expect![[r#"
        valid
    "#]],
    );
    check(
        &format!("{puts}{}", watch("a", "1", "[[1 \"x\" 10] [3 \"x\" 30]]")),
        &known,
        expect![[r#"
            missing-event: Process 1's watch (events 6 to 7) was told of a later revision, but its watcher was never told [2 "x"], which process 0's put (events 2 to 3) knows of.
            [1, 3] since event Some(7)
            1 watchers were told 2 events.
            Found in all: missing-event 1.
        "#]],
    );
    check(
        &format!("{puts}{}", watch("a", "1", "[[2 \"x\" 20]]")),
        &known,
        expect![[r#"
            missing-event: Process 1's watch (events 6 to 7) was told of a later revision, but its watcher was never told [1 "x"], which process 0's put (events 0 to 1) knows of.
            [0, 3] since event Some(7)
            1 watchers were told 1 events.
            Found in all: missing-event 1.
        "#]],
    );
    check(
        &format!("{puts}{}", watch("a", "[1 \"y\"]", "[[2 \"x\" 20]]")),
        &known,
        expect![[r#"
            unwanted-event: Process 1's watch (events 6 to 7) was told [2 "x"], but asked for key "y" only.
            [3] since event Some(7)
            1 watchers were told 1 events.
            Found in all: unwanted-event 1.
        "#]],
    );
    check(
        &format!("{puts}{}", watch("a", "nil", "[[2 \"x\" 20] [1 \"x\" 10]]")),
        &known,
        expect![[r#"
            event-goes-back: Process 1's watch (events 6 to 7) was told [1 "x"], after revision 2.
            [3] since event Some(7)
            1 watchers were told 2 events.
            Found in all: event-goes-back 1.
        "#]],
    );
    check(
        &format!("{puts}{}", watch("a", "2", "[[1 \"x\" 10]]")),
        &known,
        expect![[r#"
            event-before-start: Process 1's watch (events 6 to 7) was told [1 "x"], but asked from revision 2 on.
            [3] since event Some(7)
            1 watchers were told 1 events.
            Found in all: event-before-start 1.
        "#]],
    );
    check(
        &format!(
            "{puts}{}{}",
            watch("a", "nil", "[[2 \"x\" 20]]"),
            watch("a", "nil", "[[2 \"x\" 20]]")
        ),
        &known,
        expect![[r#"
            duplicate-event: Process 1's watch (events 8 to 9) was told [2 "x"], a second time.
            [3, 4] since event Some(9)
            1 watchers were told 2 events.
            Found in all: duplicate-event 1.
        "#]],
    );
    check(
        &format!(
            "{puts}{}{}",
            watch("a", "nil", "[[2 \"x\" 20]]"),
            watch("a", "nil", "[[2 \"y\" 20]]")
        ),
        &known,
        expect![[r#"
            torn-revision: Process 1's watch (events 8 to 9) was told [2 "y"], after the rest of that revision had come in another answer.
            [3, 4] since event Some(9)
            1 watchers were told 2 events.
            Found in all: torn-revision 1, unexpected-event 1.
        "#]],
    );
    check(
        &format!("{puts}{}", watch("a", "1", "[[\"progress\" 2]]")),
        &known,
        expect![[r#"
            false-progress: Process 1's watch (events 6 to 7) was told that nothing more comes up to a later revision, but its watcher was never told [1 "x"], which process 0's put (events 0 to 1) knows of.
            [0, 3] since event Some(7)
            1 watchers were told 0 events.
            Found in all: false-progress 2.
        "#]],
    );
    check(
        &format!(
            "{puts}{}{}",
            watch("a", "nil", "[[\"progress\" 2]]"),
            watch("a", "nil", "[[2 \"x\" 20]]")
        ),
        &known,
        expect![[r#"
            event-after-progress: Process 1's watch (events 8 to 9) was told [2 "x"], after it was told that there was no more up to revision 2.
            [4] since event Some(9)
            1 watchers were told 1 events.
            Found in all: event-after-progress 1.
        "#]],
    );
    check(
        &format!("{puts}{}", watch("a", "1", "[[1 \"x\" 11]]")),
        &known,
        expect![[r#"
            divergent-event: Process 1's watch (events 6 to 7) says that revision 1 set key "x" to 11, but process 0's put (events 0 to 1) says 10.
            [0, 3] since event Some(7)
            1 watchers were told 1 events.
            Found in all: divergent-event 1, unexpected-event 1.
        "#]],
    );
    check(
        &format!(
            "{puts}{}{}",
            watch("a", "1", "[[1 \"x\" 10]]"),
            watch("a", "\"final\"", "[]")
        ),
        &known,
        expect![[r#"
            missing-at-end: Process 1's watch (events 8 to 9) is the last of its watcher, but its watcher was never told [2 "x"], which process 0's put (events 2 to 3) knows of.
            [1, 3, 4] since event Some(9)
            1 watchers were told 1 events.
            Found in all: missing-at-end 2.
        "#]],
    );
    check(
        &watch("a", "1", "[[1 \"x\" 10] [4 \"x\" 40]]"),
        &given,
        expect![[r#"
            unexpected-event: Process 1's watch (events 0 to 1) says that revision 4 set key "x" to 40, of which the system's own log has nothing.
            [0] since event Some(1)
            1 watchers were told 2 events.
            Found in all: missing-event 2, unexpected-event 1.
        "#]],
    );
    check(
        &watch("a", "1", "[[1 \"x\" 10] [2 \"x\" 20]]"),
        &given,
        expect![[r#"
            valid
        "#]],
    );
    check(
        puts,
        &known,
        expect![[r#"
        vacuous: no watcher was told anything
    "#]],
    );
    check(
        &watch("a", "1.5", "[]").replace("1.5", "true"),
        &known,
        expect![[r#"
            operation 0 (process 1, event 0): expected `watch` to be invoked with nil, a revision, [revision key] or "final", but found true
        "#]],
    );
    check(
        &watch("a", "1", "[[1]]"),
        &known,
        expect![[r#"
        operation 0 (process 1, event 1): expected `watch` to return a list of [revision key value], [revision value] and ["progress" revision], but found [[1]]
    "#]],
    );
}

#[test]
fn what_was_put_is_asked_only_where_puts_were_recorded() {
    let known = WatchOptions::default();
    let watch = "1/a :invoke :watch 1\n1/a :ok :watch [[1 \"x\" 10]]\n";
    check(
        watch,
        &known,
        expect![[r#"
        valid
    "#]],
    );
    let failed = "0/x :invoke :put 10\n0/x :fail :put 10\n";
    check(
        &format!("{failed}{watch}"),
        &known,
        expect![[r#"
        failed-put-delivered: Process 1's watch (events 2 to 3) was told that revision 1 set key "x" to 10, although process 0's put (events 0 to 1) failed.
        [0, 1] since event Some(3)
        1 watchers were told 1 events.
        Found in all: failed-put-delivered 1.
    "#]],
    );
}

/// Of a revision that sets two keys, a watcher of one knows all, and a watcher of both does not.
#[test]
fn no_more_up_to_a_revision_means_all_of_it() {
    let known = WatchOptions::default();
    let puts = "0/x :invoke :put 10\n0/x :ok :put 1\n2/y :invoke :put 20\n2/y :ok :put 1\n";
    let watch = |input: &str| {
        format!("1/a :invoke :watch {input}\n1/a :ok :watch [[1 \"x\" 10] [\"progress\" 1]]\n")
    };
    check(
        &format!("{puts}{}", watch("[1 \"x\"]")),
        &known,
        expect![[r#"
            valid
        "#]],
    );
    check(
        &format!("{puts}{}", watch("1")),
        &known,
        expect![[r#"
        missing-event: Process 1's watch (events 4 to 5) was told of a later revision, but its watcher was never told [1 "y"], which process 2's put (events 2 to 3) knows of.
        [1, 2] since event Some(5)
        1 watchers were told 1 events.
        Found in all: missing-event 1.
    "#]],
    );
}
