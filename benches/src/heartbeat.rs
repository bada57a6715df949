//! A cluster whose nodes greet each other over UDP.

use std::net::SocketAddr;
use std::sync::Arc;

use squall_bench_work::heartbeat::{LATENCY_MAX, LATENCY_MIN, NODES, PAYLOAD_BYTES, PERIOD};
use squall_sim::engine::{self, NodeId, add_node};
use squall_sim::net::UdpSocket;
use squall_sim::task;
use squall_sim::time::{Duration, Instant, sleep, sleep_until};

/// Answers how many messages arrived.
pub fn heartbeat_cluster(virtual_seconds: u64) -> u64 {
    let config = crate::config(LATENCY_MIN, LATENCY_MAX);
    let outcome = engine::run(config, move || async move {
        let nodes: Vec<NodeId> = (0..NODES)
            .map(|number| add_node(&format!("node-{number}")))
            .collect();
        for node in &nodes {
            let others = nodes.iter().filter(|other| *other != node);
            let others: Vec<SocketAddr> = others.map(|other| (other.ip(), 99).into()).collect();
            node.start(move || beat(others.clone()));
        }
        sleep(Duration::from_secs(virtual_seconds)).await;
    });
    let counters = outcome.expect("the harness ends").counters;
    counters.packets_delivered
}

async fn beat(others: Vec<SocketAddr>) {
    let socket = UdpSocket::bind("0.0.0.0:99").await.expect("a free port");
    let socket = Arc::new(socket);
    let receiver = Arc::clone(&socket);
    task::spawn(async move {
        let mut buffer = [0; PAYLOAD_BYTES];
        while receiver.recv_from(&mut buffer).await.is_ok() {}
    });
    let mut next = Instant::now();
    loop {
        next += PERIOD;
        sleep_until(next).await;
        for other in &others {
            let sent = socket.send_to(&[1; PAYLOAD_BYTES], *other).await;
            sent.expect("the socket is open");
        }
    }
}
