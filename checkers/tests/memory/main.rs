//! How much memory a history takes, and its check at most, by the allocator's own count.

mod online;
mod searches;

use squall_checkers::history::{Event, EventKind, History, HistoryBuilder, ProcessReuse, Value};
use squall_checkers::linearizability::{Limits, Method, Strategy, check_with};
use squall_checkers::sessions::sequential;
use squall_checkers::specs::AppendLog;
use squall_checkers::verdict::Verdict;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The system's allocator, how many bytes of it are in use, and how many were at most.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// What others allocate would be counted too, so each test holds this from its beginning.
fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

// SAFETY: it is the system's allocator, which does all there is to do; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let before = IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        PEAK.fetch_max(before + layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What a history of so many operations of so many processes takes: what the allocator says, and what it
/// says itself.
fn bytes(
    count: u64,
    processes: u64,
    operation: impl Fn(u64) -> (&'static str, Value, Value),
) -> (usize, usize) {
    let before = IN_USE.load(Ordering::Relaxed);
    let mut builder = HistoryBuilder::new(ProcessReuse::Refused);
    for number in 0..count {
        let (f, input, output) = operation(number);
        let invoke = Event {
            process: number % processes,
            kind: EventKind::Invoke,
            f: f.to_owned(),
            key: None,
            value: input,
            time_ns: 1 + 1_000_000 * number,
            error: None,
        };
        let completion = Event {
            kind: EventKind::Ok,
            value: output,
            time_ns: 500_000 + 1_000_000 * number,
            ..invoke.clone()
        };
        builder.push(invoke).expect("an event of one process");
        builder.push(completion).expect("an event of one process");
    }
    let history = builder.finish();
    assert_eq!(history.operations().len() as u64, count);
    let counted = IN_USE.load(Ordering::Relaxed) - before;
    (counted, history.bytes())
}

fn check(name: &str, (counted, told): (usize, usize), bytes_max: usize) {
    let difference = counted.abs_diff(told - size_of::<History>());
    // The harness starts threads for tests that wait meanwhile.
    assert!(
        difference < 32_768,
        "{name}: {told} told, {counted} counted"
    );
    assert!(told <= bytes_max, "{name}: {told} bytes");
}

#[test]
fn a_million_operations_take_little() {
    let _alone = alone();
    let reads_and_writes = bytes(1_000_000, 5, |number| {
        let value = Value::Int(number as i64 / 2);
        match number % 2 {
            0 => ("write", value.clone(), value),
            _ => ("read", Value::Nil, value),
        }
    });
    check("reads and writes", reads_and_writes, 64_000_000);

    // Each reads a list to which one more has been appended: 20 million elements in all.
    let reads_of_a_list = bytes(6_400, 5, |number| {
        let list = (0..number as i64).map(Value::Int).collect();
        ("read", Value::Nil, Value::List(list))
    });
    check("reads of a list", reads_of_a_list, 1_000_000);

    // Nothing is shared: four bytes an element.
    let lists = bytes(1000, 5, |number| {
        let list = (0..1000).map(|item| Value::Int(item * 1000 + number as i64));
        ("read", Value::Nil, Value::List(list.collect()))
    });
    check("lists", lists, 4_200_000);
}

/// Vectors had grown to 131072 items.
#[test]
fn no_more_is_kept_than_needed() {
    let _alone = alone();
    let texts = bytes(70_000, 70_000, |number| {
        let value = Value::Text(format!("{number:08}"));
        ("write", value.clone(), value)
    });
    check("texts", texts, 5_400_000);
}

/// A history of a log, from lines of `process kind f value`.
fn log(lines: &[String]) -> History {
    History::read(lines.join("\n").as_bytes(), None).expect("a history")
}

fn list(elements: impl Iterator<Item = usize>) -> String {
    let elements: Vec<String> = elements.map(|element| element.to_string()).collect();
    format!("[{}]", elements.join(" "))
}

/// The verdict of the search within so many bytes, and how many it held at most.
fn searched(history: &History, memory_bytes_max: u64) -> (Verdict, u64) {
    let method = Method {
        strategy: Strategy::General,
        limits: Limits {
            memory_bytes_max,
            ..Limits::default()
        },
        ..Method::default()
    };
    let before = IN_USE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let report = check_with(&AppendLog, history, &method).expect("operations of a log");
    let peak = PEAK.load(Ordering::Relaxed) - before;
    (report.verdict, peak as u64)
}

const LIMIT: u64 = 64 << 20;

#[test]
fn a_search_through_long_lists_keeps_to_the_limit() {
    let _alone = alone();
    // Fifty elements that may lie in any order, and a read that shows none of the orders.
    let mut lines: Vec<String> = Vec::new();
    lines.extend((0..50).map(|element| format!("{element} :invoke :append {element}")));
    lines.extend((0..50).map(|element| format!("{element} :ok :append {element}")));
    lines.push("50 :invoke :read".to_owned());
    lines.push(format!("50 :ok :read {}", list(0..49)));
    let (verdict, peak) = searched(&log(&lines), LIMIT);
    let Verdict::Unknown(why) = verdict else {
        panic!("expected no verdict, but got {verdict:?}");
    };
    assert!(why.contains("the limit of 64 MiB of memory"), "{why}");
    assert!(peak < LIMIT + LIMIT / 4, "{peak} bytes");
    assert!(peak > LIMIT / 4, "{peak} bytes: there was room left");
}

#[test]
fn a_search_for_the_few_that_matter_keeps_to_the_limit() {
    let _alone = alone();
    // Fifty elements one after another, of which a read shows the first two the wrong way round. It
    // takes no search to see that this is impossible; of which fifty operations it does.
    let mut lines: Vec<String> = Vec::new();
    for element in 0..50 {
        lines.push(format!("0 :invoke :append {element}"));
        lines.push(format!("0 :ok :append {element}"));
    }
    lines.push("0 :invoke :read".to_owned());
    lines.push(format!(
        "0 :ok :read {}",
        list([1, 0].into_iter().chain(2..50))
    ));
    let limit = LIMIT / 16;
    let (verdict, peak) = searched(&log(&lines), limit);
    let Verdict::Invalid(anomaly) = verdict else {
        panic!("expected an anomaly, but got {verdict:?}");
    };
    assert!(anomaly.witness.contains(&50), "{anomaly:?}");
    assert!(peak < limit + limit / 4, "{peak} bytes");
    assert!(peak > limit / 4, "{peak} bytes: there was room left");
}

#[test]
fn a_search_for_sequential_consistency_keeps_to_the_limit() {
    let _alone = alone();
    // A log of a thousand elements, to which fifty processes append one each in any order, and a read that
    // shows the first two the wrong way round.
    let mut lines: Vec<String> = Vec::new();
    for element in 0..1000 {
        lines.push(format!("50 :invoke :append {element}"));
        lines.push(format!("50 :ok :append {element}"));
    }
    for process in 0..50 {
        lines.push(format!("{process} :invoke :append {}", 1000 + process));
        lines.push(format!("{process} :ok :append {}", 1000 + process));
    }
    lines.push("50 :invoke :read".to_owned());
    let shown = [1, 0].into_iter().chain(2..1050);
    lines.push(format!("50 :ok :read {}", list(shown)));
    let history = log(&lines);
    let limits = Limits {
        memory_bytes_max: LIMIT,
        ..Limits::default()
    };
    let before = IN_USE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let verdict = sequential::check(&AppendLog, &history, &limits).expect("operations of a log");
    let peak = (PEAK.load(Ordering::Relaxed) - before) as u64;
    let Verdict::Unknown(why) = verdict else {
        panic!("expected no verdict, but got {verdict:?}");
    };
    assert!(why.contains("the limit of 64 MiB of memory"), "{why}");
    assert!(peak < LIMIT + LIMIT / 4, "{peak} bytes");
    assert!(peak > LIMIT / 4, "{peak} bytes: there was room left");
}
