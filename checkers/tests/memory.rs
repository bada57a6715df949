//! How much memory a history takes, by the allocator's own count.

use squall_checkers::history::{Event, EventKind, History, HistoryBuilder, ProcessReuse, Value};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, and how many bytes of it are in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: it is the system's allocator, which does all there is to do; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
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

/// What a history of so many operations takes: what the allocator says, and what it says itself.
fn bytes(count: u64, operation: impl Fn(u64) -> (&'static str, Value, Value)) -> (usize, usize) {
    let before = IN_USE.load(Ordering::Relaxed);
    let mut builder = HistoryBuilder::new(ProcessReuse::Refused);
    for number in 0..count {
        let (f, input, output) = operation(number);
        let invoke = Event {
            process: number % 5,
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
    assert!(difference < 4096, "{name}: {told} told, {counted} counted");
    assert!(told <= bytes_max, "{name}: {told} bytes");
}

/// One test, for what others allocate would be counted too.
#[test]
fn a_million_operations_take_little() {
    let reads_and_writes = bytes(1_000_000, |number| {
        let value = Value::Int(number as i64 / 2);
        match number % 2 {
            0 => ("write", value.clone(), value),
            _ => ("read", Value::Nil, value),
        }
    });
    check("reads and writes", reads_and_writes, 64_000_000);

    // Each reads a list to which one more has been appended: 20 million elements in all.
    let reads_of_a_list = bytes(6_400, |number| {
        let list = (0..number as i64).map(Value::Int).collect();
        ("read", Value::Nil, Value::List(list))
    });
    check("reads of a list", reads_of_a_list, 1_000_000);

    // Nothing is shared: four bytes an element.
    let lists = bytes(1000, |number| {
        let list = (0..1000).map(|item| Value::Int(item * 1000 + number as i64));
        ("read", Value::Nil, Value::List(list.collect()))
    });
    check("lists", lists, 4_200_000);
}
