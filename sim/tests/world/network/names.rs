//! Names that are unknown, answered by nobody, stale or slow.

use std::net::{IpAddr, Ipv4Addr};

use squall_sim::engine::{
    self, FaultTag, Latency, NameEffect, NodeId, add_name_effect, new_fault_tag,
};
use squall_sim::net::{TcpStream, lookup_host};
use squall_sim::time::{Duration, Instant};

use super::{MS, MS_NS, answers, echo, run};

fn befall(asked: NodeId, effect: NameEffect) -> FaultTag {
    let tag = new_fault_tag();
    add_name_effect(NodeId::HARNESS, asked, tag, effect);
    tag
}

fn v4(node: NodeId) -> Ipv4Addr {
    match node.ip() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(_) => panic!("nodes have addresses of version 4"),
    }
}

#[test]
fn a_name_can_be_unknown_to_one_who_asks() {
    let (text, other, healed, felt) = run(7, || async {
        let (node, _other) = (echo("echo"), echo("other"));
        let tag = befall(node, NameEffect::Unknown);
        let error = TcpStream::connect("echo:7").await.err().unwrap();
        let other = TcpStream::connect("other:7").await.is_ok();
        let by_digits = TcpStream::connect((node.ip(), 7)).await.is_ok();
        engine::remove_link_effects(tag);
        let healed = TcpStream::connect("echo:7").await.is_ok();
        let felt = engine::fault_observed(tag);
        (error.to_string(), other && by_digits, healed, felt)
    });
    assert!(text.contains("Name or service not known"), "{text}");
    assert!(other && healed);
    assert_eq!(felt, 1);
}

#[test]
fn a_name_server_can_be_silent() {
    let (text, waited, felt) = run(7, || async {
        let node = echo("echo");
        let tag = befall(node, NameEffect::Unanswered);
        let before = Instant::now();
        let error = lookup_host("echo:7").await.unwrap_err();
        let waited = before.elapsed().as_secs();
        (error.to_string(), waited, engine::fault_observed(tag))
    });
    assert!(
        text.contains("Temporary failure in name resolution"),
        "{text}"
    );
    assert_eq!((waited, felt), (10, 1));
}

#[test]
fn a_stale_name_leads_to_another_node_or_to_none() {
    let (asked, nowhere, felt) = run(7, || async {
        let (node, other) = (echo("echo"), echo("other"));
        let tag = befall(node, NameEffect::Stale { address: v4(other) });
        node.kill();
        let mut stream = TcpStream::connect("echo:7").await.unwrap();
        assert!(answers(&mut stream, 10 * MS).await, "the wrong one answers");
        let asked = stream.peer_addr().unwrap().ip() == other.ip();
        engine::remove_link_effects(tag);
        let felt = engine::fault_observed(tag);
        let gone = Ipv4Addr::new(10, 9, 9, 9);
        befall(node, NameEffect::Stale { address: gone });
        let error = TcpStream::connect("echo:7").await.err().unwrap();
        (asked, error.raw_os_error(), felt)
    });
    assert!(asked);
    assert_eq!((nowhere, felt), (Some(libc::EHOSTUNREACH), 1));
}

#[test]
fn an_answer_can_be_slow() {
    let (waits, calm, felt) = run(7, || async {
        let node = echo("echo");
        let by = Latency::Uniform {
            min_ns: 100 * MS_NS,
            max_ns: 900 * MS_NS,
        };
        let tag = befall(node, NameEffect::Slow { by });
        let mut waits = Vec::new();
        for _ in 0..10 {
            let before = Instant::now();
            lookup_host("echo:7").await.unwrap();
            waits.push(before.elapsed());
        }
        engine::remove_link_effects(tag);
        let before = Instant::now();
        lookup_host("echo:7").await.unwrap();
        (waits, before.elapsed(), engine::fault_observed(tag))
    });
    assert!(
        waits
            .iter()
            .all(|wait| (100 * MS..=900 * MS).contains(wait))
    );
    assert!(waits.iter().any(|wait| *wait != waits[0]));
    assert_eq!((calm, felt), (Duration::ZERO, 10));
}
