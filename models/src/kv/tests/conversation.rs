//! Bytes on a connection: what a client of Redis sees.

use squall_sim::engine;
use squall_sim::net::TcpStream;
use squall_sim::time::{Duration, sleep, timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::kv::server::{Config, serve};

/// Sends pieces to a new server; all that it answers until it closes, or is silent for a second.
fn converse(pieces: Vec<Vec<u8>>) -> Vec<u8> {
    let run = engine::run(engine::Config::new(1), move || async move {
        let server = engine::add_node("server");
        server.start(|| async {
            let _ = serve(Config::new("/data", "0.0.0.0:6379")).await;
        });
        sleep(Duration::from_secs(1)).await;
        let mut stream = TcpStream::connect("server:6379").await.expect("it listens");
        for piece in pieces {
            stream.write_all(&piece).await.expect("it reads");
        }
        let mut answers = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(Ok(length @ 1..)) =
            timeout(Duration::from_secs(1), stream.read(&mut buffer)).await
        {
            answers.extend(&buffer[..length]);
        }
        answers
    });
    let outcome = run.expect("the run ends");
    assert_eq!(outcome.panics, []);
    outcome.output
}

#[test]
fn requests_in_a_row_are_answered_in_order() {
    let request = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\n\r\n\r\nGET a\r\n\r\nNONSENSE\r\nGET none\r\nQUIT\r\nPING\r\n";
    let expected = b"+OK\r\n$2\r\n\r\n\r\n-ERR unknown command 'NONSENSE'\r\n$-1\r\n+OK\r\n";
    assert_eq!(converse(vec![request.to_vec()]), expected);
    let bytewise = request.iter().map(|byte| vec![*byte]).collect();
    let answers = converse(bytewise);
    assert_eq!(answers, expected);
}

#[test]
fn what_is_no_protocol_ends_the_connection() {
    let answers = converse(vec![b"PING\r\n*x\r\nPING\r\n".to_vec()]);
    let text = String::from_utf8_lossy(&answers);
    assert!(text.starts_with("+PONG\r\n-ERR Protocol error: "), "{text}");
    assert_eq!(text.matches("PONG").count(), 1);
}

#[test]
fn a_library_may_introduce_itself() {
    let answers = converse(vec![
        b"HELLO 2\r\nCLIENT SETNAME me\r\nCLIENT ID\r\n".to_vec(),
    ]);
    let text = String::from_utf8_lossy(&answers);
    assert!(text.starts_with("*10\r\n$6\r\nserver\r\n"), "{text}");
    assert!(text.ends_with("+OK\r\n:1\r\n"), "{text}");
}
