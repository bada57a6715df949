//! The consensus system as three processes: a majority goes on, and whoever comes back catches up.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use squall_models::consensus::client::{Client, ClientError, Config};
use squall_models::consensus::raft::NodeId;
use squall_models::consensus::service::{Answer, Operation};
use squall_sim::time::Instant;

use crate::program::squall;
use crate::server::{Process, free_addresses};
use crate::{PATIENCE, block_on};

/// Servers, each a process. They end with it.
struct Cluster {
    directory: tempfile::TempDir,
    addresses: Vec<SocketAddr>,
    servers: Vec<Option<Process>>,
}

impl Cluster {
    fn start() -> Self {
        let mut cluster = Self {
            directory: tempfile::tempdir().expect("there is a temporary directory"),
            addresses: free_addresses(3),
            servers: vec![None, None, None],
        };
        (0..3).for_each(|number| cluster.start_server(number));
        cluster
    }

    fn start_server(&mut self, number: usize) {
        let peers = self.addresses.iter().enumerate();
        let peers: Vec<_> = peers.map(|(id, at)| format!("{id}={at}")).collect();
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_of(number))
            .expect("a temporary directory can be written to");
        let child = squall()
            .args(["serve", "consensus", "--data"])
            .arg(self.directory.path().join(number.to_string()))
            .args(["--listen", &self.addresses[number].to_string()])
            .args(["--peers", &peers.join(",")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        self.servers[number] = Some(Process(child));
    }

    fn log_of(&self, number: usize) -> PathBuf {
        self.directory.path().join(format!("{number}.log"))
    }

    /// As `kill -9`: the server says goodbye to nobody, and the kernel keeps what was written.
    fn kill(&mut self, number: usize) {
        assert!(self.servers[number].take().is_some(), "{number} is dead");
    }

    fn alive(&self) -> impl Iterator<Item = usize> {
        (0..3).filter(|number| self.servers[*number].is_some())
    }

    fn client_of(&self, servers: impl Iterator<Item = usize>) -> Client {
        let address = |number: usize| (NodeId(number as _), self.addresses[number].to_string());
        Client::new(Config::new(servers.map(address).collect()), 0)
    }

    /// The server that leads: only a leader answers a read, and this client asks nobody else.
    async fn leader(&self) -> usize {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            for number in self.alive() {
                let mut client = self.client_of([number].into_iter());
                let soon = Instant::now() + Duration::from_millis(500);
                if client.read("any", soon).await.is_ok() {
                    return number;
                }
            }
        }
        panic!("nobody leads: {}", self.stories())
    }

    /// What the servers have said, for a test that fails.
    fn stories(&self) -> String {
        let story = |number| std::fs::read_to_string(self.log_of(number)).unwrap_or_default();
        (0..3)
            .map(|number| format!("\n{number}: {}", story(number)))
            .collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.stories());
        }
    }
}

/// A client of all servers, and what it was told.
struct Witness {
    client: Client,
    acknowledged: BTreeMap<String, String>,
}

impl Witness {
    fn of(cluster: &Cluster) -> Self {
        Self {
            client: cluster.client_of(0..3),
            acknowledged: BTreeMap::new(),
        }
    }

    /// Writes keys of this name, and one that is written again in each round.
    async fn write(&mut self, round: &str) {
        let keys = (0..5).map(|number| format!("{round}-{number}"));
        for key in keys.chain(["latest".to_owned()]) {
            let operation = Operation::Put {
                key: key.clone(),
                value: round.to_owned(),
            };
            let answer = self.execute(operation).await;
            assert_eq!(answer, Ok(Answer::Put), "{key}");
            self.acknowledged.insert(key, round.to_owned());
        }
    }

    /// Swaps the value of `latest`: of all operations the one that shows when it is done twice.
    async fn swap(&mut self, new: &str) {
        let expected = self.acknowledged.get("latest").cloned();
        let operation = Operation::CompareAndSwap {
            key: "latest".to_owned(),
            expected,
            new: Some(new.to_owned()),
        };
        assert_eq!(self.execute(operation).await, Ok(Answer::Swapped), "{new}");
        self.acknowledged
            .insert("latest".to_owned(), new.to_owned());
    }

    async fn execute(&mut self, operation: Operation) -> Result<Answer, ClientError> {
        let deadline = Instant::now() + PATIENCE;
        self.client.execute(operation, deadline).await
    }

    /// Reads all that was acknowledged.
    async fn read_all(&mut self, when: &str) {
        let mut read = BTreeMap::new();
        for key in self.acknowledged.keys() {
            let answer = self.client.read(key, Instant::now() + PATIENCE).await;
            let value = answer.unwrap_or_else(|error| panic!("{when}: {key}: {error}"));
            read.extend(value.map(|value| (key.clone(), value)));
        }
        assert_eq!(read, self.acknowledged, "{when}");
    }
}

/// Kills whoever `choose` chooses, and brings it back; then kills another, so that nothing goes on
/// without the one that came back.
async fn lose_and_bring_back(choose: impl Fn(usize) -> usize) {
    let mut cluster = Cluster::start();
    let mut witness = Witness::of(&cluster);
    witness.write("before").await;

    let lost = choose(cluster.leader().await);
    cluster.kill(lost);
    witness.read_all("with one server dead").await;
    witness.write("during").await;
    witness.swap("during, swapped").await;

    cluster.start_server(lost);
    let another = (lost + 1) % 3;
    cluster.kill(another);
    witness.read_all("with another server dead").await;
    witness.write("after").await;
    witness.swap("after, swapped").await;
    witness.read_all("at the end").await;
}

#[test]
fn a_dead_leader_is_replaced_and_catches_up() {
    block_on(lose_and_bring_back(|leader| leader));
}

#[test]
fn a_dead_follower_is_not_missed_and_catches_up() {
    block_on(lose_and_bring_back(|leader| (leader + 1) % 3));
}

#[test]
fn what_was_acknowledged_outlives_all_processes() {
    block_on(async {
        let mut cluster = Cluster::start();
        let mut witness = Witness::of(&cluster);
        for round in ["first", "second", "third"] {
            witness.write(round).await;
            (0..3).for_each(|number| cluster.kill(number));
            (0..3).for_each(|number| cluster.start_server(number));
            witness.read_all(round).await;
        }
    });
}

#[test]
fn one_server_of_three_promises_nothing() {
    block_on(async {
        let mut cluster = Cluster::start();
        let mut witness = Witness::of(&cluster);
        witness.write("before").await;
        let leader = cluster.leader().await;
        (0..3)
            .filter(|number| *number != leader)
            .for_each(|number| cluster.kill(number));
        // However long it is asked: without a majority there is no answer that could be right.
        let soon = Instant::now() + Duration::from_millis(1500);
        let alone = cluster
            .client_of([leader].into_iter())
            .read("latest", soon)
            .await;
        assert_eq!(
            alone,
            Err(ClientError::NotDone("no answer in time".to_owned()))
        );
    });
}
