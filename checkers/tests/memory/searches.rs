//! A search holds no more than it may, whatever takes the room.

use super::{IN_USE, PEAK, alone};
use squall_checkers::history::{History, Value};
use squall_checkers::linearizability::{Limits, Method, Strategy, check_with};
use squall_checkers::spec::Spec;
use squall_checkers::specs::{AppendLog, Counter, MultiRegister, Register};
use std::sync::atomic::Ordering;

/// What the search says within so many bytes beside the history, and how many it held at most.
fn searched<S: Spec>(spec: &S, history: &History, bytes: u64) -> (&'static str, u64) {
    let method = Method {
        strategy: Strategy::General,
        limits: Limits {
            memory_bytes_max: history.bytes() as u64 + bytes,
            ..Limits::default()
        },
        ..Method::default()
    };
    let before = IN_USE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let report = check_with(spec, history, &method).expect("operations of the specification");
    let peak = PEAK.load(Ordering::Relaxed) - before;
    (report.verdict.word(), peak as u64)
}

/// Every limit in KiB is kept. The least is too little for a verdict, and the last leads to this one.
fn require<S: Spec>(spec: &S, lines: &[String], limits: &[u64], last: &str) {
    let history = History::read(lines.join("\n").as_bytes(), None).expect("a history");
    let words = limits.iter().map(|kibibytes| {
        let limit = kibibytes << 10;
        let (word, peak) = searched(spec, &history, limit);
        assert!(peak < limit + limit / 4, "{peak} bytes within {limit}");
        word
    });
    let words: Vec<&str> = words.collect();
    assert_eq!(
        (words[0], words[words.len() - 1]),
        ("unknown", last),
        "{words:?}"
    );
}

fn done(process: usize, f: &str, value: usize) -> String {
    format!("{process} :invoke :{f} {value}\n{process} :ok :{f} {value}")
}

#[test]
fn a_search_through_a_long_history() {
    let _alone = alone();
    let f = |number: usize| {
        if number.is_multiple_of(2) {
            "write"
        } else {
            "read"
        }
    };
    let lines = (0..20_000).map(|number| done(0, f(number), number / 2 % 5));
    let lines: Vec<String> = lines.collect();
    let limits = [500, 1000, 2000, 4000];
    require(&Register::default(), &lines, &limits, "valid");
}

#[test]
fn a_search_through_operations_that_all_differ() {
    let _alone = alone();
    let lines: Vec<String> = (0..20_000).map(|number| done(0, "add", number)).collect();
    let limits = [1000, 1300, 1700, 20_000];
    require(&Counter::default(), &lines, &limits, "valid");
}

/// Of each configuration it is kept what has been used.
#[test]
fn a_search_through_all_that_may_have_happened() {
    let _alone = alone();
    let add = |number: usize| format!("{number} :invoke :add {}", 2_u64 << number);
    let mut lines: Vec<String> = (0..20).map(add).collect();
    lines.push(done(100, "read", 1));
    let limits = [300, 700];
    require(&Counter::default(), &lines, &limits, "unknown");
}

#[test]
fn a_search_through_all_that_is_open() {
    let _alone = alone();
    let add = |number: usize, kind: &str| format!("{number} :{kind} :add {}", 2 << number);
    let mut lines: Vec<String> = (0..16).map(|number| add(number, "invoke")).collect();
    lines.push(done(100, "read", 1));
    lines.extend((0..16).map(|number| add(number, "ok")));
    let limits = [500, 600, 700, 800, 1000];
    require(&Counter::default(), &lines, &limits, "unknown");
}

/// The operations alone are more than the states.
#[test]
fn a_search_that_few_operations_concern() {
    let _alone = alone();
    let long = "x".repeat(10_000);
    let append = |number: usize| format!("{number} :invoke :append \"{number}{long}\"");
    let mut lines: Vec<String> = (0..200).map(append).collect();
    lines.push("1000 :invoke :read\n1000 :ok :read []".to_owned());
    let limits = [200, 1000, 10_000];
    require(&AppendLog, &lines, &limits, "valid");
}

/// One configuration leads to more of them than there is room for.
#[test]
fn a_search_through_large_states() {
    let _alone = alone();
    let register = |number: usize| Value::from(format!("key {number}").as_str());
    let initial = (0..500).map(|number| (register(number), Value::Int(0)));
    let initial = Value::Map(initial.collect());
    let write =
        |process: usize, kind: &str| format!("{process} :{kind} :txn [[:w \"key 0\" {process}]]");
    let mut lines: Vec<String> = (0..64).map(|process| write(process, "invoke")).collect();
    lines.extend((0..64).map(|process| write(process, "ok")));
    let limits = [500, 1000, 20_000];
    require(&MultiRegister { initial }, &lines, &limits, "valid");
}
