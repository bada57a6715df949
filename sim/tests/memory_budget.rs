//! Budgets of memory, in a binary whose allocator counts.

use std::cell::RefCell;
use std::rc::Rc;

use squall_sim::engine::{
    self, Config, add_node, fault_observed, new_fault_tag, remove_memory_budgets, set_memory_budget,
};
use squall_sim::memory::CountingAllocator;
use squall_sim::time::{Duration, sleep};
use squall_sim::{emit, log};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const MS: Duration = Duration::from_millis(1);
const KIB: usize = 1024;

fn run<T, F>(config: Config, harness: impl FnOnce() -> F + Send) -> (T, u64)
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let outcome = engine::run(config, harness).expect("the harness ends");
    (outcome.output, outcome.digest)
}

/// A process that takes 10 KiB each millisecond, up to so many, and logs and emits as it does.
async fn grow(kibs_max: usize) {
    let mut held = Vec::new();
    loop {
        sleep(MS).await;
        if held.len() * 10 < kibs_max {
            held.push(vec![0_u8; 10 * KIB]);
        }
        log!("{} pieces {}", held.len(), "x".repeat(4 * KIB));
        emit(held.len());
    }
}

/// How far it came within a budget of 100 KiB, how often the budget was felt, and the digest.
fn grow_under_budget(kibs_max: usize, detail: bool) -> ((Vec<usize>, u64, Option<u64>), u64) {
    let config = Config {
        detail,
        ..Config::new(7)
    };
    run(config, move || async move {
        let heard = Rc::new(RefCell::new(Vec::new()));
        let ear = Rc::clone(&heard);
        engine::observe(Box::new(move |emitted| {
            let pieces = *emitted.event.downcast_ref::<usize>().expect("a count");
            // What an observer keeps is not the process's.
            ear.borrow_mut().push((pieces, vec![0_u8; 50 * KIB]));
        }));
        let node = add_node("growing");
        let tag = new_fault_tag();
        set_memory_budget(node, tag, 100 * KIB as u64).expect("it is counted");
        node.start(move || grow(kibs_max));
        sleep(20 * MS + MS / 2).await;
        let held = node.memory_held();
        if !node.is_up() {
            node.restart();
        }
        sleep(5 * MS).await;
        remove_memory_budgets(tag);
        sleep(14 * MS + MS / 4).await;
        let pieces = heard.take().into_iter().map(|(pieces, _)| pieces);
        (pieces.collect(), fault_observed(tag), held)
    })
}

#[test]
fn a_process_past_its_budget_is_killed_and_the_next_begins_with_nothing() {
    let (outcome, digest) = grow_under_budget(1000, false);
    let (pieces, felt, _) = outcome;
    let first_life: Vec<_> = (1..=10).collect();
    assert_eq!(pieces[..10], first_life, "it dies of the tenth");
    assert_eq!(
        pieces[10..],
        (1..=19).collect::<Vec<_>>(),
        "without a budget"
    );
    assert_eq!(felt, 1);
    assert_eq!(grow_under_budget(1000, false).1, digest);
    assert_eq!(
        grow_under_budget(1000, true).1,
        digest,
        "detail costs nobody"
    );
}

#[test]
fn a_process_within_its_budget_lives() {
    let ((pieces, felt, held), _) = grow_under_budget(80, true);
    assert_eq!((pieces.len(), felt), (39, 0));
    let held = held.expect("it has a budget") as usize;
    assert!((80 * KIB..90 * KIB).contains(&held), "{held}");
}

#[test]
fn memory_that_another_gives_back_is_taken_off() {
    let (held, _) = run(Config::new(7), || async {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let node = add_node("sender");
        set_memory_budget(node, new_fault_tag(), 1 << 30).expect("it is counted");
        node.start(move || {
            let sender = sender.clone();
            async move {
                loop {
                    sender.send(vec![0_u8; KIB]).expect("it is open");
                    sleep(MS).await;
                }
            }
        });
        sleep(1000 * MS).await;
        let full = node.memory_held();
        while receiver.try_recv().is_ok() {}
        (full, node.memory_held())
    });
    let (full, empty) = (held.0.unwrap() as usize, held.1.unwrap() as usize);
    assert!(full > 1000 * KIB && empty < 100 * KIB, "{full} {empty}");
}

#[test]
fn pieces_of_any_size_and_alignment_are_where_they_should_be() {
    use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, realloc};
    for align in [1, 2, 8, 16, 64, 4096] {
        for size in [1, 7, 16, 100, 5000] {
            let layout = Layout::from_size_align(size, align).unwrap();
            // SAFETY: sizes are not zero, and each piece is given back with its own layout.
            unsafe {
                let piece = alloc(layout);
                assert!(!piece.is_null() && piece.addr().is_multiple_of(align));
                piece.write_bytes(7, size);
                let grown = realloc(piece, layout, size * 3);
                assert!(grown.addr().is_multiple_of(align));
                assert!((0..size).all(|at| *grown.add(at) == 7));
                dealloc(grown, Layout::from_size_align(size * 3, align).unwrap());
                let zeros = alloc_zeroed(layout);
                assert!((0..size).all(|at| *zeros.add(at) == 0));
                dealloc(zeros, layout);
            }
        }
    }
}
