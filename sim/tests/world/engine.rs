//! The engine, seen from programs: what runs, what arrives, what survives, and that it repeats.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use squall_sim::engine::{
    self, Config, LinkEffect, NodeId, Outcome, RunError, Schedule, add_link_effect, add_node,
    new_fault_tag, remove_link_effects,
};
use squall_sim::net::{TcpListener, TcpStream, UdpSocket};
use squall_sim::time::{Duration, Instant, MissedTickBehavior, interval, sleep, timeout};
use squall_sim::{fs, rand, task};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn run<T, F>(seed: u64, harness: impl FnOnce() -> F + Send) -> Outcome<T>
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    engine::run(Config::new(seed), harness).expect("the harness ends")
}

const MS: Duration = Duration::from_millis(1);

/// A node that answers each line of 4 bytes with the same.
fn echo_server(name: &str) -> NodeId {
    let node = add_node(name);
    node.start(|| async {
        let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            task::spawn(async move {
                let mut word = [0; 4];
                while stream.read_exact(&mut word).await.is_ok() {
                    if stream.write_all(&word).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    node
}

#[test]
fn time_jumps_to_the_next_event() {
    let outcome = run(1, || async {
        sleep(Duration::from_secs(3600)).await;
        let early = timeout(MS, sleep(Duration::from_secs(1))).await;
        (early.is_err(), Instant::now().as_nanos())
    });
    assert_eq!(outcome.output, (true, 3_600_001_000_000));
}

/// When the ticks after the first were due, in quarters of a period, where the second was missed.
fn ticks_after_a_missed_one(behavior: MissedTickBehavior) -> Vec<u128> {
    let outcome = run(1, move || async move {
        let mut ticks = interval(40 * MS);
        ticks.set_missed_tick_behavior(behavior);
        let first = ticks.tick().await;
        // Three periods and a quarter.
        sleep(130 * MS).await;
        let mut quarters = Vec::new();
        for _ in 0..4 {
            let due = ticks.tick().await - first;
            quarters.push(due.as_millis() / 10);
        }
        quarters
    });
    outcome.output
}

#[test]
fn a_missed_tick_is_made_up_for_or_not() {
    let after = ticks_after_a_missed_one;
    assert_eq!(after(MissedTickBehavior::Burst), [4, 8, 12, 16]);
    assert_eq!(after(MissedTickBehavior::Delay), [4, 17, 21, 25]);
    assert_eq!(after(MissedTickBehavior::Skip), [4, 16, 20, 24]);
}

#[test]
fn a_run_that_waits_for_nothing_is_told_so() {
    let result = engine::run(Config::new(1), std::future::pending::<()>);
    assert_eq!(result.unwrap_err(), RunError::Deadlock { virtual_ns: 0 });
    let config = Config {
        end_ns: 5,
        ..Config::new(1)
    };
    let result = engine::run(config, || sleep(Duration::from_secs(1)));
    assert_eq!(result.unwrap_err(), RunError::OutOfTime { end_ns: 5 });
}

#[test]
fn tasks_give_their_output_and_can_be_aborted() {
    let outcome = run(1, || async {
        let sum = task::spawn(async { 2 + 3 }).await;
        let stuck = task::spawn(std::future::pending::<()>());
        task::yield_now().await;
        stuck.abort();
        (sum.ok(), stuck.await.is_err())
    });
    assert_eq!(outcome.output, (Some(5), true));
}

/// The order in which ten tasks that are ready at once run.
fn order_of_ten(seed: u64, schedule: Schedule) -> Vec<u32> {
    let config = Config {
        schedule,
        ..Config::new(seed)
    };
    let outcome = engine::run(config, || async {
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..10)
            .map(|number| {
                let order = order.clone();
                task::spawn(async move { order.lock().unwrap().push(number) })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        order.lock().unwrap().clone()
    });
    outcome.unwrap().output
}

#[test]
fn ready_tasks_are_ordered_by_the_policy() {
    assert_eq!(order_of_ten(1, Schedule::Fifo), (0..10).collect::<Vec<_>>());
    let orders: Vec<_> = (0..20)
        .map(|seed| order_of_ten(seed, Schedule::Random))
        .collect();
    assert_eq!(orders[3], order_of_ten(3, Schedule::Random));
    let distinct: std::collections::BTreeSet<_> = orders.iter().collect();
    assert!(distinct.len() > 15, "random orders differ by seed");
}

#[test]
fn datagrams_arrive_in_any_order_within_the_latency() {
    let outcome = run(7, || async {
        let node = add_node("receiver");
        node.start(|| async {
            let socket = UdpSocket::bind("0.0.0.0:9").await.unwrap();
            let mut buffer = [0; 8];
            let mut order = Vec::new();
            for _ in 0..20 {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                assert_eq!((length, from.ip().to_string().as_str()), (1, "10.0.0.0"));
                order.push(buffer[0]);
            }
            squall_sim::emit(order);
        });
        let heard = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let ear = heard.clone();
        engine::observe(Box::new(move |emitted| {
            ear.borrow_mut()
                .clone_from(emitted.event.downcast_ref::<Vec<u8>>().unwrap());
        }));
        sleep(MS).await;
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        for number in 0..20 {
            socket.send_to(&[number], "receiver:9").await.unwrap();
        }
        sleep(10 * MS).await;
        heard.take()
    });
    let mut order = outcome.output;
    assert!(
        !order.is_sorted(),
        "twenty datagrams with random latencies overtake each other"
    );
    order.sort_unstable();
    assert_eq!(order, (0..20).collect::<Vec<_>>());
}

#[test]
fn streams_are_ordered_bytes_with_a_window() {
    let outcome = run(7, || async {
        let node = add_node("sink");
        node.start(|| async {
            let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            sleep(Duration::from_secs(1)).await;
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            assert_eq!(bytes.len(), 1 << 20);
            assert!(
                bytes
                    .chunks(4)
                    .enumerate()
                    .all(|(at, word)| word == (at as u32).to_le_bytes())
            );
            stream.write_all(b"thanks").await.unwrap();
        });
        let mut stream = TcpStream::connect("sink:7").await.unwrap();
        let bytes: Vec<u8> = (0..1u32 << 18).flat_map(u32::to_le_bytes).collect();
        let before = Instant::now();
        stream.write_all(&bytes).await.unwrap();
        let is_held_back = before.elapsed() > Duration::from_millis(900);
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        (is_held_back, answer)
    });
    assert_eq!(outcome.output, (true, "thanks".to_owned()));
}

#[test]
fn nobody_listens_or_nobody_is_there() {
    let outcome = run(7, || async {
        let up = echo_server("up");
        let refused = TcpStream::connect("up:8").await.err().unwrap().kind();
        up.power_loss();
        let before = Instant::now();
        let silent = TcpStream::connect("up:7").await.err().unwrap().kind();
        let waited = before.elapsed().as_secs();
        let unknown = TcpStream::connect("10.0.0.77:7")
            .await
            .err()
            .unwrap()
            .raw_os_error();
        (refused, silent, waited, unknown)
    });
    let (refused, silent, waited, unknown) = outcome.output;
    assert_eq!(
        (refused, silent),
        (ErrorKind::ConnectionRefused, ErrorKind::TimedOut)
    );
    // Linux: 1 + 2 + 4 + 8 + 16 + 32 s; the last SYN then waits 64 s, which the engine spares.
    assert!((63..=128).contains(&waited), "{waited} s");
    assert_eq!(unknown, Some(libc::EHOSTUNREACH));
}

/// What a client meets whose server ends in some way: how long it takes, and the error or the end.
fn end_of_server(end: fn(NodeId)) -> (u64, Result<usize, ErrorKind>) {
    let outcome = run(7, move || async move {
        let server = echo_server("server");
        let mut stream = TcpStream::connect("server:7").await.unwrap();
        stream.write_all(b"ping").await.unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.unwrap();
        end(server);
        let before = Instant::now();
        let answer = match timeout(Duration::from_secs(5), stream.read(&mut word)).await {
            Ok(read) => read.map_err(|error| error.kind()),
            Err(_) => Err(ErrorKind::TimedOut),
        };
        (before.elapsed().as_millis() as u64, answer)
    });
    outcome.output
}

#[test]
fn a_kill_is_seen_at_once_and_a_power_loss_is_silence() {
    let (after_ms, answer) = end_of_server(|server| {
        server.kill();
    });
    assert!(after_ms <= 2);
    assert_eq!(answer, Ok(0), "the kernel of a killed process says goodbye");
    assert_eq!(
        end_of_server(|server| {
            server.power_loss();
        }),
        (5000, Err(ErrorKind::TimedOut))
    );
    assert_eq!(
        end_of_server(NodeId::pause),
        (5000, Err(ErrorKind::TimedOut))
    );
}

#[test]
fn the_kernel_of_a_killed_process_refuses_and_resets() {
    let outcome = run(7, || async {
        let server = echo_server("server");
        let mut stream = TcpStream::connect("server:7").await.unwrap();
        server.kill();
        sleep(50 * MS).await;
        let refused = TcpStream::connect("server:7").await.err().unwrap().kind();
        stream.write_all(b"ping").await.unwrap();
        let mut word = [0; 4];
        let ended = stream.read(&mut word).await.map_err(|error| error.kind());
        sleep(50 * MS).await;
        let reset = stream.write_all(b"ping").await.unwrap_err().kind();
        server.power_loss();
        let silent = timeout(Duration::from_secs(5), TcpStream::connect("server:7")).await;
        (refused, ended, reset, silent.is_err())
    });
    assert_eq!(
        outcome.output,
        (
            ErrorKind::ConnectionRefused,
            Ok(0),
            ErrorKind::BrokenPipe,
            true
        )
    );
}

#[test]
fn a_killed_machine_that_loses_power_loses_its_page_cache() {
    let kept = (0..40).map(|seed| {
        what_survives(
            |node| {
                node.kill();
                node.power_loss();
            },
            seed,
        )
    });
    let kept: Vec<_> = kept.collect();
    assert!(kept.iter().all(|(synced, _)| *synced));
    assert!(kept.iter().any(|(_, loose)| !*loose));
}

#[test]
fn a_machine_that_came_back_resets_connections_that_it_does_not_know() {
    let outcome = run(7, || async {
        let server = echo_server("server");
        let mut stream = TcpStream::connect("server:7").await.unwrap();
        server.power_loss();
        server.restart();
        stream.write_all(b"ping").await.unwrap();
        let mut word = [0; 4];
        let error = stream.read_exact(&mut word).await.unwrap_err().kind();
        let mut stream = TcpStream::connect("server:7").await.unwrap();
        stream.write_all(b"ping").await.unwrap();
        stream.read_exact(&mut word).await.unwrap();
        (error, word)
    });
    assert_eq!(outcome.output, (ErrorKind::ConnectionReset, *b"ping"));
}

#[test]
fn a_paused_machine_goes_on_with_what_it_missed() {
    let outcome = run(7, || async {
        let server = echo_server("server");
        let mut stream = TcpStream::connect("server:7").await.unwrap();
        server.pause();
        stream.write_all(b"ping").await.unwrap();
        let mut word = [0; 4];
        let silent = timeout(Duration::from_secs(1), stream.read_exact(&mut word))
            .await
            .is_err();
        let missed = server.resume();
        stream.read_exact(&mut word).await.unwrap();
        (silent, missed, word)
    });
    assert_eq!(outcome.output, (true, 1, *b"ping"));
}

#[test]
fn a_cut_stops_streams_until_it_heals_and_loses_datagrams() {
    let outcome = run(7, || async {
        let server = echo_server("server");
        let mut stream = TcpStream::connect("server:7").await.unwrap();
        let tag = new_fault_tag();
        // One way only: what the client sends.
        add_link_effect(NodeId::HARNESS, server, tag, LinkEffect::Cut);
        stream.write_all(b"ping").await.unwrap();
        let mut word = [0; 4];
        let silent = timeout(Duration::from_secs(1), stream.read_exact(&mut word))
            .await
            .is_err();
        let observed = engine::fault_observed(tag);
        remove_link_effects(tag);
        let before = Instant::now();
        stream.read_exact(&mut word).await.unwrap();
        (
            silent,
            observed,
            before.elapsed() < Duration::from_secs(2),
            word,
        )
    });
    let (silent, observed, soon, word) = outcome.output;
    assert!(silent && soon);
    assert_eq!(word, *b"ping");
    assert!(
        observed >= 3,
        "the first and the retransmissions after 200, 400, … ms: {observed}"
    );
}

#[test]
fn slow_and_lossy_links_are_felt() {
    let outcome = run(7, || async {
        let server = echo_server("server");
        let mut stream = TcpStream::connect("server:7").await.unwrap();
        let mut word = [0; 4];
        let mut round_trip = async || {
            let before = Instant::now();
            stream.write_all(b"ping").await.unwrap();
            stream.read_exact(&mut word).await.unwrap();
            before.elapsed()
        };
        let calm = round_trip().await;
        let tag = new_fault_tag();
        let effect = LinkEffect::Slow {
            extra_ns_max: 1_000_000_000,
        };
        add_link_effect(NodeId::HARNESS, server, tag, effect);
        let mut slow = Duration::ZERO;
        for _ in 0..10 {
            slow += round_trip().await;
        }
        remove_link_effects(tag);
        let tag = new_fault_tag();
        add_link_effect(
            server,
            NodeId::HARNESS,
            tag,
            LinkEffect::Lossy { per_mille: 500 },
        );
        for _ in 0..10 {
            round_trip().await;
        }
        (calm, slow, engine::fault_observed(tag))
    });
    let (calm, slow, lost) = outcome.output;
    assert!(
        calm <= 4 * MS && slow > Duration::from_secs(1),
        "{calm:?} {slow:?}"
    );
    assert!(lost >= 3, "half of at least ten packets: {lost}");
}

/// Writes a file with and without the syncs that make it durable; ends the node; looks again.
fn what_survives(end: fn(NodeId), seed: u64) -> (bool, bool) {
    let outcome = run(seed, move || async move {
        let node = add_node("disk");
        let has_run = std::rc::Rc::new(std::cell::Cell::new(false));
        let found = std::rc::Rc::new(std::cell::Cell::new((false, false)));
        let (first, answer) = (has_run.clone(), found.clone());
        node.start(move || {
            let (first, answer) = (first.clone(), answer.clone());
            async move {
                if first.replace(true) {
                    let synced = fs::read("/data/synced")
                        .await
                        .is_ok_and(|bytes| bytes == b"kept");
                    let loose = fs::read("/data/loose")
                        .await
                        .is_ok_and(|bytes| bytes == b"lost?");
                    answer.set((synced, loose));
                    return;
                }
                fs::create_dir_all("/data").await.unwrap();
                fs::sync_dir("/").await.unwrap();
                let mut file = fs::File::create("/data/synced").await.unwrap();
                file.write_all(b"kept").await.unwrap();
                file.sync_all().await.unwrap();
                fs::sync_dir("/data").await.unwrap();
                fs::write("/data/loose", b"lost?").await.unwrap();
                std::future::pending::<()>().await;
            }
        });
        sleep(Duration::from_secs(1)).await;
        end(node);
        node.restart();
        sleep(Duration::from_secs(1)).await;
        found.get()
    });
    outcome.output
}

#[test]
fn a_kill_keeps_the_page_cache_and_a_power_loss_only_what_was_synced() {
    for seed in 0..20 {
        assert_eq!(
            what_survives(
                |node| {
                    node.kill();
                },
                seed
            ),
            (true, true)
        );
    }
    let kept: Vec<_> = (0..40)
        .map(|seed| {
            what_survives(
                |node| {
                    node.power_loss();
                },
                seed,
            )
        })
        .collect();
    assert!(
        kept.iter().all(|(synced, _)| *synced),
        "what was synced always survives"
    );
    let loose = kept.iter().filter(|(_, loose)| *loose).count();
    assert!(
        (3..35).contains(&loose),
        "what was not sometimes does: {loose} of 40"
    );
}

#[test]
fn a_panic_ends_its_node_alone_and_is_reported() {
    let outcome = run(7, || async {
        let node = add_node("fragile");
        node.start(|| async {
            task::spawn(async {
                sleep(MS).await;
                panic!("a bug");
            });
            std::future::pending::<()>().await;
        });
        sleep(2 * MS).await;
        node.is_up()
    });
    assert!(!outcome.output);
    assert_eq!(outcome.panics.len(), 1);
    assert_eq!(outcome.panics[0].message, "a bug");
}

/// Everything that std and libc let through: clocks, hash order, random numbers.
fn fingerprint(seed: u64) -> (Vec<u32>, SystemTime, Duration, u64, u64) {
    let outcome = run(seed, || async {
        let start = std::time::Instant::now();
        let map: HashMap<u32, ()> = (0..20).map(|number| (number, ())).collect();
        sleep(3 * MS).await;
        let mut word = [0; 8];
        // SAFETY: a buffer of this length.
        unsafe { libc::syscall(libc::SYS_getrandom, word.as_mut_ptr(), word.len(), 0) };
        (
            map.into_keys().collect(),
            SystemTime::now(),
            start.elapsed(),
            rand::bits(),
            u64::from_le_bytes(word),
        )
    });
    outcome.output
}

#[test]
fn std_and_libc_are_caught_inside_a_run_alone() {
    let first = fingerprint(7);
    assert_eq!(first, fingerprint(7));
    let (order, wall, elapsed, random, raw) = first;
    assert_eq!(elapsed, 3 * MS);
    let since_epoch = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(since_epoch, Duration::from_secs(1_704_067_200) + 3 * MS);
    let other = fingerprint(8);
    assert!(other.0 != order && other.3 != random && other.4 != raw);
    assert!(SystemTime::now() > SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000));
}

/// A small cluster that talks, dies and is cut; its digest.
fn digest_of_a_storm(seed: u64) -> (u64, u64) {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    RUNS.fetch_add(1, Ordering::Relaxed);
    let outcome = run(seed, || async {
        let servers: Vec<_> = (0..3)
            .map(|number| echo_server(&format!("s{number}")))
            .collect();
        let mut echoes = 0_u64;
        for round in 0..20_usize {
            let server = servers[round % 3];
            if round == 7 {
                server.kill();
                server.restart();
            }
            if round == 11 {
                server.power_loss();
                server.restart();
            }
            let Ok(mut stream) = TcpStream::connect((server.ip(), 7)).await else {
                continue;
            };
            let word = (rand::bits() as u32).to_le_bytes();
            let mut answer = [0; 4];
            stream.write_all(&word).await.unwrap();
            if stream.read_exact(&mut answer).await.is_ok() && answer == word {
                echoes += 1;
            }
        }
        echoes
    });
    (outcome.digest, outcome.output)
}

#[test]
fn a_seed_repeats_and_another_differs() {
    let first = digest_of_a_storm(1);
    assert_eq!(
        first.1, 20,
        "a server that was started again listens before a SYN arrives"
    );
    assert_eq!(digest_of_a_storm(1), first);
    assert_ne!(digest_of_a_storm(2).0, first.0);
}

#[test]
#[should_panic(expected = "of the harness")]
fn a_panic_of_the_harness_is_the_callers() {
    let _ = engine::run(Config::new(1), || async { panic!("of the harness") });
}

#[test]
fn any_node_can_stop_the_run() {
    let is_late = Arc::new(AtomicBool::new(false));
    let late = Arc::clone(&is_late);
    let run = || async move {
        add_node("watcher").start(|| async {
            sleep(Duration::from_secs(1)).await;
            engine::stop("enough was seen");
        });
        sleep(Duration::from_secs(2)).await;
        late.store(true, Ordering::Relaxed);
    };
    let ended = catch_unwind(AssertUnwindSafe(|| engine::run(Config::new(1), run)));
    let message = ended.expect_err("it was stopped");
    assert_eq!(
        message.downcast_ref::<String>().expect("it is a text"),
        "enough was seen"
    );
    assert!(!is_late.load(Ordering::Relaxed));
}

/// A socket of a run, for somebody outside of it.
fn socket_that_escaped() -> UdpSocket {
    let outcome = run(1, || async {
        UdpSocket::bind("0.0.0.0:0").await.expect("a free port")
    });
    outcome.output
}

#[test]
#[should_panic(expected = "a handle of the simulated world was used outside of its run")]
fn a_handle_outside_of_its_run_says_so() {
    let socket = socket_that_escaped();
    let to = std::net::SocketAddr::from(([10, 0, 0, 0], 9));
    let mut send = std::pin::pin!(socket.send_to(b"hello?", to));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let _ = send.as_mut().poll(&mut context);
}
