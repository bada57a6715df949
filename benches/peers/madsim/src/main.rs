//! The work that engines are compared by, on madsim.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use madsim::net::{TcpListener, TcpStream, UdpSocket};
use madsim::runtime::{Handle, NodeHandle, Runtime};
use madsim::task;
use madsim::time::{Instant, sleep, sleep_until};
use squall_bench_work::{Work, fan_in, heartbeat, ping_pong, print_rates, sleepers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn main() {
    print_rates(|work| match work {
        Work::Heartbeat => heartbeat_cluster(),
        Work::PingPong => ping_pong(),
        Work::Sleepers => sleepers(),
        Work::FanIn => fan_in(),
    });
}

fn runtime(latency: Range<Duration>) -> Runtime {
    let mut config = madsim::Config::default();
    config.net.send_latency = latency;
    Runtime::with_seed_and_config(1, config)
}

/// madsim draws from a range, which may not be empty.
fn exactly(latency: Duration) -> Range<Duration> {
    latency..latency + Duration::from_nanos(1)
}

fn node(number: usize) -> NodeHandle {
    let [_, network, high, low] = (number as u32).to_be_bytes();
    Handle::current()
        .create_node()
        .name(format!("node-{number}"))
        .ip([10, network, high, low].into())
        .build()
}

fn address(number: usize) -> SocketAddr {
    let [_, network, high, low] = (number as u32).to_be_bytes();
    ([10, network, high, low], 80).into()
}

fn heartbeat_cluster() -> u64 {
    let runtime = runtime(heartbeat::LATENCY_MIN..heartbeat::LATENCY_MAX);
    let arrived = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&arrived);
    runtime.block_on(async move {
        for number in 1..=heartbeat::NODES {
            node(number).spawn(beat(number, Arc::clone(&count)));
        }
        sleep(Duration::from_secs(heartbeat::VIRTUAL_SECONDS)).await;
    });
    arrived.load(Ordering::Relaxed)
}

async fn beat(number: usize, arrived: Arc<AtomicU64>) {
    let socket = UdpSocket::bind(address(number)).await.expect("a free port");
    let socket = Arc::new(socket);
    let receiver = Arc::clone(&socket);
    task::spawn(async move {
        let mut buffer = [0; heartbeat::PAYLOAD_BYTES];
        while receiver.recv_from(&mut buffer).await.is_ok() {
            arrived.fetch_add(1, Ordering::Relaxed);
        }
    });
    let others = (1..=heartbeat::NODES).filter(|other| *other != number);
    let others: Vec<SocketAddr> = others.map(address).collect();
    let mut next = Instant::now();
    loop {
        next += heartbeat::PERIOD;
        sleep_until(next).await;
        for other in &others {
            let sent = socket.send_to(*other, &[1; heartbeat::PAYLOAD_BYTES]).await;
            sent.expect("the socket is open");
        }
    }
}

fn ping_pong() -> u64 {
    runtime(exactly(ping_pong::LATENCY)).block_on(async {
        let (server, client) = (node(1), node(2));
        server.spawn(echo());
        sleep(ping_pong::LATENCY).await;
        client.spawn(ping()).await.expect("the client ends")
    })
}

async fn echo() {
    let listener = TcpListener::bind(address(1)).await.expect("a free port");
    let (mut stream, _) = listener.accept().await.expect("a client");
    let mut buffer = [0; ping_pong::PAYLOAD_BYTES];
    while stream.read_exact(&mut buffer).await.is_ok() {
        stream.write_all(&buffer).await.expect("the client listens");
        stream.flush().await.expect("the client listens");
    }
}

async fn ping() -> u64 {
    let connected = TcpStream::connect(address(1)).await;
    let mut stream = connected.expect("the server listens");
    let mut buffer = [7; ping_pong::PAYLOAD_BYTES];
    let mut done = 0;
    while done < ping_pong::ROUND_TRIPS {
        stream.write_all(&buffer).await.expect("the server listens");
        stream.flush().await.expect("the server listens");
        let answered = stream.read_exact(&mut buffer).await;
        answered.expect("the server answers");
        done += 1;
    }
    done
}

fn sleepers() -> u64 {
    Runtime::with_seed_and_config(1, madsim::Config::default()).block_on(async {
        let nap = |number| async move {
            let mut done = 0;
            for nap in sleepers::naps(number) {
                sleep(nap).await;
                done += 1;
            }
            done
        };
        let tasks: Vec<_> = (0..sleepers::TASKS)
            .map(|number| task::spawn(nap(number)))
            .collect();
        let mut done = 0;
        for task in tasks {
            done += task.await.expect("the task ends");
        }
        done
    })
}

fn fan_in() -> u64 {
    runtime(exactly(fan_in::LATENCY)).block_on(async {
        let server = node(1).spawn(take_in());
        sleep(fan_in::LATENCY).await;
        for number in 0..fan_in::CLIENTS {
            node(2 + number).spawn(pour());
        }
        server.await.expect("the server ends")
    })
}

/// Answers how many MiB came in.
async fn take_in() -> u64 {
    let listener = TcpListener::bind(address(1)).await.expect("a free port");
    let mut tasks = Vec::new();
    for _ in 0..fan_in::CLIENTS {
        let (stream, _) = listener.accept().await.expect("a client");
        tasks.push(task::spawn(drain(stream)));
    }
    let mut bytes = 0;
    for task in tasks {
        bytes += task.await.expect("the task ends");
    }
    bytes as u64 >> 20
}

async fn drain(mut stream: TcpStream) -> usize {
    let mut buffer = vec![0; fan_in::WRITE_BYTES];
    let mut bytes = 0;
    while bytes < fan_in::CLIENT_BYTES {
        bytes += stream.read(&mut buffer).await.expect("the client sends");
    }
    bytes
}

async fn pour() {
    let connected = TcpStream::connect(address(1)).await;
    let mut stream = connected.expect("the server listens");
    let bytes = vec![7; fan_in::WRITE_BYTES];
    for _ in 0..fan_in::CLIENT_BYTES / fan_in::WRITE_BYTES {
        stream.write_all(&bytes).await.expect("the server listens");
        stream.flush().await.expect("the server listens");
    }
    std::future::pending().await
}
