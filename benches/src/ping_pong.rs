//! One client and one server that exchange a few bytes over TCP.

use squall_bench_work::ping_pong::{LATENCY, PAYLOAD_BYTES};
use squall_sim::engine::{self, add_node};
use squall_sim::net::{TcpListener, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Answers how many round trips there were.
pub fn ping_pong(round_trips: u64) -> u64 {
    let config = crate::config(LATENCY, LATENCY);
    let outcome = engine::run(config, move || async move {
        add_node("server").start(echo);
        ping(round_trips).await
    });
    outcome.expect("the harness ends").output
}

async fn echo() {
    let listener = TcpListener::bind("0.0.0.0:80").await.expect("a free port");
    let (mut stream, _) = listener.accept().await.expect("a client");
    let mut buffer = [0; PAYLOAD_BYTES];
    while stream.read_exact(&mut buffer).await.is_ok() {
        stream.write_all(&buffer).await.expect("the client listens");
    }
}

async fn ping(round_trips: u64) -> u64 {
    let connected = TcpStream::connect("server:80").await;
    let mut stream = connected.expect("the server listens");
    let mut buffer = [7; PAYLOAD_BYTES];
    let mut done = 0;
    while done < round_trips {
        stream.write_all(&buffer).await.expect("the server listens");
        let answered = stream.read_exact(&mut buffer).await;
        answered.expect("the server answers");
        done += 1;
    }
    done
}
