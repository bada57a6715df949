//! Streams over harmed links and to machines that are gone: when each end learns of it.

use squall_sim::engine::{self, LinkEffect, NodeId, new_fault_tag};
use squall_sim::net::{TcpListener, TcpStream, UdpSocket};
use squall_sim::time::{Duration, Instant, sleep, timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{MS, answers, echo, harm, run};

const HOUR: Duration = Duration::from_secs(3600);
/// Linux's `tcp_syn_retries`: seven SYNs, after 0, 1, 3, 7, 15, 31 and 63 s, and 64 s for the last.
const CONNECT_SECONDS: u64 = 127;
/// Linux's `tcp_retries2`.
const GIVE_UP_SECONDS: u64 = 924;

/// What makes a node silent without a word.
const SILENCES: [fn(NodeId); 4] = [
    |node| {
        harm(node, LinkEffect::Cut);
    },
    |node| {
        harm(node, LinkEffect::Clog);
    },
    |node| {
        node.power_loss();
    },
    NodeId::pause,
];

/// How connecting to a harmed node ends, and after how many seconds.
fn connect_to(harm: fn(NodeId)) -> (Option<i32>, u64) {
    run(7, move || async move {
        let node = echo("echo");
        sleep(MS).await;
        harm(node);
        let before = Instant::now();
        let connected = TcpStream::connect((node.ip(), 7)).await;
        let code = connected.err().and_then(|error| error.raw_os_error());
        (code, before.elapsed().as_secs())
    })
}

#[test]
fn connecting_to_silence_times_out() {
    for silence in SILENCES {
        let timed_out = (Some(libc::ETIMEDOUT), CONNECT_SECONDS);
        assert_eq!(connect_to(silence), timed_out);
    }
    let killed = connect_to(|node| {
        node.kill();
    });
    assert_eq!(killed, (Some(libc::ECONNREFUSED), 0));
}

#[test]
fn a_clog_that_ends_in_time_lets_a_connection_through() {
    let (is_open, felt) = run(7, || async {
        let node = echo("echo");
        let tag = harm(node, LinkEffect::Clog);
        let address = (node.ip(), 7);
        let connecting = squall_sim::task::spawn(TcpStream::connect(address));
        sleep(Duration::from_secs(100)).await;
        engine::remove_link_effects(tag);
        let mut stream = connecting.await.unwrap().unwrap();
        sleep(HOUR).await;
        (
            answers(&mut stream, MS * 10).await,
            engine::fault_observed(tag),
        )
    });
    assert!(is_open, "patience that was not needed breaks nothing later");
    assert_eq!(felt, 1);
}

/// What a client meets that writes to a node which has fallen silent: after how many seconds its
/// read ends and how, and how the next read and write end.
fn write_into(silence: fn(NodeId)) -> (u64, [Option<i32>; 3]) {
    run(7, move || async move {
        let node = echo("echo");
        let mut stream = TcpStream::connect((node.ip(), 7)).await.unwrap();
        assert!(answers(&mut stream, MS * 10).await);
        silence(node);
        stream.write_all(b"ping").await.unwrap();
        let before = Instant::now();
        let mut word = [0; 4];
        let first = stream.read(&mut word).await.err();
        let waited = before.elapsed().as_secs();
        let second = stream.read(&mut word).await.err();
        let third = stream.write(b"ping").await.err();
        let code = |error: std::io::Error| error.raw_os_error().unwrap();
        (waited, [first.map(code), second.map(code), third.map(code)])
    })
}

#[test]
fn who_writes_into_silence_learns_of_it_when_retransmissions_end() {
    for silence in SILENCES {
        let (waited, errors) = write_into(silence);
        let bounds = GIVE_UP_SECONDS..GIVE_UP_SECONDS + 121;
        assert!(bounds.contains(&waited), "{waited} s");
        assert_eq!(errors, [Some(libc::ETIMEDOUT), None, Some(libc::EPIPE)]);
    }
}

#[test]
fn who_only_reads_never_learns_that_the_other_machine_is_gone() {
    let (silent, after_reboot, error) = run(7, || async {
        let node = echo("echo");
        let mut stream = TcpStream::connect((node.ip(), 7)).await.unwrap();
        node.power_loss();
        let mut word = [0; 4];
        let silent = timeout(3 * HOUR, stream.read(&mut word)).await.is_err();
        node.restart();
        let after_reboot = timeout(HOUR, stream.read(&mut word)).await.is_err();
        stream.write_all(b"ping").await.unwrap();
        let error = stream.read(&mut word).await.unwrap_err().raw_os_error();
        (silent, after_reboot, error)
    });
    assert!(silent && after_reboot, "a half-open connection is silent");
    assert_eq!(
        error,
        Some(libc::ECONNRESET),
        "a machine does not know it after a reboot"
    );
}

#[test]
fn nobody_is_at_an_address() {
    let outcome = run(7, || async {
        let mut ends = Vec::new();
        for address in ["10.0.0.77:7", "192.0.2.1:7"] {
            let before = Instant::now();
            let error = TcpStream::connect(address).await.err().unwrap();
            ends.push((error.raw_os_error(), before.elapsed().as_secs()));
        }
        ends
    });
    assert_eq!(outcome[0], (Some(libc::EHOSTUNREACH), 3));
    assert_eq!(outcome[1], (Some(libc::ENETUNREACH), 0));
}

#[test]
fn reads_and_writes_are_cut_short() {
    let (calm, chopped, is_whole, felt) = run(7, || async {
        let node = echo("echo");
        let mut stream = TcpStream::connect((node.ip(), 7)).await.unwrap();
        let bytes: Vec<u8> = (0..1000_u32).map(|at| at as u8).collect();
        let calm = stream.write(&bytes).await.unwrap();
        let mut echoed = vec![0; 1000];
        stream.read_exact(&mut echoed).await.unwrap();
        let tag = new_fault_tag();
        let effect = LinkEffect::Chop {
            per_mille: 800,
            bytes_max: 100,
        };
        engine::add_link_effect(NodeId::HARNESS, node, tag, effect);
        engine::add_link_effect(node, NodeId::HARNESS, tag, effect);
        let mut lengths = vec![stream.write(&bytes).await.unwrap()];
        stream.write_all(&bytes[lengths[0]..]).await.unwrap();
        let mut received = Vec::new();
        while received.len() < 1000 {
            let length = stream.read(&mut echoed).await.unwrap();
            received.extend_from_slice(&echoed[..length]);
            lengths.push(length);
        }
        let felt = engine::fault_observed(tag);
        (calm, lengths, received == bytes, felt)
    });
    assert_eq!(calm, 1000);
    assert!(is_whole, "nothing is lost or turned round");
    assert!(chopped.iter().all(|length| *length >= 1));
    let short = chopped.iter().filter(|length| **length <= 100).count();
    assert!(short > 5 && felt > 10, "{chopped:?} {felt}");
}

#[test]
fn a_chop_of_nothing_changes_no_length() {
    let (length, felt) = run(7, || async {
        let node = echo("echo");
        let mut stream = TcpStream::connect((node.ip(), 7)).await.unwrap();
        let effect = LinkEffect::Chop {
            per_mille: 0,
            bytes_max: 1,
        };
        let tag = harm(node, effect);
        let length = stream.write(&[0; 1000]).await.unwrap();
        (length, engine::fault_observed(tag))
    });
    assert_eq!((length, felt), (1000, 0));
}

/// All ephemeral ports, as IANA has them.
const EPHEMERAL_PORTS: usize = 65_536 - 49_152;

#[test]
fn ephemeral_ports_are_used_again_and_run_out() {
    let (distinct, none_left, one_again) = run(7, || async {
        let bind = || UdpSocket::bind("0.0.0.0:0");
        let mut sockets = Vec::new();
        for _ in 0..EPHEMERAL_PORTS {
            sockets.push(bind().await.unwrap());
        }
        let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
        let distinct: std::collections::BTreeSet<_> = sockets.iter().map(port).collect();
        let none_left = bind().await.err().and_then(|error| error.raw_os_error());
        let freed = port(&sockets.swap_remove(1234));
        (
            distinct.len(),
            none_left,
            port(&bind().await.unwrap()) == freed,
        )
    });
    assert_eq!(distinct, EPHEMERAL_PORTS);
    assert_eq!(none_left, Some(libc::EADDRINUSE));
    assert!(one_again);
}

#[test]
fn callers_share_a_port_only_towards_different_addresses() {
    let (distinct, none_left, elsewhere, one_again) = run(7, || async {
        let (node, other) = (echo("echo"), echo("other"));
        let mut streams = Vec::new();
        for _ in 0..EPHEMERAL_PORTS {
            streams.push(TcpStream::connect((node.ip(), 7)).await.unwrap());
        }
        let port = |stream: &TcpStream| stream.local_addr().unwrap().port();
        let distinct: std::collections::BTreeSet<_> = streams.iter().map(port).collect();
        let refused = TcpStream::connect((node.ip(), 7)).await.err();
        let none_left = refused.and_then(|error| error.raw_os_error());
        let elsewhere = TcpStream::connect((other.ip(), 7)).await.is_ok();
        let freed = port(&streams.swap_remove(1234));
        sleep(10 * MS).await;
        let again = TcpStream::connect((node.ip(), 7)).await.unwrap();
        (distinct.len(), none_left, elsewhere, port(&again) == freed)
    });
    assert_eq!(distinct, EPHEMERAL_PORTS);
    assert_eq!(none_left, Some(libc::EADDRNOTAVAIL));
    assert!(elsewhere && one_again);
}

#[test]
fn a_node_that_comes_back_listens_on_its_port_at_once() {
    let (again, felt) = run(7, || async {
        let node = echo("echo");
        let mut answered = Vec::new();
        for end in [NodeId::kill, NodeId::power_loss] {
            let mut stream = TcpStream::connect((node.ip(), 7)).await.unwrap();
            answered.push(answers(&mut stream, MS * 10).await);
            end(node);
            node.restart();
            let mut stream = TcpStream::connect((node.ip(), 7)).await.unwrap();
            answered.push(answers(&mut stream, MS * 10).await);
        }
        let own = TcpListener::bind("0.0.0.0:7").await.is_ok();
        (answered, own)
    });
    assert_eq!(again, [true; 4]);
    assert!(felt);
}
