//! Narrow links: packets wait for each other, and what finds the queue full is dropped.

use squall_sim::engine::{
    self, Bandwidth, Config, Latency, LinkEffect, NodeId, add_node, set_link_bandwidth,
};
use squall_sim::net::{TcpListener, TcpStream, UdpSocket};
use squall_sim::time::sleep;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{MS, MS_NS, ear, harm, run_in};

/// A megabyte a second.
const NARROW: Bandwidth = Bandwidth {
    bytes_per_second: 1_000_000,
    queue_bytes_max: 10_000,
};

fn constant() -> Config {
    let mut config = Config::new(7);
    config.network.latency = Latency::Constant { ns: MS_NS };
    config
}

#[test]
fn datagrams_wait_for_each_other_and_overflow() {
    let (times, felt) = run_in(&constant(), || async {
        let (node, heard) = ear("ear");
        let tag = harm(node, LinkEffect::Throttle { to: NARROW });
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let began_ns = engine::now_ns();
        for number in 0..20 {
            // With its headers, a thousand bytes.
            let payload = [number; 972];
            socket.send_to(&payload, (node.ip(), 9)).await.unwrap();
        }
        sleep(100 * MS).await;
        let heard = heard.borrow();
        let times: Vec<u64> = heard.iter().map(|(at_ns, _)| at_ns - began_ns).collect();
        (times, engine::fault_observed(tag))
    });
    let spaced: Vec<u64> = (1..=10).map(|number| (number + 1) * MS_NS).collect();
    assert_eq!(times, spaced, "ten fit into the queue, a millisecond each");
    assert_eq!(felt, 20);
}

/// How long a stream takes for a megabyte, whether all of it arrives, and how often it sent again.
fn megabyte(to: Bandwidth) -> (u64, bool, u64) {
    let mut config = constant();
    config.network.bandwidth = Some(to);
    let harness = || async {
        let node = add_node("sink");
        node.start(|| async {
            let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            let is_whole = bytes.iter().enumerate().all(|(at, byte)| *byte == at as u8);
            let answer = bytes.len() as u32 * u32::from(is_whole);
            stream.write_all(&answer.to_le_bytes()).await.unwrap();
        });
        let mut stream = TcpStream::connect((node.ip(), 7)).await.unwrap();
        let began_ns = engine::now_ns();
        let bytes: Vec<u8> = (0..1_000_000).map(|at| at as u8).collect();
        stream.write_all(&bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        let took_ns = engine::now_ns() - began_ns;
        (took_ns, u32::from_le_bytes(answer) == 1_000_000)
    };
    let (took_ns, is_whole) = run_in(&config, harness);
    let outcome = engine::run(config, harness).unwrap();
    (took_ns / MS_NS, is_whole, outcome.counters.retransmissions)
}

#[test]
fn a_stream_takes_as_long_as_its_link_is_narrow() {
    let patient = Bandwidth {
        queue_bytes_max: 1 << 20,
        ..NARROW
    };
    let (took_ms, is_whole, again) = megabyte(patient);
    assert!(is_whole && again == 0);
    assert!((1_000..1_050).contains(&took_ms), "{took_ms} ms");
}

#[test]
fn a_stream_sends_again_what_the_queue_dropped() {
    let (took_ms, is_whole, again) = megabyte(NARROW);
    assert!(is_whole, "nothing is lost for good");
    assert!(again >= 3, "{again}");
    assert!(took_ms > 1_100, "each time costs a time-out: {took_ms} ms");
}

#[test]
fn one_link_alone_is_narrow() {
    let (narrow, wide) = run_in(&constant(), || async {
        let (node, heard) = ear("ear");
        let (other, heard_there) = ear("other");
        set_link_bandwidth(NodeId::HARNESS, node, Some(NARROW));
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        for number in 0..20 {
            let payload = [number; 972];
            socket.send_to(&payload, (node.ip(), 9)).await.unwrap();
            socket.send_to(&payload, (other.ip(), 9)).await.unwrap();
        }
        sleep(100 * MS).await;
        (heard.borrow().len(), heard_there.borrow().len())
    });
    assert_eq!((narrow, wide), (10, 20));
}
