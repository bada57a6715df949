//! The work that engines are compared by, on turmoil.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use squall_bench_work::{Work, fan_in, heartbeat, ping_pong, print_rates, sleepers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, sleep_until};
use turmoil::Sim;
use turmoil::net::{TcpListener, TcpStream, UdpSocket};

const PORT: u16 = 80;

fn main() {
    print_rates(|work| match work {
        Work::Heartbeat => heartbeat_cluster(),
        Work::PingPong => ping_pong(),
        Work::Sleepers => sleepers(),
        Work::FanIn => fan_in(),
    });
}

/// A simulation that ends when its clients have ended.
fn simulation<'a>(latency_min: Duration, latency_max: Duration) -> Sim<'a> {
    turmoil::Builder::new()
        .simulation_duration(Duration::from_secs(86_400))
        .min_message_latency(latency_min)
        .max_message_latency(latency_max)
        .tcp_capacity(fan_in::CLIENTS * fan_in::CLIENT_BYTES / fan_in::WRITE_BYTES)
        .udp_capacity(1024)
        .build()
}

/// What was counted while a simulation ran.
fn run(mut simulation: Sim<'_>, count: &AtomicU64) -> u64 {
    simulation.run().expect("the simulation ends");
    count.load(Ordering::Relaxed)
}

fn heartbeat_cluster() -> u64 {
    let mut simulation = simulation(heartbeat::LATENCY_MIN, heartbeat::LATENCY_MAX);
    let arrived = Arc::new(AtomicU64::new(0));
    for number in 0..heartbeat::NODES {
        let arrived = Arc::clone(&arrived);
        simulation.host(node(number), move || beat(number, Arc::clone(&arrived)));
    }
    simulation.client("clock", async {
        sleep(Duration::from_secs(heartbeat::VIRTUAL_SECONDS)).await;
        Ok(())
    });
    run(simulation, &arrived)
}

fn node(number: usize) -> String {
    format!("node-{number}")
}

async fn beat(number: usize, arrived: Arc<AtomicU64>) -> turmoil::Result {
    let socket = Arc::new(UdpSocket::bind(("0.0.0.0", PORT)).await?);
    let receiver = Arc::clone(&socket);
    tokio::spawn(async move {
        let mut buffer = [0; heartbeat::PAYLOAD_BYTES];
        while receiver.recv_from(&mut buffer).await.is_ok() {
            arrived.fetch_add(1, Ordering::Relaxed);
        }
    });
    let others = (0..heartbeat::NODES).filter(|other| *other != number);
    let others: Vec<SocketAddr> = others
        .map(|other| (turmoil::lookup(node(other)), PORT).into())
        .collect();
    let mut next = Instant::now();
    loop {
        next += heartbeat::PERIOD;
        sleep_until(next).await;
        for other in &others {
            socket
                .send_to(&[1; heartbeat::PAYLOAD_BYTES], *other)
                .await?;
        }
    }
}

fn ping_pong() -> u64 {
    let mut simulation = simulation(ping_pong::LATENCY, ping_pong::LATENCY);
    let done = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&done);
    simulation.host("server", echo);
    simulation.client("client", async move {
        count.fetch_add(ping().await?, Ordering::Relaxed);
        Ok(())
    });
    run(simulation, &done)
}

async fn echo() -> turmoil::Result {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    let (mut stream, _) = listener.accept().await?;
    let mut buffer = [0; ping_pong::PAYLOAD_BYTES];
    while stream.read_exact(&mut buffer).await.is_ok() {
        stream.write_all(&buffer).await?;
    }
    Ok(())
}

async fn ping() -> std::io::Result<u64> {
    let mut stream = TcpStream::connect(("server", PORT)).await?;
    let mut buffer = [7; ping_pong::PAYLOAD_BYTES];
    let mut done = 0;
    while done < ping_pong::ROUND_TRIPS {
        stream.write_all(&buffer).await?;
        stream.read_exact(&mut buffer).await?;
        done += 1;
    }
    Ok(done)
}

fn sleepers() -> u64 {
    let mut simulation = simulation(Duration::from_millis(1), Duration::from_millis(1));
    let done = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&done);
    simulation.client("sleepers", async move {
        let nap = |number| async move {
            let mut done = 0;
            for nap in sleepers::naps(number) {
                sleep(nap).await;
                done += 1;
            }
            done
        };
        let tasks: Vec<_> = (0..sleepers::TASKS)
            .map(|number| tokio::spawn(nap(number)))
            .collect();
        for task in tasks {
            count.fetch_add(task.await?, Ordering::Relaxed);
        }
        Ok(())
    });
    run(simulation, &done)
}

/// The server is what turmoil calls a client: the simulation ends with it.
fn fan_in() -> u64 {
    let mut simulation = simulation(fan_in::LATENCY, fan_in::LATENCY);
    let bytes = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&bytes);
    simulation.client("server", take_in(count));
    for number in 0..fan_in::CLIENTS {
        simulation.host(node(number), pour);
    }
    run(simulation, &bytes) >> 20
}

async fn take_in(count: Arc<AtomicU64>) -> turmoil::Result {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    let mut tasks = Vec::new();
    for _ in 0..fan_in::CLIENTS {
        let (stream, _) = listener.accept().await?;
        tasks.push(tokio::spawn(drain(stream)));
    }
    for task in tasks {
        count.fetch_add(task.await?? as u64, Ordering::Relaxed);
    }
    Ok(())
}

async fn drain(mut stream: TcpStream) -> std::io::Result<usize> {
    let mut buffer = vec![0; fan_in::WRITE_BYTES];
    let mut bytes = 0;
    while bytes < fan_in::CLIENT_BYTES {
        bytes += stream.read(&mut buffer).await?;
    }
    Ok(bytes)
}

async fn pour() -> turmoil::Result {
    let mut stream = TcpStream::connect(("server", PORT)).await?;
    let bytes = vec![7; fan_in::WRITE_BYTES];
    for _ in 0..fan_in::CLIENT_BYTES / fan_in::WRITE_BYTES {
        stream.write_all(&bytes).await?;
    }
    std::future::pending().await
}
