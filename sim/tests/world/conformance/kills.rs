//! What a peer sees when the process at the other end is killed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use squall_sim::engine::{NodeId, add_node};
use squall_sim::net::{TcpListener, TcpStream};
use squall_sim::time::{Duration, sleep, timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::streams::probe;
use super::{Log, check, settle};

/// Where the process that is to be killed writes down its ports: only that process has it.
const PORTS: &str = "SQUALL_CONFORMANCE_PORTS";
/// What the process answers to [`TALK`].
const SPEECH_BYTES: usize = 100_000;
/// Commands to a connection that is accepted: listen to one byte, or answer.
const HUSH: u8 = b'h';
const TALK: u8 = b't';

/// A process with two listeners, one of which accepts nothing.
struct Victim {
    accepting: SocketAddr,
    ignoring: SocketAddr,
    /// The first connection: on it the process says when it has done as it was told.
    control: TcpStream,
    process: Process,
}

enum Process {
    Real(Child),
    Simulated(NodeId),
}

impl Victim {
    async fn start(place: &Path) -> Self {
        if squall_sim::is_observed() {
            return Self::simulated().await;
        }
        let ports = place.join("ports");
        let tests = std::env::current_exe().expect("the test's own program");
        let child = Command::new(tests)
            .args([
                "--exact",
                "conformance::kills::a_process_that_waits_to_be_killed",
            ])
            .env(PORTS, &ports)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a process");
        let mut process = Process::Real(child);
        for _ in 0..2000 {
            if let Ok(text) = std::fs::read_to_string(&ports) {
                let mut ports = text.split(' ').map(|port| port.parse().expect("a port"));
                let mut next = || ([127, 0, 0, 1], ports.next().expect("two ports")).into();
                return Self::of(process, next(), next()).await;
            }
            sleep(Duration::from_millis(5)).await;
        }
        process.kill();
        panic!("the process did not listen within ten seconds");
    }

    async fn of(process: Process, accepting: SocketAddr, ignoring: SocketAddr) -> Self {
        Self {
            accepting,
            ignoring,
            control: TcpStream::connect(accepting).await.unwrap(),
            process,
        }
    }

    async fn simulated() -> Self {
        let node = add_node("victim");
        node.start(|| async {
            let accepting = TcpListener::bind("0.0.0.0:7").await.unwrap();
            let _ignoring = TcpListener::bind("0.0.0.0:8").await.unwrap();
            live(&accepting).await;
        });
        let on = |port| (node.ip(), port).into();
        Self::of(Process::Simulated(node), on(7), on(8)).await
    }

    /// A connection that the process has accepted, after it has done as it is told.
    async fn told(&mut self, command: u8) -> TcpStream {
        let mut stream = TcpStream::connect(self.accepting).await.unwrap();
        stream.write_all(&[command]).await.unwrap();
        assert_eq!(self.control.read_u8().await.unwrap(), command);
        settle().await;
        stream
    }

    async fn kill(&mut self) {
        self.process.kill();
        settle().await;
    }
}

impl Process {
    fn kill(&mut self) {
        match self {
            Self::Simulated(node) => {
                node.kill();
            }
            Self::Real(child) => {
                // It may have been killed before.
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Self::Real(_) = self {
            self.kill();
        }
    }
}

/// What the process does until it is killed.
async fn live(accepting: &TcpListener) {
    let (mut control, _) = accepting.accept().await.unwrap();
    let mut held = Vec::new();
    loop {
        let (mut stream, _) = accepting.accept().await.unwrap();
        let command = stream.read_u8().await.unwrap();
        if command == TALK {
            stream.write_all(&[7; SPEECH_BYTES]).await.unwrap();
        }
        held.push(stream);
        control.write_all(&[command]).await.unwrap();
    }
}

/// Not a test of its own, but the process that others start, and kill.
#[test]
fn a_process_that_waits_to_be_killed() {
    let Some(ports) = std::env::var_os(PORTS).map(PathBuf::from) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let accepting = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ignoring = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let text = format!("{} {}", port(&accepting), port(&ignoring));
        let draft = ports.with_extension("draft");
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(&draft, &ports).unwrap();
        // If nobody kills it, it ends by itself.
        let _ = timeout(Duration::from_secs(60), live(&accepting)).await;
    });
}

#[test]
fn the_peer_of_a_killed_process_hears_its_goodbye() {
    check(|place| async move {
        let mut log = Log::default();
        let mut victim = Victim::start(&place).await;
        let mut stream = victim.told(HUSH).await;
        victim.kill().await;
        probe(&mut log, &mut stream).await;
        log.result("shutdown", stream.shutdown().await);
        log
    });
}

#[test]
fn what_a_killed_process_has_not_read_makes_its_goodbye_a_reset() {
    check(|place| async move {
        let mut log = Log::default();
        let mut victim = Victim::start(&place).await;
        let mut stream = victim.told(HUSH).await;
        stream.write_all(b"unread").await.unwrap();
        settle().await;
        victim.kill().await;
        probe(&mut log, &mut stream).await;
        log
    });
}

#[test]
fn what_a_killed_process_has_written_arrives() {
    check(|place| async move {
        let mut log = Log::default();
        let mut victim = Victim::start(&place).await;
        let mut stream = victim.told(TALK).await;
        victim.kill().await;
        let mut speech = Vec::new();
        log.result("read to end", stream.read_to_end(&mut speech).await);
        log.see("same", speech == [7; SPEECH_BYTES]);
        probe(&mut log, &mut stream).await;
        log
    });
}

#[test]
fn whom_a_killed_process_has_not_accepted_it_resets() {
    check(|place| async move {
        let mut log = Log::default();
        let mut victim = Victim::start(&place).await;
        let mut stream = TcpStream::connect(victim.ignoring).await.unwrap();
        settle().await;
        victim.kill().await;
        probe(&mut log, &mut stream).await;
        for address in [victim.accepting, victim.ignoring] {
            log.result("connect", TcpStream::connect(address).await.map(|_| ()));
        }
        log
    });
}

#[test]
fn who_waits_for_a_process_learns_of_its_end() {
    check(|place| async move {
        let mut log = Log::default();
        let mut victim = Victim::start(&place).await;
        let mut stream = victim.told(HUSH).await;
        let reader = squall_sim::task::spawn(async move { stream.read(&mut [0; 4]).await });
        let mut stream = victim.told(HUSH).await;
        let writer = squall_sim::task::spawn(async move {
            let written = stream.write_all(&vec![1; 64 << 20]).await;
            (written, stream.read(&mut [0; 4]).await)
        });
        settle().await;
        victim.kill().await;
        log.result("read", reader.await.unwrap());
        let (written, read) = writer.await.unwrap();
        log.result("write", written);
        log.result("read after it", read);
        log
    });
}

#[test]
fn a_half_closed_connection_ends_with_its_process() {
    check(|place| async move {
        let mut log = Log::default();
        let mut victim = Victim::start(&place).await;
        let mut stream = victim.told(HUSH).await;
        stream.shutdown().await.unwrap();
        settle().await;
        victim.kill().await;
        probe(&mut log, &mut stream).await;
        log
    });
}
