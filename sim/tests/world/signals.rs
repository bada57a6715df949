//! Signals: who handles them goes on, who does not is ended.

use std::cell::RefCell;
use std::rc::Rc;

use squall_sim::engine::{self, Config, NodeId, add_node};
use squall_sim::signal::{ctrl_c, terminated};
use squall_sim::time::{Duration, sleep};

const MS: Duration = Duration::from_millis(1);

fn run<T, F>(harness: impl FnOnce() -> F + Send) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let outcome = engine::run(Config::new(7), harness);
    outcome.expect("the harness ends").output
}

/// A server that drains for 10 ms when it is interrupted for the first time, and ends at once when it
/// is interrupted again; what it does, and when.
type Story = Rc<RefCell<Vec<(u64, &'static str)>>>;

fn add_server() -> (NodeId, Story) {
    let story = Story::default();
    let node = add_node("server");
    let theirs = Rc::clone(&story);
    node.start(move || {
        let story = Rc::clone(&theirs);
        async move {
            let tell = |what| {
                story
                    .borrow_mut()
                    .push((engine::now_ns() / 1_000_000, what))
            };
            ctrl_c().await.expect("a signal");
            tell("drains");
            tokio::select! {
                () = sleep(10 * MS) => tell("has drained"),
                _ = ctrl_c() => tell("gives up"),
            }
        }
    });
    (node, story)
}

#[test]
fn a_server_that_handles_an_interrupt_ends_by_itself() {
    let (is_handled, is_up, story) = run(|| async {
        let (node, story) = add_server();
        sleep(5 * MS).await;
        let is_handled = node.interrupt();
        sleep(20 * MS).await;
        (is_handled, node.is_up(), story.take())
    });
    assert!(is_handled && !is_up);
    assert_eq!(story, [(5, "drains"), (15, "has drained")]);
}

#[test]
fn each_interrupt_is_heard() {
    let story = run(|| async {
        let (node, story) = add_server();
        sleep(5 * MS).await;
        node.interrupt();
        sleep(2 * MS).await;
        node.interrupt();
        sleep(MS).await;
        story.take()
    });
    assert_eq!(story, [(5, "drains"), (7, "gives up")]);
}

#[test]
fn a_signal_that_nobody_handles_ends_the_process() {
    let (handled, up, story) = run(|| async {
        let (node, story) = add_server();
        sleep(MS).await;
        let by_the_other = node.terminate();
        let was_up = node.is_up();
        // A new process has not asked for anything yet.
        node.restart();
        let too_early = node.interrupt();
        let is_up = node.is_up();
        let when_down = node.interrupt();
        (
            [by_the_other, too_early, when_down],
            [was_up, is_up],
            story.take(),
        )
    });
    assert_eq!((handled, up), ([false; 3], [false; 2]));
    assert!(story.is_empty());
}

#[test]
fn a_process_can_wait_to_be_terminated() {
    let seen_ms = run(|| async {
        let node = add_node("patient");
        let seen = Rc::new(RefCell::new(Vec::new()));
        let theirs = Rc::clone(&seen);
        node.start(move || {
            let seen = Rc::clone(&theirs);
            async move {
                terminated().await.expect("a signal");
                seen.borrow_mut().push(engine::now_ns() / 1_000_000);
            }
        });
        sleep(3 * MS).await;
        assert!(node.terminate());
        sleep(MS).await;
        seen.take()
    });
    assert_eq!(seen_ms, [3]);
}
