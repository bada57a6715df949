//! The store as a process, before `redis-cli` and before our own client.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use squall_models::kv::client::{Client, Config, Transfer};
use squall_sim::time::Instant;
use tokio::sync::oneshot;

use crate::server::Server;
use crate::{PATIENCE, block_on, is_installed};

/// What `redis-cli` prints when it is given these lines.
fn redis_cli(server: SocketAddr, lines: &[&str]) -> Vec<String> {
    let mut cli = Command::new("redis-cli")
        .args(["-h", &server.ip().to_string()])
        .args(["-p", &server.port().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it is installed");
    let mut stdin = cli.stdin.take().expect("it is piped");
    writeln!(stdin, "{}", lines.join("\n")).expect("it reads");
    drop(stdin);
    let output = cli.wait_with_output().expect("it ends");
    let printed = String::from_utf8(output.stdout).expect("it prints text");
    printed.lines().map(str::to_owned).collect()
}

#[test]
fn redis_cli_is_understood_and_what_it_was_told_outlives_the_server() {
    if !is_installed("redis-cli") {
        return;
    }
    let mut server = Server::start_with_data(&["kv"]);
    let conversation = [
        ("PING", "PONG"),
        ("SET greeting \"hello, world\"", "OK"),
        ("GET greeting", "hello, world"),
        ("GET nothing", ""),
        ("INCR visits", "1"),
        ("SADD colours red green", "2"),
        ("SMEMBERS colours", "green\nred"),
        (
            "INCR greeting",
            "ERR value is not an integer or out of range",
        ),
        ("MULTI", "OK"),
        ("SET a 1", "QUEUED"),
        ("INCR visits", "QUEUED"),
        ("SADD colours blue", "QUEUED"),
        ("EXEC", "OK\n2\n1"),
        ("DBSIZE", "4"),
    ];
    let asked: Vec<_> = conversation.iter().map(|(line, _)| *line).collect();
    let printed = redis_cli(server.address(), &asked);
    let expected: Vec<_> = conversation.iter().map(|(_, answer)| *answer).collect();
    // An error is followed by an empty line.
    let printed = printed.join("\n").replace("range\n\n", "range\n");
    assert_eq!(printed, expected.join("\n"));

    server.kill();
    server.restart();
    server.wait_until_it_listens();
    let asked = ["GET greeting", "GET visits", "GET a", "SMEMBERS colours"];
    let left = redis_cli(server.address(), &asked);
    assert_eq!(left, ["hello, world", "2", "1", "blue", "green", "red"]);
}

fn client_of(server: &Server) -> Client {
    Client::new(Config::new(server.address().to_string()))
}

/// Counts up until the server is killed, in the middle of a request; answers the last number that was
/// acknowledged.
async fn count_until_it_dies(server: &mut Server, acknowledged: i64) -> i64 {
    let mut client = client_of(server);
    let mut last = acknowledged;
    let (tell, told) = oneshot::channel();
    let counting = async {
        let mut tell = Some(tell);
        while let Ok(count) = client
            .increment("count", 1, Instant::now() + PATIENCE)
            .await
        {
            assert_eq!(count, last + 1);
            last = count;
            if count == acknowledged + 50 {
                let _ = tell.take().map(|tell| tell.send(()));
            }
        }
    };
    let killing = async {
        told.await.expect("it counts to 50");
        server.kill();
    };
    tokio::join!(counting, killing);
    last
}

#[test]
fn a_count_goes_on_from_what_was_acknowledged_though_the_server_dies() {
    block_on(async {
        let mut server = Server::start_with_data(&["kv"]);
        let mut before = 0;
        for _ in 0..3 {
            let acknowledged = count_until_it_dies(&mut server, before).await;
            assert!(acknowledged >= before + 50, "{acknowledged}");
            server.restart();
            let count = client_of(&server)
                .get("count", Instant::now() + PATIENCE)
                .await
                .expect("it is back");
            before = count.expect("it is there").parse().expect("it is a number");
            // Of the request that nobody answered nobody knows.
            assert!(
                (acknowledged..=acknowledged + 1).contains(&before),
                "{acknowledged} acknowledged, {before} left"
            );
        }
    });
}

#[test]
fn sets_and_transactions_outlive_the_server() {
    block_on(async {
        let mut server = Server::start_with_data(&["kv"]);
        let mut client = client_of(&server);
        let soon = || Instant::now() + PATIENCE;
        for member in ["b", "a", "c"] {
            assert_eq!(client.add("set", member, soon()).await, Ok(true));
        }
        client.set("rich", "10", soon()).await.expect("it is set");
        let moved = client.transfer("rich", "poor", 4, soon()).await;
        assert_eq!(moved, Ok(Transfer::Done));

        server.kill();
        server.restart();
        let members = client.members("set", soon()).await;
        assert_eq!(members, Ok(["a", "b", "c"].map(str::to_owned).to_vec()));
        let mut balance = async |key| client.get(key, soon()).await;
        assert_eq!(balance("rich").await, Ok(Some("6".to_owned())));
        assert_eq!(balance("poor").await, Ok(Some("4".to_owned())));
    });
}
