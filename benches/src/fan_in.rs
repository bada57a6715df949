//! Many clients that stream to one server over TCP, all at once.

use squall_bench_work::fan_in::{CLIENT_BYTES, LATENCY, WRITE_BYTES};
use squall_sim::engine::{self, NodeId, add_node};
use squall_sim::net::{TcpListener, TcpStream};
use squall_sim::task;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Answers how many MiB the server took in.
pub fn fan_in(clients: usize) -> u64 {
    let config = crate::config(LATENCY, LATENCY);
    let outcome = engine::run(config, move || async move {
        let listener = TcpListener::bind("0.0.0.0:80").await.expect("a free port");
        for number in 0..clients {
            add_node(&format!("client-{number}")).start(pour);
        }
        let mut tasks = Vec::new();
        for _ in 0..clients {
            let (stream, _) = listener.accept().await.expect("a client");
            tasks.push(task::spawn(drain(stream)));
        }
        let mut bytes = 0;
        for task in tasks {
            bytes += task.await.expect("the task ends");
        }
        bytes as u64 >> 20
    });
    outcome.expect("the harness ends").output
}

async fn drain(mut stream: TcpStream) -> usize {
    let mut buffer = vec![0; WRITE_BYTES];
    let mut bytes = 0;
    while bytes < CLIENT_BYTES {
        bytes += stream.read(&mut buffer).await.expect("the client sends");
    }
    bytes
}

async fn pour() {
    let connected = TcpStream::connect((NodeId::HARNESS.ip(), 80)).await;
    let mut stream = connected.expect("the server listens");
    let bytes = vec![7; WRITE_BYTES];
    for _ in 0..CLIENT_BYTES / WRITE_BYTES {
        stream.write_all(&bytes).await.expect("the server listens");
    }
    std::future::pending().await
}
