//! What a run holds does not grow with its virtual time.
//!
//! In a test binary of its own, for it counts what the process allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use squall_sim::engine::{self, Config, add_node};
use squall_sim::net::UdpSocket;
use squall_sim::time::{Duration, sleep, timeout};

thread_local! {
    /// Bytes that this thread holds, and how often it has asked for more.
    static HELD: Cell<(isize, usize)> = const { Cell::new((0, 0)) };
}

struct Counting;

// SAFETY: all is passed on to the system's allocator; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn count(bytes: isize) {
    // A thread that is ending has no thread-locals any more.
    let _ = HELD.try_with(|held| {
        let (total, times) = held.get();
        held.set((total + bytes, times + usize::from(bytes > 0)));
    });
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many bytes are held more, and how often memory was asked for, from one point of a run's
/// virtual time to another.
fn growth<F>(
    work: impl FnOnce() -> F + Send + 'static,
    from: Duration,
    until: Duration,
) -> (isize, usize)
where
    F: Future<Output = ()> + 'static,
{
    let outcome = engine::run(Config::new(1), || async move {
        engine::spawn_local(work());
        sleep(from).await;
        let before = HELD.get();
        sleep(until - from).await;
        let after = HELD.get();
        (after.0 - before.0, after.1 - before.1)
    });
    outcome.expect("the harness ends").output
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn cancelling_far_time_outs_for_ever_stays_small() {
    let cancel_for_ever = || async {
        loop {
            // Ten thousand a second, each of which would last a day.
            let work = sleep(Duration::from_micros(100));
            timeout(86_400 * SECOND, work).await.expect("it is short");
        }
    };
    let (bytes, times) = growth(cancel_for_ever, SECOND, 100 * SECOND);
    assert_eq!((bytes, times), (0, 0));
}

#[test]
fn messages_cost_no_allocation_once_there_are_buffers() {
    let talk_for_ever = || async {
        let receiver = add_node("receiver");
        receiver.start(|| async {
            let socket = UdpSocket::bind("0.0.0.0:9").await.expect("a free port");
            let mut buffer = [0; 64];
            while socket.recv_from(&mut buffer).await.is_ok() {}
        });
        let socket = UdpSocket::bind("0.0.0.0:0").await.expect("a free port");
        let to = (receiver.ip(), 9);
        loop {
            sleep(Duration::from_millis(5)).await;
            socket.send_to(&[7; 64], to).await.expect("it is open");
        }
    };
    let (bytes, times) = growth(talk_for_ever, 10 * SECOND, 100 * SECOND);
    assert_eq!((bytes, times), (0, 0));
}

#[test]
fn connections_that_come_and_go_leave_nothing() {
    use squall_sim::net::{TcpListener, TcpStream};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let connect_for_ever = || async {
        let server = add_node("server");
        server.start(|| async {
            let listener = TcpListener::bind("0.0.0.0:9").await.expect("a free port");
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut word = [0; 8];
                let _ = stream.read_exact(&mut word).await;
                let _ = stream.write_all(&word).await;
            }
        });
        loop {
            let connected = TcpStream::connect((server.ip(), 9)).await;
            let mut stream = connected.expect("the server listens");
            let mut word = [7; 8];
            stream.write_all(&word).await.expect("it listens");
            stream.read_exact(&mut word).await.expect("it answers");
        }
    };
    let (bytes, _) = growth(connect_for_ever, 10 * SECOND, 100 * SECOND);
    assert!(
        bytes < 1024,
        "{bytes} bytes more after some 15,000 connections"
    );
}
