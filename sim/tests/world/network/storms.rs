//! Many faults at once, on links drawn by a key: streams lose nothing, and turn nothing round.

use squall_sim::engine::{
    self, Bandwidth, Config, Latency, LinkEffect, NodeId, add_link_effect, add_node, new_fault_tag,
};
use squall_sim::keyed::Key;
use squall_sim::net::{TcpListener, TcpStream};
use squall_sim::task::{self, JoinHandle};
use squall_sim::time::{Duration, sleep};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{MS, MS_NS, run_in};

const SERVERS: usize = 3;
const LETTER_BYTES: usize = 120_000;

/// The bytes that a client sends, and that come back.
fn letter(key: Key) -> Vec<u8> {
    (0..LETTER_BYTES as u64)
        .map(|at| key.with(at / 64).bits() as u8 ^ at as u8)
        .collect()
}

fn effect(key: Key) -> LinkEffect {
    let per_mille = key.label("per-mille").between(1, 400) as u32;
    let extra_ns_max = key.label("extra").between(1, 300 * MS_NS);
    match key.label("kind").below(10) {
        0 => LinkEffect::Cut,
        1 => LinkEffect::CutToPort { port: 7 },
        2 => LinkEffect::CutFromPort { port: 7 },
        3 => LinkEffect::Clog,
        4 => LinkEffect::Slow { extra_ns_max },
        5 => LinkEffect::Delay {
            by: Latency::Exponential {
                floor_ns: MS_NS,
                mean_extra_ns: extra_ns_max,
            },
        },
        6 => LinkEffect::Reorder {
            per_mille,
            extra_ns_max,
        },
        7 => LinkEffect::Corrupt { per_mille },
        8 => LinkEffect::Throttle {
            to: Bandwidth {
                bytes_per_second: key.label("rate").between(100_000, 2_000_000),
                queue_bytes_max: key.label("queue").between(1_000, 100_000),
            },
        },
        _ => LinkEffect::Chop {
            per_mille,
            bytes_max: 200,
        },
    }
}

/// A node that sends back what it reads, and then ends its half.
fn mirror(name: &str) -> NodeId {
    let node = add_node(name);
    node.start(|| async {
        let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            task::spawn(async move {
                let (mut read, mut write) = stream.into_split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    node
}

/// Sends a letter and reads it back; answers whether it came back as it was.
fn correspond(node: NodeId, key: Key) -> JoinHandle<bool> {
    task::spawn(async move {
        let stream = TcpStream::connect((node.ip(), 7)).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let sent = letter(key);
        let copy = sent.clone();
        let writer = task::spawn(async move { write.write_all(&copy).await });
        let mut received = Vec::new();
        read.read_to_end(&mut received).await.unwrap();
        writer.await.unwrap().unwrap();
        received == sent
    })
}

/// One fault after the other on random links, often several at a time; how often they were felt.
async fn storm(key: Key, nodes: &[NodeId]) -> u64 {
    let mut tags = Vec::new();
    for number in 0..20 {
        let key = key.with(number);
        let tag = new_fault_tag();
        for _ in 0..=key.label("links").below(3) {
            let node = *key.label("node").pick(nodes);
            let (from, to) = match key.label("side").chance(1, 2) {
                true => (NodeId::HARNESS, node),
                false => (node, NodeId::HARNESS),
            };
            add_link_effect(from, to, tag, effect(key.label("effect")));
        }
        tags.push(tag);
        sleep(Duration::from_nanos(key.label("pause").below(200 * MS_NS))).await;
        if key.label("ends").chance(1, 2) {
            let ended = *key.label("which").pick(&tags);
            engine::remove_link_effects(ended);
        }
    }
    tags.iter()
        .for_each(|tag| engine::remove_link_effects(*tag));
    tags.iter().map(|tag| engine::fault_observed(*tag)).sum()
}

const STORMS: u64 = 20;

#[test]
fn streams_survive_every_storm_whole() {
    let mut felt_in_all = 0;
    for seed in 0..STORMS {
        let (are_whole, felt) = run_in(&Config::new(seed), move || async move {
            let key = Key::root(seed).label("storm");
            let nodes: Vec<NodeId> = (0..SERVERS)
                .map(|number| mirror(&format!("m{number}")))
                .collect();
            sleep(MS).await;
            let letters: Vec<_> = (0..6_u64)
                .map(|number| correspond(nodes[number as usize % SERVERS], key.with(number)))
                .collect();
            let felt = storm(key, &nodes).await;
            let mut are_whole = true;
            for letter in letters {
                are_whole &= letter.await.unwrap();
            }
            (are_whole, felt)
        });
        assert!(are_whole, "seed {seed}");
        felt_in_all += felt;
    }
    assert!(felt_in_all > 10 * STORMS, "{felt_in_all}");
}
