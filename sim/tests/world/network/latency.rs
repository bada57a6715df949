//! How long packets take: in calm times, and on gray links.

use squall_sim::engine::{
    self, Config, GrayLink, Latency, LinkEffect, NodeId, add_gray_link, set_link_latency,
};
use squall_sim::net::UdpSocket;
use squall_sim::time::{Duration, sleep};

use super::{Heard, MS, MS_NS, ear, run, run_in};

/// Sends datagrams that carry their time, one every millisecond; what each took that was heard
/// until a while later.
async fn latencies(node: NodeId, heard: &Heard, count: usize) -> Vec<u64> {
    heard.borrow_mut().clear();
    let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    for _ in 0..count {
        let now = engine::now_ns().to_le_bytes();
        socket.send_to(&now, (node.ip(), 9)).await.unwrap();
        sleep(MS).await;
    }
    sleep(Duration::from_secs(5)).await;
    let took = |(at_ns, payload): &(u64, Vec<u8>)| {
        let sent_ns = payload.as_slice().try_into().map(u64::from_le_bytes);
        at_ns - sent_ns.expect("eight bytes")
    };
    heard.borrow().iter().map(took).collect()
}

#[test]
fn a_link_takes_what_it_is_told_to() {
    let (of_this, of_other, calm_again) = run(7, || async {
        let (node, heard) = ear("ear");
        let (other, heard_there) = ear("other");
        set_link_latency(NodeId::HARNESS, node, Latency::Constant { ns: 30 * MS_NS });
        let of_this = latencies(node, &heard, 50).await;
        let of_other = latencies(other, &heard_there, 50).await;
        let calm = Latency::Uniform {
            min_ns: MS_NS,
            max_ns: 2 * MS_NS,
        };
        set_link_latency(NodeId::HARNESS, node, calm);
        (of_this, of_other, latencies(node, &heard, 50).await)
    });
    assert_eq!(of_this, [30 * MS_NS; 50]);
    let within = |min_ns, max_ns| move |ns: &u64| (min_ns..=max_ns).contains(ns);
    assert!(of_other.iter().all(within(MS_NS / 2, 2 * MS_NS)));
    assert!(calm_again.iter().all(within(MS_NS, 2 * MS_NS)));
}

#[test]
fn the_whole_network_takes_what_its_configuration_says() {
    let mut config = Config::new(7);
    config.network.latency = Latency::Exponential {
        floor_ns: 10 * MS_NS,
        mean_extra_ns: 5 * MS_NS,
    };
    let took = run_in(&config, || async {
        let (node, heard) = ear("ear");
        latencies(node, &heard, 200).await
    });
    assert!(took.iter().all(|ns| *ns >= 10 * MS_NS));
    assert!(took.iter().any(|ns| *ns > 20 * MS_NS), "a tail");
    let mean_ns = took.iter().sum::<u64>() / took.len() as u64;
    assert!(mean_ns.abs_diff(15 * MS_NS) < 2 * MS_NS, "{mean_ns}");
}

#[test]
fn some_pairs_are_far_from_each_other_for_ever() {
    let mut config = Config::new(7);
    config.network.latency = Latency::Constant { ns: MS_NS };
    config.network.pair_offset_ns_max = 50 * MS_NS;
    let offsets = run_in(&config, || async {
        let mut offsets = Vec::new();
        for number in 0..5 {
            let (node, heard) = ear(&format!("n{number}"));
            let took = latencies(node, &heard, 20).await;
            assert!(took.iter().all(|ns| *ns == took[0]), "it lasts");
            // Told otherwise, a link is as far as before.
            set_link_latency(NodeId::HARNESS, node, Latency::Constant { ns: 0 });
            let without = latencies(node, &heard, 1).await;
            assert_eq!(without, [took[0] - MS_NS]);
            offsets.push(without[0]);
        }
        offsets
    });
    let distinct: std::collections::BTreeSet<_> = offsets.iter().collect();
    assert_eq!(distinct.len(), 5, "{offsets:?}");
    assert!(offsets.iter().all(|ns| *ns <= 50 * MS_NS));
}

#[test]
fn a_fault_of_delay_comes_on_top() {
    let (took, felt) = run(7, || async {
        let (node, heard) = ear("ear");
        let by = Latency::Uniform {
            min_ns: 200 * MS_NS,
            max_ns: 800 * MS_NS,
        };
        let tag = super::harm(node, LinkEffect::Delay { by });
        (
            latencies(node, &heard, 50).await,
            engine::fault_observed(tag),
        )
    });
    assert_eq!((took.len(), felt), (50, 50));
    assert!(
        took.iter()
            .all(|ns| (200 * MS_NS..=802 * MS_NS).contains(ns))
    );
    assert!(took.iter().any(|ns| *ns < 400 * MS_NS) && took.iter().any(|ns| *ns > 600 * MS_NS));
}

#[test]
fn a_gray_link_is_neither_whole_nor_cut() {
    let (took, felt, healed) = run(7, || async {
        let (node, heard) = ear("ear");
        let tag = engine::new_fault_tag();
        let gray = GrayLink {
            lost_per_mille: 200,
            extra_ns_max: 20 * MS_NS,
            late_per_mille: 100,
            late_ns_max: 2_000 * MS_NS,
        };
        add_gray_link(NodeId::HARNESS, node, tag, gray);
        let took = latencies(node, &heard, 200).await;
        let felt = engine::fault_observed(tag);
        engine::remove_link_effects(tag);
        (took, felt, latencies(node, &heard, 20).await)
    });
    let lost = 200 - took.len();
    let late = took.iter().filter(|ns| **ns > 22 * MS_NS).count();
    assert!((20..60).contains(&lost), "{lost}");
    assert!((5..40).contains(&late), "{late}");
    assert_eq!(
        felt,
        200 + lost as u64,
        "each was slowed, and some were lost besides"
    );
    assert!(healed.len() == 20 && healed.iter().all(|ns| *ns <= 2 * MS_NS));
}
