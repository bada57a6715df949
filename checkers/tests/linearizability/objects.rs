//! Each object accepts what it can have done, and rejects what it cannot.

use expect_test::{Expect, expect};
use squall_checkers::history::{History, Value};
use squall_checkers::specs::{Priority, PriorityQueue, Semaphore};
use squall_checkers::{Model, Options, Verdict, check};
use std::collections::BTreeMap;

fn verdict(model: Model, options: &Options, lines: &str) -> Verdict {
    let history = History::read(lines.as_bytes(), None).expect("a history");
    check(&history, model, options).expect("operations of the model")
}

fn accepts_with(model: Model, options: &Options, lines: &str) {
    let verdict = verdict(model, options, lines);
    assert!(
        matches!(verdict, Verdict::Valid { .. }),
        "{lines}\n{verdict:#?}"
    );
}

fn accepts(model: Model, lines: &str) {
    accepts_with(model, &Options::default(), lines);
}

fn rejects_with(model: Model, options: &Options, lines: &str, expected: Expect) {
    let Verdict::Invalid(anomaly) = verdict(model, options, lines) else {
        panic!("{lines}\nis impossible");
    };
    let reasons = anomaly.explanation.join("\n");
    expected.assert_eq(&format!(
        "{}: {}\n{reasons}",
        anomaly.class, anomaly.sentence
    ));
}

fn rejects(model: Model, lines: &str, expected: Expect) {
    rejects_with(model, &Options::default(), lines, expected);
}

fn refuses(model: Model, lines: &str, expected: Expect) {
    let history = History::read(lines.as_bytes(), None).expect("a history");
    let error = check(&history, model, &Options::default()).expect_err("nobody answers so");
    expected.assert_eq(&error.to_string());
}

/// Operations one after another: `process f input output`, or without output what never returned.
fn serial(operations: &[&str]) -> String {
    let lines = operations.iter().map(|operation| {
        let parts: Vec<&str> = operation.split(' ').collect();
        match parts[..] {
            [process, f, input] => format!("{process} :invoke :{f} {input}\n"),
            [process, f, input, output] => {
                format!("{process} :invoke :{f} {input}\n{process} :ok :{f} {output}\n")
            }
            _ => panic!("{operation}"),
        }
    });
    lines.collect()
}

#[test]
fn register() {
    rejects(
        Model::Register,
        &serial(&["0 write 1 1", "0 write 2 2", "1 read nil 1"]),
        expect![[r#"
            stale-read: Process 1 read 1 (events 4 to 5) although process 0's write of 2 had been acknowledged at event 3.
            From event 1 (a write of 1 returned) to event 4 (a read of 1 began) the register held value 1; but the write of 2 (events 2 to 3) lies wholly in that time."#]],
    );
    rejects(
        Model::Register,
        &serial(&["0 write 1 1", "1 read nil nil"]),
        expect![[r#"
            stale-read: Process 1 read nil (events 2 to 3) although process 0's write of 1 had been acknowledged at event 1.
            Until event 2 (a read of nil began) the register held the initial value nil; but the write of 1 (events 0 to 1) lies wholly in that time."#]],
    );
}

/// The read alone is impossible, but the sentence speaks of the failed write too.
#[test]
fn what_is_named_without_need_is_not_said_to_be_needed() {
    let read = "1 :invoke :read\n1 :ok :read 7";
    let failed = "0 :invoke :write 7\n0 :fail :write 7";
    let witness = |lines: &str| match verdict(Model::Register, &Options::default(), lines) {
        Verdict::Invalid(anomaly) => (anomaly.witness, anomaly.minimal),
        other => panic!("{other:?}"),
    };
    assert_eq!(witness(read), (vec![0], true));
    assert_eq!(witness(&format!("{failed}\n{read}")), (vec![0, 1], false));
}

#[test]
fn cas_register() {
    // The first read is of the compare-and-set that returns first, the other comes after the write.
    for invoked in [
        "0 :invoke :cas [nil 1]\n1 :invoke :cas [nil 1]",
        "1 :invoke :cas [nil 1]\n0 :invoke :cas [nil 1]",
    ] {
        let then = "2 :invoke :read nil\n2 :ok :read 1\n0 :ok :cas [nil 1]\n3 :invoke :write nil\n3 :ok :write nil\n1 :ok :cas [nil 1]";
        accepts(Model::CasRegister, &format!("{invoked}\n{then}"));
    }
    // Nobody brings the value that it finds but itself.
    rejects(
        Model::CasRegister,
        "0 :invoke :cas [5 5]\n0 :ok :cas [5 5]",
        expect![[r#"
            impossible-cas: Process 0's cas from 5 to 5 found 5 (events 0 to 1) although nobody had begun to write that value.
            Everything before event 1 can be explained. There process 0's cas (operation 0) returns, and in no state that remains can it have happened:
            state nil: the value is nil, but the cas found 5"#]],
    );
    rejects(
        Model::CasRegister,
        "0 :invoke :cas [1 2]\n1 :invoke :cas [2 3]\n2 :invoke :cas [3 1]\n1 :ok :cas [2 3]",
        expect![[r#"
            impossible-cas: Process 1's cas from 2 to 3 succeeded (events 1 to 3) although the value cannot have been 2.
            Each of 3 values was there only after the next, and the last only after the first: none ever was, but the cas from 2 to 3 (events 1 to 3) found one."#]],
    );
    // Both the read and the swap came after both writes: only one of them can have found what it says.
    rejects(
        Model::CasRegister,
        "0 :invoke :write 5\n1 :invoke :write 1\n1 :ok :write 1\n0 :ok :write 5\n2 :invoke :read\n1 :invoke :cas [1 2]\n1 :ok :cas [1 2]\n2 :ok :read 5",
        expect![[r#"
            impossible-cas: From event 2 (a write of 1 returned) to event 5 (a cas from 1 to 2 began) the register held values of one chain of cas (1 and 2 among them); but it held value 5 from event 3 (a write of 5 returned) to event 4 (a read of 5 began).
        "#]],
    );
    rejects(
        Model::CasRegister,
        "0 :invoke :cas [nil 3]\n0 :fail :cas [nil 3]\n1 :invoke :read\n1 :ok :read 3",
        expect![[r#"
            failed-write-read: Process 1 read 3 (events 2 to 3) although it was only in process 0's cas, which failed at event 1.
            Nobody had begun to write 3, but the read of 3 (events 2 to 3) found it."#]],
    );
}

#[test]
fn fifo_queue() {
    accepts(
        Model::FifoQueue,
        &serial(&[
            "0 enqueue 1 1",
            "0 enqueue 2 2",
            "1 dequeue nil 1",
            "1 dequeue nil 2",
            "1 dequeue nil nil",
        ]),
    );
    // Whoever dequeued 1 did not live to tell.
    accepts(
        Model::FifoQueue,
        &serial(&[
            "0 enqueue 1 1",
            "0 enqueue 2 2",
            "1 dequeue nil",
            "2 dequeue nil 2",
        ]),
    );
    rejects(
        Model::FifoQueue,
        &serial(&[
            "0 enqueue 1 1",
            "0 enqueue 2 2",
            "1 dequeue nil 2",
            "1 dequeue nil 1",
        ]),
        expect![[r#"
            lost-value: 1 was enqueued (by event 1) before the enqueue of 2 began (at event 2), and the dequeue of 2 (events 4 to 5) returned; but nobody ever got 1.
        "#]],
    );
    rejects(
        Model::FifoQueue,
        &serial(&["0 enqueue 1 1", "0 enqueue 2 2", "1 dequeue nil 2"]),
        expect![[r#"
            lost-value: 1 was enqueued (by event 1) before the enqueue of 2 began (at event 2), and the dequeue of 2 (events 4 to 5) returned; but nobody ever got 1.
        "#]],
    );
    rejects(
        Model::FifoQueue,
        &serial(&["0 enqueue 1 1", "1 dequeue nil 1", "2 dequeue nil 1"]),
        expect![[r#"
            duplicate-dequeue: Value 1 was enqueued once, but both the dequeue of 1 (events 2 to 3) and the dequeue of 1 (events 4 to 5) returned it.
        "#]],
    );
    rejects(
        Model::FifoQueue,
        &serial(&["0 enqueue 1 1", "1 dequeue nil 2"]),
        expect![[r#"
            dequeue-from-nowhere: Nobody had begun to enqueue 2, but the dequeue of 2 (events 2 to 3) returned it.
        "#]],
    );
    rejects(
        Model::FifoQueue,
        &serial(&["0 enqueue 1 1", "1 dequeue nil nil", "1 dequeue nil 1"]),
        expect![[r#"
            impossible-empty: The queue was never empty during the dequeue that found nothing (events 2 to 3): 1 was in it from event 1 (its enqueue returned) on.
        "#]],
    );
    // One dequeue never returned, and took 1 after the other had begun, which found nothing before 2 came.
    accepts(
        Model::FifoQueue,
        "0 :invoke :enqueue 1\n0 :ok :enqueue 1\n1 :invoke :dequeue nil\n2 :invoke :dequeue nil\n0 :invoke :enqueue 2\n0 :ok :enqueue 2\n1 :ok :dequeue nil\n0 :invoke :dequeue nil\n0 :ok :dequeue 2",
    );
    // The same value twice: the general search decides.
    rejects(
        Model::FifoQueue,
        &serial(&[
            "0 enqueue 1 1",
            "0 enqueue 1 1",
            "0 enqueue 2 2",
            "1 dequeue nil 1",
            "1 dequeue nil 2",
        ]),
        expect![[r#"
            non-linearizable: No order of the operations explains process 1's dequeue -> 2 together with all that was seen before.
            Everything before event 9 can be explained. There process 1's dequeue (operation 4) returns, and in no state that remains can it have happened:
            state [1 2]: the queue is [1 2], but 2 was taken"#]],
    );
}

#[test]
fn stack() {
    accepts(
        Model::Stack,
        &serial(&[
            "0 push 1 1",
            "0 push 2 2",
            "1 pop nil 2",
            "1 pop nil 1",
            "1 pop nil nil",
        ]),
    );
    rejects(
        Model::Stack,
        &serial(&["0 push 1 1", "0 push 2 2", "1 pop nil 1"]),
        expect![[r#"
            pop-out-of-order: None of these can have been the lowest of them: 1 was pushed (events 0 to 1) and popped (events 4 to 5); 2 was pushed (events 2 to 3) and never popped.
        "#]],
    );
}

#[test]
fn priority_queue() {
    let largest = Options {
        priority_queue: PriorityQueue {
            first: Priority::Largest,
        },
        ..Options::default()
    };
    let inserts = ["0 insert 2 2", "0 insert 1 1", "0 insert 2 2"];
    let and_polls = |values: [i64; 2]| {
        let polls = values.map(|value| format!("1 poll nil {value}"));
        let polls = polls.iter().map(String::as_str);
        serial(&inserts.into_iter().chain(polls).collect::<Vec<&str>>())
    };
    accepts(Model::PriorityQueue, &and_polls([1, 2]));
    accepts_with(Model::PriorityQueue, &largest, &and_polls([2, 2]));
    rejects(
        Model::PriorityQueue,
        &and_polls([2, 1]),
        expect![[r#"
        non-linearizable: No order of the operations explains process 1's poll -> 2 together with all that was seen before.
        Everything before event 7 can be explained. There process 1's poll (operation 3) returns, and in no state that remains can it have happened:
        state [1 2 2]: the priority queue is [1 2 2], but 2 was taken"#]],
    );
    rejects_with(
        Model::PriorityQueue,
        &largest,
        &and_polls([2, 1]),
        expect![[r#"
            non-linearizable: No order of the operations explains process 1's poll -> 1 together with all that was seen before.
            Everything before event 9 can be explained. There process 1's poll (operation 4) returns, and in no state that remains can it have happened:
            state [1 2]: the priority queue is [1 2], but 1 was taken"#]],
    );
}

#[test]
fn element_set() {
    accepts(
        Model::ElementSet,
        &serial(&[
            "0 add 1 true",
            "1 add 1 false",
            "1 contains 2 false",
            "0 remove 1 1",
            "1 remove 1 false",
            "1 contains 1 false",
        ]),
    );
    // An addition that crashed may have come at any later time.
    accepts(
        Model::ElementSet,
        &serial(&["0 add 1", "1 contains 1 false", "1 contains 1 true"]),
    );
    rejects(
        Model::ElementSet,
        &serial(&[
            "0 add 1 1",
            "0 add 2 2",
            "1 remove 1 1",
            "1 contains 1 true",
        ]),
        expect![[r#"
            non-linearizable: No order of the operations explains process 1's contains 1 -> true together with all that was seen before.
            Everything before event 7 can be explained. There process 1's contains (operation 3) returns, and in no state that remains can it have happened:
            state absent: the element is absent, but was found present"#]],
    );
    rejects(
        Model::ElementSet,
        &serial(&["0 add 1 true", "1 add 1 true"]),
        expect![[r#"
            non-linearizable: No order of the operations explains process 1's add 1 -> true together with all that was seen before.
            Everything before event 3 can be explained. There process 1's add (operation 1) returns, and in no state that remains can it have happened:
            state present: the element is present, but was found absent"#]],
    );
    refuses(
        Model::ElementSet,
        &serial(&["0 contains 1 5"]),
        expect![
            "operation 0 (process 0, event 0): expected `contains` to return a boolean, but found `contains` -> 5"
        ],
    );
}

/// What repeats the element says nothing, even where the element could be taken for an answer.
#[test]
fn a_set_of_booleans() {
    accepts(
        Model::ElementSet,
        &serial(&["0 add true true", "0 add true true", "0 contains true true"]),
    );
    accepts(
        Model::ElementSet,
        &serial(&["0 add false true", "0 add false false"]),
    );
}

#[test]
fn grow_only_set() {
    accepts(
        Model::GrowOnlySet,
        "0 :invoke :add 1\n1 :invoke :add 2\n2 :invoke :read nil\n2 :ok :read [2]\n0 :ok :add 1\n2 :invoke :read nil\n2 :ok :read [1 2]\n1 :info :add 2",
    );
    rejects(
        Model::GrowOnlySet,
        "0 :invoke :add 1\n0 :ok :add 1\n2 :invoke :read nil\n2 :ok :read []",
        expect![[r#"
            stale-read: Element 1 had been added by event 1, but the read (events 2 to 3) does not show it.
        "#]],
    );
    rejects(
        Model::GrowOnlySet,
        "0 :invoke :add 1\n1 :invoke :add 2\n2 :invoke :read nil\n3 :invoke :read nil\n2 :ok :read [2]\n3 :ok :read [1]",
        expect![[r#"
            incomparable-reads: The read (events 2 to 4) shows 2 but not 1, and the read (events 3 to 5) shows the second but not the first.
        "#]],
    );
    rejects(
        Model::GrowOnlySet,
        "2 :invoke :read nil\n2 :ok :read [7]\n0 :invoke :add 7\n0 :ok :add 7",
        expect![[r#"
            unexpected-element: Nobody had begun to add 7, but the read (events 0 to 1) shows it.
        "#]],
    );
}

#[test]
fn append_log() {
    accepts(
        Model::AppendLog,
        "0 :invoke :append 1\n1 :invoke :append 2\n2 :invoke :read nil\n2 :ok :read [2]\n0 :ok :append 1\n2 :invoke :read nil\n2 :ok :read [2 1]",
    );
    rejects(
        Model::AppendLog,
        "0 :invoke :append 1\n0 :ok :append 1\n1 :invoke :append 2\n1 :ok :append 2\n2 :invoke :read nil\n2 :ok :read [2 1]",
        expect![[r#"
            append-out-of-order: The addition of 1 (events 0 to 1) had returned before the addition of 2 (from event 2 on) began, but the read (events 4 to 5) shows them the other way round.
        "#]],
    );
    rejects(
        Model::AppendLog,
        "0 :invoke :append 1\n1 :invoke :append 2\n2 :invoke :read nil\n2 :ok :read [2 1]\n2 :invoke :read nil\n2 :ok :read [1 2]",
        expect![[r#"
            incomparable-reads: The read (events 2 to 3) shows 2 at place 0, but the read (events 4 to 5) shows 1 there.
        "#]],
    );
    rejects(
        Model::AppendLog,
        "0 :invoke :append 1\n2 :invoke :read nil\n2 :ok :read [1 1]",
        expect![[r#"
            duplicate-element: Element 1 was appended once, but the read (events 1 to 2) shows it twice.
        "#]],
    );
}

#[test]
fn mutex() {
    accepts(
        Model::Mutex,
        &serial(&[
            "0 acquire nil nil",
            "1 acquire nil false",
            "1 release nil nil",
            "1 acquire nil nil",
        ]),
    );
    accepts(
        Model::Mutex,
        &serial(&["0 acquire nil nil", "0 release nil", "1 acquire nil nil"]),
    );
    rejects(
        Model::Mutex,
        &serial(&["0 acquire nil nil", "1 acquire nil nil"]),
        expect![[r#"
            non-linearizable: No order of the operations explains process 1's acquire together with all that was seen before.
            Everything before event 3 can be explained. There process 1's acquire (operation 1) returns, and in no state that remains can it have happened:
            state held: the mutex is held, but was acquired"#]],
    );
    rejects(
        Model::Mutex,
        &serial(&["1 release nil nil"]),
        expect![[r#"
        non-linearizable: No order of the operations explains process 1's release together with all that was seen before.
        Everything before event 1 can be explained. There process 1's release (operation 0) returns, and in no state that remains can it have happened:
        state free: the mutex is free, but was released"#]],
    );
    rejects(
        Model::Mutex,
        &serial(&["0 acquire nil false"]),
        expect![[r#"
            non-linearizable: No order of the operations explains process 0's acquire -> false together with all that was seen before.
            Everything before event 1 can be explained. There process 0's acquire (operation 0) returns, and in no state that remains can it have happened:
            state free: the mutex is free, but the acquire found it held"#]],
    );
}

#[test]
fn lock() {
    accepts(
        Model::Lock,
        &serial(&[
            "0 acquire nil 3",
            "1 acquire nil false",
            "0 release nil nil",
            "1 acquire nil 4",
        ]),
    );
    // The lease ran out.
    accepts(
        Model::Lock,
        &serial(&["0 acquire nil 3", "9 expire 3 3", "1 acquire nil 4"]),
    );
    // The lease had run out, but nobody took the lock away.
    accepts(
        Model::Lock,
        &serial(&["0 acquire nil 3", "9 expire 3 3", "0 release nil nil"]),
    );
    rejects(
        Model::Lock,
        &serial(&["0 acquire nil 3", "9 expire 2", "1 acquire nil 4"]),
        expect![[r#"
            non-linearizable: No order of the operations explains process 1's acquire -> 4 together with all that was seen before.
            Everything before event 4 can be explained. There process 1's acquire (operation 2) returns, and in no state that remains can it have happened:
            state held by process 0, last token 3: the lock is held by process 0, last token 3, but process 1 acquired it"#]],
    );
    rejects(
        Model::Lock,
        &serial(&["0 acquire nil 3", "0 release nil nil", "1 acquire nil 3"]),
        expect![[r#"
            non-linearizable: No order of the operations explains process 1's acquire -> 3 together with all that was seen before.
            Everything before event 5 can be explained. There process 1's acquire (operation 2) returns, and in no state that remains can it have happened:
            state free, last token 3: the lock is free, last token 3, but the next token was 3"#]],
    );
    rejects(
        Model::Lock,
        &serial(&["0 acquire nil 3", "1 release nil nil"]),
        expect![[r#"
            non-linearizable: No order of the operations explains process 1's release together with all that was seen before.
            Everything before event 3 can be explained. There process 1's release (operation 1) returns, and in no state that remains can it have happened:
            state held by process 0, last token 3: the lock is held by process 0, last token 3, but process 1 released it"#]],
    );
    // Of an expiry that names no lease, and of a lease whose token nobody saw, anything may be true.
    accepts(
        Model::Lock,
        &serial(&["0 acquire nil 3", "9 expire nil", "1 acquire nil 4"]),
    );
    accepts(
        Model::Lock,
        &serial(&["0 acquire nil true", "9 expire 2", "1 acquire nil 4"]),
    );
    rejects(
        Model::Lock,
        &serial(&["0 acquire nil false"]),
        expect![[r#"
            non-linearizable: No order of the operations explains process 0's acquire -> false together with all that was seen before.
            Everything before event 1 can be explained. There process 0's acquire (operation 0) returns, and in no state that remains can it have happened:
            state free: the lock is free, but the acquire found it held"#]],
    );
    // Who asks with a name may get that back.
    accepts(Model::Lock, &serial(&["0 acquire \"me\" \"me\""]));
    refuses(
        Model::Lock,
        &serial(&["0 acquire nil \"yes\""]),
        expect![[
            r#"operation 0 (process 0, event 0): expected `acquire` to return a token, a boolean or nil, but found `acquire` -> "yes""#
        ]],
    );
    refuses(
        Model::Lock,
        &serial(&["0 expire \"all\""]),
        expect![[
            r#"operation 0 (process 0, event 0): expected `expire` of a token or nil, but found `expire` of "all""#
        ]],
    );
}

#[test]
fn semaphore() {
    let two = Options {
        semaphore: Semaphore { permits: 2 },
        ..Options::default()
    };
    accepts_with(
        Model::Semaphore,
        &two,
        &serial(&[
            "0 acquire 2 2",
            "1 acquire nil false",
            "0 release 1 1",
            "1 acquire nil nil",
        ]),
    );
    accepts_with(
        Model::Semaphore,
        &two,
        &serial(&["0 acquire 2 2", "0 release 2 2", "1 acquire 2 2"]),
    );
    // There was just enough.
    rejects_with(
        Model::Semaphore,
        &two,
        &serial(&["0 acquire 2 false"]),
        expect![[r#"
            non-linearizable: No order of the operations explains process 0's acquire 2 -> false together with all that was seen before.
            Everything before event 1 can be explained. There process 0's acquire (operation 0) returns, and in no state that remains can it have happened:
            state 2: 2 permits are left, but the acquire of 2 found too few"#]],
    );
    rejects_with(
        Model::Semaphore,
        &two,
        &serial(&["0 acquire 2 2", "1 acquire nil nil"]),
        expect![[r#"
            non-linearizable: No order of the operations explains process 1's acquire together with all that was seen before.
            Everything before event 3 can be explained. There process 1's acquire (operation 1) returns, and in no state that remains can it have happened:
            state 0: 0 permits are left, but 1 were acquired"#]],
    );
    rejects_with(
        Model::Semaphore,
        &two,
        &serial(&["0 release nil nil"]),
        expect![[r#"
            non-linearizable: No order of the operations explains process 0's release together with all that was seen before.
            Everything before event 1 can be explained. There process 0's release (operation 0) returns, and in no state that remains can it have happened:
            state 2: 2 of 2 permits are left, but 1 more were released"#]],
    );
}

#[test]
fn counter() {
    accepts(
        Model::Counter,
        &serial(&[
            "0 add 5 5",
            "1 fetch-add 2 5",
            "1 add-and-get -1 6",
            "0 decrement nil nil",
            "1 read nil 5",
        ]),
    );
    accepts(
        Model::Counter,
        &serial(&["0 add 5", "1 read nil 0", "1 read nil 5"]),
    );
    // The two additions of 1 come to 2 as well, but then none of them is left for the second read.
    accepts(
        Model::Counter,
        &serial(&[
            "0 add 1",
            "1 add 1",
            "2 add 2",
            "3 read nil 2",
            "3 read nil 3",
        ]),
    );
    let seven = Options {
        initial: 7.into(),
        ..Options::default()
    };
    accepts_with(Model::Counter, &seven, &serial(&["0 fetch-add 1 7"]));
    rejects_with(
        Model::Counter,
        &seven,
        &serial(&["0 add-and-get 1 1"]),
        expect![[r#"
            non-linearizable: No order of the operations explains process 0's add-and-get 1 together with all that was seen before.
            Everything before event 1 can be explained. There process 0's add-and-get (operation 0) returns, and in no state that remains can it have happened:
            state 7: the counter is 7, but was found at 0"#]],
    );
    refuses(
        Model::Counter,
        &serial(&["0 multiply 2 2"]),
        expect![
            "operation 0 (process 0, event 0): expected `add`, `increment`, `decrement`, `add-and-get`, `fetch-add` of an integer, or `read`, but found `multiply`"
        ],
    );
    rejects(
        Model::Counter,
        &serial(&["0 add 5 5", "1 read nil 4"]),
        expect![[r#"
            non-linearizable: No order of the operations explains process 1's read -> 4 together with all that was seen before.
            Everything before event 3 can be explained. There process 1's read (operation 1) returns, and in no state that remains can it have happened:
            state 5: the counter is 5, but was found at 4"#]],
    );
    // Only states that explain the first read are told.
    rejects(
        Model::Counter,
        &serial(&["0 add 1", "1 add 2", "2 read nil 1", "2 read nil 5"]),
        expect![[r#"
            non-linearizable: No order of the operations explains process 2's read -> 5 together with all that was seen before.
            Everything before event 5 can be explained. There process 2's read (operation 3) returns, and in no state that remains can it have happened:
            state 1: the counter is 1, but was found at 5
            state 3: the counter is 3, but was found at 5"#]],
    );
    rejects(
        Model::Counter,
        &serial(&["0 fetch-add 1 0", "1 fetch-add 1 0"]),
        expect![[r#"
            non-linearizable: No order of the operations explains process 1's fetch-add 1 -> 0 together with all that was seen before.
            Everything before event 3 can be explained. There process 1's fetch-add (operation 1) returns, and in no state that remains can it have happened:
            state 1: the counter is 1, but was found at 0"#]],
    );
}

#[test]
fn id_allocator() {
    accepts(
        Model::IdAllocator,
        "0 :invoke :generate nil\n1 :invoke :generate nil\n0 :ok :generate 9\n1 :ok :generate 8\n2 :invoke :generate nil\n2 :ok :generate 12",
    );
    rejects(
        Model::IdAllocator,
        &serial(&["0 generate nil 9", "1 generate nil 8"]),
        expect![[r#"
            non-linearizable: No order of the operations explains process 1's generate -> 8 together with all that was seen before.
            Everything before event 3 can be explained. There process 1's generate (operation 1) returns, and in no state that remains can it have happened:
            state 9: the last id is 9, but the next was 8"#]],
    );
    rejects(
        Model::IdAllocator,
        "0 :invoke :generate nil\n1 :invoke :generate nil\n0 :ok :generate 9\n1 :ok :generate 9",
        expect![[r#"
            non-linearizable: No order of the operations explains process 1's generate -> 9 together with all that was seen before.
            Everything before event 3 can be explained. There process 1's generate (operation 1) returns, and in no state that remains can it have happened:
            state 9: the last id is 9, but the next was 9"#]],
    );
}

#[test]
fn multi_register() {
    let zero = Options {
        initial: Value::Map(BTreeMap::from(
            ["x", "y"].map(|name| (name.into(), 0.into())),
        )),
        ..Options::default()
    };
    let txn = |process: u32, asked: &str, answered: &str| {
        let event = |kind: &str, value: &str| {
            format!(r#"{{"process":{process},"type":"{kind}","f":"txn","value":{value}}}"#)
        };
        let ended = if answered.is_empty() {
            String::new()
        } else {
            event("ok", answered) + "\n"
        };
        event("invoke", asked) + "\n" + &ended
    };
    let read = r#"[["read","x",null],["r","y",null]]"#;
    let seen = |x: i64, y: i64| format!(r#"[["read","x",{x}],["r","y",{y}]]"#);
    let write = r#"[["w","x",1],["write","y",2]]"#;
    let both = txn(0, write, write) + &txn(1, read, &seen(1, 2));
    accepts_with(Model::MultiRegister, &zero, &both);
    let maybe = txn(0, write, "") + &txn(1, read, &seen(0, 0)) + &txn(1, read, &seen(1, 2));
    accepts_with(Model::MultiRegister, &zero, &maybe);
    let half = txn(0, write, "") + &txn(1, read, &seen(1, 0));
    rejects_with(
        Model::MultiRegister,
        &zero,
        &half,
        expect![[r#"
        non-linearizable: No order of the operations explains process 1's txn [["read" "x" nil] ["r" "y" nil]] -> [["read" "x" 1] ["r" "y" 0]] together with all that was seen before.
        Everything before event 2 can be explained. There process 1's txn (operation 1) returns, and in no state that remains can it have happened:
        state {"x" 0, "y" 0}: "x" is 0, but the read saw 1
        state {"x" 1, "y" 2}: "y" is 2, but the read saw 0"#]],
    );
}

#[test]
fn a_transaction_answers_what_it_was_asked() {
    let txn = |kind: &str, steps: &str| {
        format!(r#"{{"process":0,"type":"{kind}","f":"txn","value":{steps}}}"#) + "\n"
    };
    let asked = txn("invoke", r#"[["r","x",null],["w","y",1]]"#);
    for answered in [
        r#"[["r","z",null],["w","y",1]]"#,
        r#"[["w","x",null],["w","y",1]]"#,
        r#"[["r","x",null]]"#,
    ] {
        let history = History::read((asked.clone() + &txn("ok", answered)).as_bytes(), None);
        let verdict = check(
            &history.expect("a history"),
            Model::MultiRegister,
            &Options::default(),
        );
        assert!(verdict.is_err(), "{answered}: {verdict:?}");
    }
}

#[test]
fn kv_map() {
    let of_x = |kind: &str, f: &str, value: &str| {
        format!(r#"{{"process":0,"type":"{kind}","f":"{f}","key":"x","value":{value}}}"#) + "\n"
    };
    let done = |f: &str, value: &str| of_x("invoke", f, value) + &of_x("ok", f, value);
    let got = |value: &str| of_x("invoke", "get", "null") + &of_x("ok", "get", value);
    accepts(
        Model::KvMap,
        &(done("put", "1") + &done("delete", "null") + &got("null")),
    );
    rejects(
        Model::KvMap,
        &(done("put", "1") + &done("put", "null") + &got("1")),
        expect![[r#"
            stale-read: Process 0 read x = 1 (events 4 to 5) although process 0's put of x = nil had been acknowledged at event 3.
            Everything before event 5 can be explained. There process 0's get (operation 2) returns, and in no state that remains can it have happened:
            state nil: the value is nil, but the read saw 1"#]],
    );
    rejects(
        Model::KvMap,
        &(done("put", "1") + &done("delete", "null") + &got("1")),
        expect![[r#"
            stale-read: Process 0 read x = 1 (events 4 to 5) although process 0's delete of x had been acknowledged at event 3.
            Everything before event 5 can be explained. There process 0's get (operation 2) returns, and in no state that remains can it have happened:
            state nil: the value is nil, but the read saw 1"#]],
    );
    refuses(
        Model::KvMap,
        &done("erase", "null"),
        expect![
            "operation 0 (process 0, event 0): expected `get`, `put`, `cas` or `delete` of a key, but found `erase`"
        ],
    );
    refuses(
        Model::KvMap,
        &serial(&["0 get nil 1"]),
        expect![
            "operation 0 (process 0, event 0): expected `get`, `put`, `cas` or `delete` of a key, but found `get` without a key"
        ],
    );
}
