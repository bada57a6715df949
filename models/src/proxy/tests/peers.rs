//! Peers that mean no good: garbage, smuggling, floods, patience, and nobody at the other end.

use squall_sim::engine;
use squall_sim::net::TcpStream;
use squall_sim::time::{Instant, sleep, timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::world::{MS, on_node, settle, start};
use crate::proxy::client::{Client, Config};

/// What a proxy answers to these bytes until it closes the connection, or for a minute.
fn answer_to(bytes: impl Into<Vec<u8>>) -> String {
    let bytes = bytes.into();
    let outcome = engine::run(engine::Config::new(1), move || async move {
        start(|_| {}, |_| {});
        settle().await;
        let mut stream = TcpStream::connect("proxy:80").await.unwrap();
        let _ = stream.write_all(&bytes).await;
        let mut answer = Vec::new();
        let _ = timeout(60_000 * MS, stream.read_to_end(&mut answer)).await;
        still_serves().await;
        String::from_utf8_lossy(&answer).into_owned()
    });
    let outcome = outcome.unwrap();
    assert_eq!(outcome.panics, []);
    outcome.output
}

/// Others are served as if nothing had happened.
async fn still_serves() {
    let mut client = Client::new(Config::new("proxy:80"));
    let echoed = client.echo("still-here", Instant::now() + 2000 * MS).await;
    assert_eq!(echoed.as_deref(), Ok("still-here"));
}

#[track_caller]
fn assert_status(bytes: impl Into<Vec<u8>>, status: &str) {
    let answer = answer_to(bytes);
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{answer}"
    );
}

#[test]
fn what_is_no_request_is_refused() {
    assert_status("\0\u{1}garbage\r\n\r\n", "400");
    assert_status("GET / HTTP/9.9\r\n\r\n", "400");
    assert_status("GET /echo/a HTTP/1.1\r\n\r\n", "400");
    assert_status("GET /echo/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400");
    assert_status("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "501");
    let head = "POST /once/a HTTP/1.1\r\nHost: a\r\n";
    assert_status(
        format!("{head}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
        "400",
    );
    assert_status(format!("{head}Content-Length: -1\r\n\r\n"), "400");
    assert_status(format!("{head}Content-Length: 99999999\r\n\r\n"), "413");
    assert_status(format!("{head}Transfer-Encoding: gzip\r\n\r\n"), "400");
    let long = format!(
        "GET /echo/a HTTP/1.1\r\nHost: a\r\nX: {}",
        "x".repeat(60_000)
    );
    // It does not read all of it, and yet resets nothing before its answer has arrived.
    assert_status(long, "431");
}

#[test]
fn what_makes_no_sense_is_the_last_of_its_connection() {
    let sensible = "GET /echo/a HTTP/1.1\r\nHost: a\r\n\r\n";
    let senseless = "GET /echo/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let statuses = |answers: &str| {
        let lines = answers.split("HTTP/1.1 ").skip(1);
        lines.map(|it| it[..3].to_owned()).collect::<Vec<_>>()
    };
    let answers = answer_to(format!("{sensible}{senseless}{sensible}"));
    assert_eq!(statuses(&answers), ["200", "400"], "{answers}");
}

#[test]
fn a_length_beside_a_transfer_coding_smuggles_nothing() {
    // To a reader that believes the length, the second request is part of the first one's body, and the other way round.
    for order in [
        ["Content-Length: 44", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 44"],
    ] {
        let [first, second] = order;
        let smuggled = "POST /once/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
        let bytes = format!(
            "POST /once/a HTTP/1.1\r\nHost: a\r\n{first}\r\n{second}\r\n\r\n0\r\n\r\n{smuggled}"
        );
        let answer = answer_to(bytes);
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "one answer, and the connection is closed: {answer}"
        );
    }
}

#[test]
fn a_head_that_never_ends_is_given_up() {
    let outcome = engine::run(engine::Config::new(1), || async {
        start(|_| {}, |_| {});
        settle().await;
        let mut stream = TcpStream::connect("proxy:80").await.unwrap();
        let began = Instant::now();
        let mut byte = [0];
        for next in b"GET /echo/a HTTP/1.1\r\nHost: a".iter().cycle() {
            let _ = stream.write_all(&[*next]).await;
            // A byte in ten seconds; the proxy says 408 or nothing, and closes.
            if timeout(10_000 * MS, stream.read(&mut byte)).await.is_ok() {
                break;
            }
        }
        still_serves().await;
        began.elapsed()
    });
    assert!(outcome.unwrap().output <= 41_000 * MS);
}

#[test]
fn a_body_that_never_ends_is_given_up() {
    assert_status(
        "POST /once/a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
        "408",
    );
}

#[test]
fn who_never_reads_is_given_up_and_costs_little() {
    let outcome = engine::run(engine::Config::new(1), || async {
        start(|proxy| proxy.clients.connections_max = 1, |_| {});
        settle().await;
        on_node("glutton", || async {
            let mut stream = TcpStream::connect("proxy:80").await.unwrap();
            let request = format!("GET /echo/{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(100));
            while stream.write_all(request.as_bytes()).await.is_ok() {}
            sleep(600_000 * MS).await;
        });
        settle().await;
        // Whoever comes beyond the bound is closed.
        let mut client = Client::new(Config::new("proxy:80"));
        assert!(client.echo("a", Instant::now() + 2000 * MS).await.is_err());
        sleep(120_000 * MS).await;
        still_serves().await;
    });
    let outcome = outcome.unwrap();
    assert_eq!(outcome.panics, []);
}

#[test]
fn beyond_its_bound_the_proxy_sheds_at_once() {
    let outcome = engine::run(engine::Config::new(1), || async {
        start(
            |proxy| proxy.in_flight_max = 2,
            |backend| backend.service_time = 200 * MS,
        );
        settle().await;
        let tasks: Vec<_> = (0..6)
            .map(|number| {
                engine::spawn_local(async move {
                    let mut client = Client::new(Config::new("proxy:80"));
                    let began = Instant::now();
                    let result = client.once(&number.to_string(), began + 1000 * MS).await;
                    (result, began.elapsed())
                })
            })
            .collect();
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await.unwrap());
        }
        results
    });
    let results = outcome.unwrap().output;
    let shed: Vec<_> = results
        .iter()
        .filter(|(result, _)| result.is_err())
        .collect();
    assert_eq!(shed.len(), 4);
    for (result, took) in shed {
        assert_eq!(
            result.as_ref().unwrap_err().to_string(),
            "not done: 503 overloaded"
        );
        assert!(*took < 50 * MS);
    }
}
