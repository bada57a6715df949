//! Networks with a name, as the calm network of a run and as a fault.

use squall_sim::engine::{self, Config, NodeId, PRESETS, preset};
use squall_sim::net::TcpStream;
use squall_sim::time::Duration;

use super::{answers, echo, run, run_in};

/// What twenty round trips take over a connection, in milliseconds.
async fn round_trips(node: NodeId) -> u64 {
    let mut stream = TcpStream::connect((node.ip(), 7)).await.unwrap();
    let began_ns = engine::now_ns();
    for _ in 0..20 {
        assert!(answers(&mut stream, Duration::from_secs(600)).await);
    }
    (engine::now_ns() - began_ns) / 1_000_000
}

#[test]
fn streams_survive_every_network_that_has_a_name() {
    for preset in &PRESETS {
        let mut config = Config::new(7);
        config.network = preset.config();
        let calm = run_in(&config, || async { round_trips(echo("echo")).await });
        assert!(calm > 0, "{}", preset.name);
    }
}

#[test]
fn as_a_fault_each_is_felt_and_ends() {
    for preset in &PRESETS {
        let (before, during, after, felt) = run(7, || async {
            let node = echo("echo");
            let before = round_trips(node).await;
            let tag = engine::new_fault_tag();
            for effect in preset.effects() {
                engine::add_link_effect(NodeId::HARNESS, node, tag, effect);
                engine::add_link_effect(node, NodeId::HARNESS, tag, effect);
            }
            let during = round_trips(node).await;
            engine::remove_link_effects(tag);
            let felt = engine::fault_observed(tag);
            (before, during, round_trips(node).await, felt)
        });
        assert!(felt > 0, "{}", preset.name);
        assert!(
            during >= before.min(after),
            "{}: {before} {during} {after}",
            preset.name
        );
        assert!(after <= 80, "{}: {after} ms", preset.name);
    }
}

#[test]
fn slow_ones_are_as_slow_as_they_say() {
    let config = Config {
        network: preset("delay-500-loss-5").unwrap().config(),
        ..Config::new(7)
    };
    let took_ms = run_in(&config, || async { round_trips(echo("echo")).await });
    assert!(took_ms > 15_000, "twenty times a second: {took_ms} ms");
}
