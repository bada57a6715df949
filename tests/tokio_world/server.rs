//! A server as a process, which may be killed and started again on the same data.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::program::squall;

/// How long a server may take to listen, or to end. Any machine is faster.
const PATIENCE: Duration = Duration::from_secs(60);
/// From one look at a server to the next.
const PAUSE: Duration = Duration::from_millis(5);

/// A process that ends with this value.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server with an address and a place of its own, which stay when it is killed.
pub(crate) struct Server {
    directory: tempfile::TempDir,
    address: SocketAddr,
    arguments: Vec<String>,
    process: Option<Process>,
}

impl Server {
    /// Starts `squall serve` with these words, and waits until it listens.
    pub(crate) fn start(words: &[&str]) -> Self {
        Self::new(words).started()
    }

    /// The same for a server that keeps data.
    pub(crate) fn start_with_data(words: &[&str]) -> Self {
        let mut server = Self::new(words);
        let data = server.data().display().to_string();
        server.arguments.extend(["--data".to_owned(), data]);
        server.started()
    }

    fn new(words: &[&str]) -> Self {
        Self {
            directory: tempfile::tempdir().expect("there is a temporary directory"),
            address: free_addresses(1)[0],
            arguments: words.iter().map(|word| (*word).to_owned()).collect(),
            process: None,
        }
    }

    fn started(mut self) -> Self {
        self.restart();
        self.wait_until_it_listens();
        self
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where a server that keeps data keeps it.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// As `kill -9`: the server says goodbye to nobody, and the kernel keeps what was written.
    pub(crate) fn kill(&mut self) {
        assert!(self.process.take().is_some(), "it is dead");
    }

    /// Starts a server that is dead. Whoever has patience need not wait until it listens.
    pub(crate) fn restart(&mut self) {
        assert!(self.process.is_none(), "it lives");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .expect("a temporary directory can be written to");
        let child = squall()
            .arg("serve")
            .args(&self.arguments)
            .args(["--listen", &self.address.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        self.process = Some(Process(child));
    }

    pub(crate) fn wait_until_it_listens(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            let ended = self.try_wait();
            assert!(ended.is_none(), "it ended, {ended:?}: {}", self.story());
            assert!(Instant::now() < deadline, "deaf: {}", self.story());
            sleep(PAUSE);
        }
    }

    /// Tells it to stop, as a supervisor does; answers how it ended.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let id = self.process.as_ref().expect("it lives").0.id();
        let told = std::process::Command::new("kill")
            .args(["-TERM", &id.to_string()])
            .status();
        assert!(told.is_ok_and(|told| told.success()), "it cannot be told");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(ended) = self.try_wait() {
                self.process = None;
                return ended;
            }
            assert!(Instant::now() < deadline, "stubborn: {}", self.story());
            sleep(PAUSE);
        }
    }

    /// What it has said.
    pub(crate) fn story(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn try_wait(&mut self) -> Option<ExitStatus> {
        let process = self.process.as_mut().expect("it was started");
        process.0.try_wait().expect("it is our child")
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: {}", self.arguments.join(" "), self.story());
        }
    }
}

/// Addresses on which nobody listens. They lie below the ports that systems give to outgoing connections,
/// so that while a server is dead nobody takes its port by chance.
pub(crate) fn free_addresses(count: usize) -> Vec<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 1_000) as u16 * 10;
    let port = || 20_000 + (first - 20_000 + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
    std::iter::repeat_with(port)
        .take(10_000)
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        .filter(|address| TcpListener::bind(address).is_ok())
        .take(count)
        .collect()
}
