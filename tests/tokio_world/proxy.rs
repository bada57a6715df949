//! The proxy as a process, before two backends, asked by `curl`, by our own client, and by nobody's.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Instant;

use squall_models::proxy::client::{Client, Config};

use crate::server::Server;
use crate::{PATIENCE, block_on, is_installed};

struct World {
    proxy: Server,
    backends: [Server; 2],
}

impl World {
    fn start() -> Self {
        let backends = [Server::start(&["backend"]), Server::start(&["backend"])];
        let addresses = backends.each_ref().map(|it| it.address().to_string());
        let [first, second] = &addresses;
        let proxy = Server::start(&["proxy", "--backend", first, "--backend", second]);
        Self { proxy, backends }
    }
}

/// An answer as it came.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split_whitespace().nth(1);
        Self {
            status: status.and_then(|it| it.parse().ok()).unwrap_or(0),
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    /// Why the proxy has answered itself, if it has.
    fn cause(&self) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix("x-squall-error: "))
    }
}

fn curl(server: SocketAddr, path: &str, options: &[&str]) -> Answer {
    let output = Command::new("curl")
        .args([
            "--silent",
            "--include",
            "--noproxy",
            "*",
            "--max-time",
            "60",
        ])
        .args(options)
        .arg(format!("http://{server}{path}"))
        .output()
        .expect("it is installed");
    assert!(output.status.success(), "{output:?}");
    Answer::parse(&String::from_utf8_lossy(&output.stdout))
}

#[test]
fn curl_is_served_as_long_as_one_backend_lives_and_told_why_when_none_does() {
    if !is_installed("curl") {
        return;
    }
    let mut world = World::start();
    let proxy = world.proxy.address();
    let echo = |number: usize| {
        let nonce = format!("nonce-{number}");
        let answer = curl(proxy, &format!("/echo/{nonce}"), &[]);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, nonce.as_str()),
            "{answer:?}"
        );
    };
    (0..10).for_each(echo);
    world.backends[0].kill();
    (10..40).for_each(echo);

    world.backends[1].kill();
    for _ in 0..10 {
        let answer = curl(proxy, "/echo/nobody", &[]);
        assert!([502, 503].contains(&answer.status), "{answer:?}");
        let causes = [
            "connect-failed",
            "connection-lost",
            "breakers-open",
            "no-healthy-backend",
        ];
        assert!(
            answer.cause().is_some_and(|it| causes.contains(&it)),
            "{answer:?}"
        );
    }

    world.backends[0].restart();
    let deadline = Instant::now() + PATIENCE;
    while curl(proxy, "/echo/again", &[]).status != 200 {
        assert!(
            Instant::now() < deadline,
            "a backend is back, and is not asked"
        );
    }
}

#[test]
fn curl_is_told_what_is_too_large() {
    if !is_installed("curl") {
        return;
    }
    let world = World::start();
    let proxy = world.proxy.address();
    let header = format!("X-Large: {}", "x".repeat(20_000));
    let answer = curl(proxy, "/echo/a", &["--header", &header]);
    assert_eq!(answer.status, 431, "{answer:?}");
    let body = tempfile::NamedTempFile::new().expect("there is a temporary directory");
    body.as_file().set_len(300 << 10).expect("there is room");
    let upload = format!("@{}", body.path().display());
    let answer = curl(
        proxy,
        "/once/a",
        &["--header", "Expect:", "--data-binary", &upload],
    );
    assert_eq!(
        (answer.status, answer.cause()),
        (413, Some("request-too-large"))
    );
}

#[test]
fn bytes_that_are_no_request_are_refused_and_the_proxy_goes_on() {
    let world = World::start();
    let requests: [&[u8]; 4] = [
        b"this is not HTTP\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /echo/a HTTP/1.1\r\n\r\n",
        b"GET /echo/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ];
    for request in requests {
        let mut stream = TcpStream::connect(world.proxy.address()).expect("it listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("it is not zero");
        stream.write_all(request).expect("it reads");
        let mut text = String::new();
        stream
            .read_to_string(&mut text)
            .expect("it answers, and closes");
        let answer = Answer::parse(&text);
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    block_on(async {
        let mut client = client_of(&world.proxy);
        let echoed = client.echo("still-there", soon()).await;
        assert_eq!(echoed.as_deref(), Ok("still-there"));
    });
}

fn client_of(proxy: &Server) -> Client {
    Client::new(Config::new(proxy.address().to_string()))
}

fn soon() -> squall_sim::time::Instant {
    squall_sim::time::Instant::now() + PATIENCE
}

#[test]
fn echoes_go_on_while_one_backend_dies_and_comes_back() {
    block_on(async {
        let mut world = World::start();
        let mut client = client_of(&world.proxy);
        for number in 0..60 {
            match number {
                20 => world.backends[1].kill(),
                40 => world.backends[1].restart(),
                _ => {}
            }
            let nonce = format!("nonce-{number}");
            let echoed = client.echo(&nonce, soon()).await;
            assert_eq!(echoed, Ok(nonce));
        }
    });
}
