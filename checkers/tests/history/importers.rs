//! Files of others are read, or refused with an error that says where and why; nothing panics.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use squall_checkers::history::{
    Event, EventKind, Format, History, HistoryBuilder, ProcessReuse, Value, ValueRef, write_edn,
    write_json_lines,
};
use squall_checkers::{FailedCas, Limits, Model, Options, Verdict, check, check_linearizable};
use std::path::Path;

/// The verdict on a file of `testdata`, read in whatever format it is in.
fn check_file(name: &str, model: Model, failed_cas: FailedCas, expected: Expect) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(name);
    let bytes = std::fs::read(path).expect("the file is part of the crate");
    let history = History::read(&bytes, None).expect("a history");
    let options = Options {
        failed_cas,
        ..Options::default()
    };
    let verdict = check_linearizable(&history, model, &options).expect("the model fits");
    let told = match verdict {
        Verdict::Invalid(anomaly) => format!(
            "{}: {}\n{:?} since event {:?}\n{}\n",
            anomaly.class,
            anomaly.sentence,
            anomaly.witness,
            anomaly.first_bad_event,
            anomaly.explanation.join("\n")
        ),
        Verdict::Valid { .. } => "valid\n".to_owned(),
        Verdict::Unknown(why) | Verdict::Vacuous(why) => format!("{why}\n"),
    };
    expected.assert_eq(&told);
}

#[test]
fn a_log_of_a_register_whose_write_was_lost() {
    let (model, dropped) = (Model::CasRegister, FailedCas::Dropped);
    check_file(
        "lost-write.log",
        model,
        dropped,
        expect![[r#"
            stale-read: Process 0 read 1 (events 10 to 11) although process 2's cas from 1 to 2 had been acknowledged at event 6.
            [2, 5] since event Some(11)
            2 was there only after the read of 1 (events 10 to 11), for the one was swapped for the other; but that had not begun when the cas from 1 to 2 (events 4 to 6) returned.
        "#]],
    );
}

#[test]
fn a_history_that_a_failed_cas_makes_impossible() {
    let model = Model::CasRegister;
    check_file(
        "failed-cas.edn",
        model,
        FailedCas::Dropped,
        expect![[r#"
        valid
    "#]],
    );
    check_file(
        "failed-cas.edn",
        model,
        FailedCas::Observed,
        expect![[r#"
        impossible-cas-failure: Process 1's cas from 4 to 5 failed (0.004 s to 0.006 s) although the value cannot have been other than 4.
        [0, 1] since event Some(4)
        Everything before event 4 can be explained. There process 1's cas (operation 1) returns, and in no state that remains can it have happened:
        state 4: the value is 4, but the cas found another
    "#]],
    );
}

#[test]
fn a_map_whose_deleted_key_came_back() {
    check_file(
        "deleted-key.jsonl",
        Model::KvMap,
        FailedCas::Dropped,
        expect![[r#"
            stale-read: Process 1 read x = 1 (0.021 s to 0.024 s) although process 2's delete of x had been acknowledged at 0.018 s.
            [2, 4] since event Some(8)
            Everything before event 8 can be explained. There process 1's get (operation 4) returns, and in no state that remains can it have happened:
            state nil: the value is nil, but the read saw 1
        "#]],
    );
}

#[test]
fn what_proves_nothing_is_no_pass() {
    let options = Options::default();
    let read = |text: &str| History::read(text.as_bytes(), None).expect("a history");
    let verdict = check_linearizable(&read("0 :invoke :write 1"), Model::Register, &options);
    assert_eq!(verdict.map(|verdict| verdict.word()), Ok("vacuous"));
    let misfit =
        check_linearizable(&read("0 :invoke :txn [1]"), Model::Register, &options).unwrap_err();
    expect!["operation 0 (process 0, event 0): expected `read` or `write` of a register, but found `txn`"]
        .assert_eq(&misfit.to_string());
    let limits = Limits {
        configurations_max: 2,
        ..Limits::default()
    };
    let reads = [1, 2, 1, 2].map(|value| format!("4 :invoke :read\n4 :ok :read {value}\n"));
    let text = [
        "0 :invoke :write 1\n1 :invoke :write 1\n2 :invoke :write 2\n3 :invoke :write 2\n",
        &reads.concat(),
    ]
    .concat();
    let verdict = check_linearizable(
        &read(&text),
        Model::Register,
        &Options { limits, ..options },
    );
    expect![[r#"Ok(Unknown("the search met the limit of 2 configurations after event 9 of 12"))"#]]
        .assert_eq(&format!("{verdict:?}"));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        ".*".prop_map(Value::Text),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(inner.clone(), inner, 0..4).prop_map(Value::Map),
        ]
    })
}

/// Operations one after another.
fn history() -> impl Strategy<Value = History> {
    let kind = prop_oneof![
        Just(EventKind::Ok),
        Just(EventKind::Fail),
        Just(EventKind::Info)
    ];
    let key = value().prop_map(|key| Some(key).filter(|key| *key != Value::Nil));
    let error = prop::option::of(".*");
    let operation = (
        any::<u32>(),
        "[a-z:][a-z -]{0,8}",
        key,
        [value(), value()],
        kind,
        error,
    );
    prop::collection::vec(operation, 1..8).prop_map(|operations| {
        let mut events = Vec::new();
        for (process, f, key, [input, output], kind, error) in operations {
            let f = f.trim_start_matches(':').to_owned();
            let time_ns = u64::from(process) * 3;
            let process = u64::from(process);
            let invoke = Event {
                process,
                kind: EventKind::Invoke,
                f,
                key,
                value: input,
                time_ns,
                error: None,
            };
            let completion = Event {
                kind,
                value: output,
                error,
                ..invoke.clone()
            };
            events.extend([invoke, completion]);
        }
        History::from_events_with(events, ProcessReuse::AfterInfo).expect("a history")
    })
}

/// Bytes that look enough like a history to get far.
fn almost_a_history() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(r#"{"process":0,"type":"invoke","f":"read","value":["#),
        Just("{:process 0 :type :ok :f :read :value "),
        Just("0\t:invoke\t:write\t"),
        Just("#_ "),
        Just("#tag "),
        Just("["),
        Just("]"),
        Just("("),
        Just(")"),
        Just("{"),
        Just("}"),
        Just("\\"),
        Just("\\u12"),
        Just("\""),
        Just(":"),
        Just(";"),
        Just(","),
        Just("\n"),
        Just("-1"),
        Just("1e999"),
        Just("99999999999999999999N"),
        Just("é"),
        Just("nil"),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn read_every_way(bytes: &[u8]) {
    for format in [
        None,
        Some(Format::JsonLines),
        Some(Format::Edn),
        Some(Format::JepsenLog),
    ] {
        let Ok(history) = History::read(bytes, format) else {
            continue;
        };
        for model in Model::ALL {
            // Whether it fits or not, it must not panic.
            let _ = check(&history, model, &Options::default());
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_every_way(&bytes);
    }

    #[test]
    fn no_text_makes_a_reader_panic(bytes in almost_a_history()) {
        read_every_way(&bytes);
    }

    #[test]
    fn what_is_written_is_read_back(history in history()) {
        let json_lines = write_json_lines(&history);
        prop_assert_eq!(History::read(json_lines.as_bytes(), None), Ok(history.clone()));
        let edn = write_edn(&history);
        prop_assert_eq!(History::read(edn.as_bytes(), None), Ok(history));
    }
}

#[test]
fn histories_are_equal_if_all_of_each_event_is() {
    let read = |lines: &str| History::read(lines.as_bytes(), None).expect("a history");
    let event = |process: u64,
                 kind: &str,
                 f: &str,
                 key: &str,
                 value: &str,
                 time: u64,
                 error: &str| {
        format!(
            "{{:process {process} :type :{kind} :f :{f} :key {key} :value {value} :time {time} :error {error}}}\n"
        )
    };
    let begun = event(1, "invoke", "read", "x", "nil", 5, "nil");
    let whole = read(&(begun.clone() + &event(1, "ok", "read", "x", "7", 9, "nil")));
    assert_eq!(whole, whole.clone());
    assert_eq!(whole.events(), whole.clone().events());
    for other in [
        begun.clone(),
        begun.clone() + &event(1, "fail", "read", "x", "7", 9, "nil"),
        begun.clone() + &event(1, "ok", "read", "x", "8", 9, "nil"),
        begun.clone() + &event(1, "ok", "read", "x", "7", 8, "nil"),
        begun.clone() + &event(1, "ok", "read", "x", "7", 9, "late"),
        begun.replace('1', "2") + &event(2, "ok", "read", "x", "7", 9, "nil"),
        begun.replace("read", "get") + &event(1, "ok", "get", "x", "7", 9, "nil"),
        begun.replace(":key x", ":key y") + &event(1, "ok", "read", "y", "7", 9, "nil"),
    ] {
        let other = read(&other);
        assert_ne!(whole, other);
        assert_ne!(whole.events(), other.events());
    }
    let [first, second] = [0, 1].map(|index| whole.events().get(index).expect("two events"));
    let owned = whole.events().to_vec();
    assert!(first == owned[0] && first != owned[1] && second == owned[1]);
    assert_eq!(whole.events().get(2), None);
    assert!(!whole.events().is_empty() && History::default().events().is_empty());
    assert_eq!(whole.events().iter().nth(1), Some(second));
    assert_eq!(whole.events().iter().next_back(), Some(second));
    assert_eq!(whole.operations().iter().next().map(|it| it.id), Some(0));
    assert!(whole.operations().iter().nth(1).is_none());
}

#[test]
fn values_of_jepsens_independent_workloads_are_keys_and_values() {
    let text = "0 :invoke :write [x 1]\n0 :ok :write [x 1]\n0 :invoke :read 5\n0 :ok :read [1 2 3]";
    let history = History::read(text.as_bytes(), None).expect("a history");
    let keyed = history.keyed_by_value().expect("keys that agree");
    let (write, read) = (keyed.operation(0), keyed.operation(1));
    assert_eq!(
        (write.key, write.input),
        (Some(ValueRef::Text("x")), ValueRef::Int(1))
    );
    assert_eq!((read.key, read.input), (None, ValueRef::Int(5)));
}

#[test]
fn operations_and_the_elements_of_lists_are_counted_from_both_ends() {
    let text = "0 :invoke :read\n0 :ok :read [1 2 3]\n1 :invoke :read\n1 :ok :read";
    let history = History::read(text.as_bytes(), None).expect("a history");
    let operations = history.operations();
    assert_eq!(operations.get(1).map(|operation| operation.id), Some(1));
    assert_eq!(operations.get(2), None);
    assert_eq!(operations.iter().nth(1), operations.get(1));
    let list = operations
        .get(0)
        .and_then(|operation| operation.output.as_list());
    let mut elements = list.expect("a list").iter();
    assert_eq!(elements.next(), Some(ValueRef::Int(1)));
    assert_eq!(elements.len(), 2);
    assert_eq!(elements.next_back(), Some(ValueRef::Int(3)));
    assert_eq!(elements.len(), 1);
}

#[test]
fn a_builder_is_empty_until_an_event_came() {
    let mut builder = HistoryBuilder::new(ProcessReuse::Refused);
    assert!(builder.is_empty());
    let event = Event {
        process: 0,
        kind: EventKind::Invoke,
        f: "read".to_owned(),
        key: None,
        value: Value::Nil,
        time_ns: 0,
        error: None,
    };
    builder.push(event).expect("it comes first");
    assert_eq!((builder.is_empty(), builder.len()), (false, 1));
}
