//! The benches' work, as functions.

use squall_sim::engine::{self, Config, NetworkConfig, NodeId, add_node};
use squall_sim::net::{TcpListener, TcpStream, UdpSocket};
use squall_sim::task;
use squall_sim::time::{Duration, sleep};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const NODES: usize = 5;

fn config(latency_ns_min: u64, latency_ns_max: u64) -> Config {
    let network = NetworkConfig {
        latency_ns_min,
        latency_ns_max,
        ..NetworkConfig::default()
    };
    Config {
        network,
        ..Config::new(1)
    }
}

/// Five nodes, each of which sends 64 bytes to the four others every 50 ms, over links of 1 to 5 ms;
/// answers how many messages arrived.
pub fn heartbeat_cluster(virtual_seconds: u64) -> u64 {
    let outcome = engine::run(config(1_000_000, 5_000_000), move || async move {
        let nodes: Vec<NodeId> = (0..NODES)
            .map(|number| add_node(&format!("n{number}")))
            .collect();
        let addresses: Vec<_> = nodes.iter().map(|node| (node.ip(), 99).into()).collect();
        for (number, node) in nodes.into_iter().enumerate() {
            let addresses: Vec<std::net::SocketAddr> = addresses.clone();
            node.start(move || heartbeat(number, addresses.clone()));
        }
        sleep(Duration::from_secs(virtual_seconds)).await;
    });
    outcome
        .expect("the harness ends")
        .counters
        .packets_delivered
}

async fn heartbeat(number: usize, addresses: Vec<std::net::SocketAddr>) {
    let socket = UdpSocket::bind("0.0.0.0:99").await.expect("a free port");
    let socket = std::sync::Arc::new(socket);
    let receiver = std::sync::Arc::clone(&socket);
    task::spawn(async move {
        let mut buffer = [0; 64];
        while receiver.recv_from(&mut buffer).await.is_ok() {}
    });
    loop {
        sleep(Duration::from_millis(50)).await;
        for address in addresses
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != number)
            .map(|(_, address)| address)
        {
            socket
                .send_to(&[1; 64], *address)
                .await
                .expect("the socket is open");
        }
    }
}

/// One client and one server that exchange 64 bytes each way over links of 1 ms; answers how many
/// round trips there were.
pub fn ping_pong(round_trips: u64) -> u64 {
    let outcome = engine::run(config(1_000_000, 1_000_000), move || async move {
        add_node("server").start(|| async {
            let listener = TcpListener::bind("0.0.0.0:80").await.expect("a free port");
            while let Ok((mut stream, _)) = listener.accept().await {
                task::spawn(async move {
                    let mut buffer = [0; 64];
                    while stream.read_exact(&mut buffer).await.is_ok() {
                        stream.write_all(&buffer).await.expect("the client listens");
                    }
                });
            }
        });
        let mut stream = TcpStream::connect("server:80")
            .await
            .expect("the server listens");
        let mut buffer = [7; 64];
        let mut done = 0;
        for _ in 0..round_trips {
            stream.write_all(&buffer).await.expect("the server listens");
            stream
                .read_exact(&mut buffer)
                .await
                .expect("the server answers");
            done += 1;
        }
        done
    });
    outcome.expect("the harness ends").output
}
