//! The network's faults, seen from programs: that each is felt, counted, and repeats.

mod bandwidth;
mod clogs;
mod cuts;
mod latency;
mod names;
mod packets;
mod presets;
mod storms;
mod streams;

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;

use squall_sim::engine::{self, Config, FaultTag, LinkEffect, NodeId, add_node};
use squall_sim::net::{TcpListener, TcpStream, UdpSocket};
use squall_sim::task;
use squall_sim::time::{Duration, sleep, timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MS: Duration = Duration::from_millis(1);
const MS_NS: u64 = 1_000_000;

/// Runs a harness in a world twice; answers what it returned, which must be the same.
fn run_in<T, F>(config: &Config, harness: impl Fn() -> F + Send + Sync) -> T
where
    T: Send + PartialEq + Debug + 'static,
    F: Future<Output = T> + 'static,
{
    let once = || engine::run(config.clone(), &harness).expect("the harness ends");
    let (first, second) = (once(), once());
    assert_eq!(first.digest, second.digest, "a run repeats");
    assert_eq!(first.output, second.output, "a run repeats");
    first.output
}

fn run<T, F>(seed: u64, harness: impl Fn() -> F + Send + Sync) -> T
where
    T: Send + PartialEq + Debug + 'static,
    F: Future<Output = T> + 'static,
{
    run_in(&Config::new(seed), harness)
}

/// What a node has heard, and when.
type Heard = Rc<RefCell<Vec<(u64, Vec<u8>)>>>;

/// A node that writes down the datagrams that come to its port 9.
fn ear(name: &str) -> (NodeId, Heard) {
    let node = add_node(name);
    let heard = Heard::default();
    let notes = Rc::clone(&heard);
    node.start(move || {
        let notes = Rc::clone(&notes);
        async move {
            let socket = UdpSocket::bind("0.0.0.0:9").await.unwrap();
            let mut buffer = [0; 2048];
            loop {
                let (length, _) = socket.recv_from(&mut buffer).await.unwrap();
                let payload = buffer[..length].to_vec();
                notes.borrow_mut().push((engine::now_ns(), payload));
            }
        }
    });
    (node, heard)
}

/// Sends datagrams of one byte each, 0 to `count`, one every millisecond.
async fn call(node: NodeId, count: u8) {
    let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    for number in 0..count {
        socket.send_to(&[number], (node.ip(), 9)).await.unwrap();
        sleep(MS).await;
    }
}

/// The first bytes of what was heard, in order of arrival.
fn numbers(heard: &Heard) -> Vec<u8> {
    let heard = heard.borrow();
    heard.iter().map(|(_, payload)| payload[0]).collect()
}

/// A node that sends back on its ports 7 and 8 what it reads.
fn echo(name: &str) -> NodeId {
    let node = add_node(name);
    node.start(|| async {
        let other = task::spawn(echo_on(8));
        echo_on(7).await;
        other.await.unwrap();
    });
    node
}

async fn echo_on(port: u16) {
    let listener = TcpListener::bind(("0.0.0.0", port)).await.unwrap();
    while let Ok((mut stream, _)) = listener.accept().await {
        task::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                if stream.write_all(&buffer[..length]).await.is_err() {
                    break;
                }
            }
        });
    }
}

/// Whether a word comes back within a time, over a connection that stands.
async fn answers(stream: &mut TcpStream, within: Duration) -> bool {
    let mut word = [0; 4];
    stream.write_all(b"ping").await.unwrap();
    let read = timeout(within, stream.read_exact(&mut word)).await;
    read.is_ok_and(|read| read.is_ok()) && word == *b"ping"
}

/// A fault of one effect, on what the harness sends to a node.
fn harm(to: NodeId, effect: LinkEffect) -> FaultTag {
    let tag = engine::new_fault_tag();
    engine::add_link_effect(NodeId::HARNESS, to, tag, effect);
    tag
}
