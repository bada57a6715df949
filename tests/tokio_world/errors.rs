//! What a server says when it cannot start, and how it ends when it is told to.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use squall_models::kv;

use crate::program::{Ended, squall};
use crate::server::Server;
use crate::{PATIENCE, block_on};

/// Runs a server that is to end by itself. One that does not is killed, which is no code.
fn serve(words: &str, data: Option<&Path>) -> Ended {
    let mut command = squall();
    command.arg("serve").args(words.split_whitespace());
    if let Some(data) = data {
        command.arg("--data").arg(data);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("it is our child").is_none() {
        if Instant::now() >= deadline {
            child.kill().expect("it is our child");
        }
        sleep(Duration::from_millis(5));
    }
    Ended::of(child.wait_with_output().expect("it has ended"))
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_it() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let calls = [
        (format!("consensus --peers 0={address}"), true),
        ("kv".to_owned(), true),
        ("broker".to_owned(), true),
        ("proxy --backend 127.0.0.1:1".to_owned(), false),
        ("backend".to_owned(), false),
    ];
    for (call, keeps_data) in calls {
        let directory = tempfile::tempdir().expect("there is a temporary directory");
        let data = keeps_data.then(|| directory.path());
        let ended = serve(&format!("{call} --listen {address}"), data).expect_code(1);
        let problem = format!("error: cannot listen on {address}");
        assert!(ended.stderr.contains(&problem), "{call}: {ended}");
    }
}

#[test]
fn a_directory_that_is_in_use_is_refused() {
    for system in ["kv", "broker"] {
        let server = Server::start_with_data(&[system]);
        let second = format!("{system} --listen 127.0.0.1:0");
        let ended = serve(&second, Some(&server.data())).expect_code(1);
        let problem = format!("{} is in use by another server", server.data().display());
        assert!(ended.stderr.contains(&problem), "{ended}");
    }
}

/// Changes a byte of the header of the one file that begins so.
fn damage(data: &Path, prefix: &str) -> String {
    let mut files = std::fs::read_dir(data)
        .expect("it is there")
        .map(|entry| entry.expect("it can be read").path());
    let name_of = |path: &PathBuf| path.file_name().map(|it| it.to_string_lossy().into_owned());
    let file = files.find(|path| name_of(path).is_some_and(|name| name.starts_with(prefix)));
    let file = file.expect("it keeps such a file");
    let mut bytes = std::fs::read(&file).expect("it can be read");
    bytes[5] ^= 0x55;
    std::fs::write(&file, bytes).expect("it can be written");
    name_of(&file).expect("it has a name")
}

#[track_caller]
fn check_refused_as_damaged(server: &Server, system: &str, prefix: &str) {
    let name = damage(&server.data(), prefix);
    let call = format!("{system} --listen 127.0.0.1:0");
    let ended = serve(&call, Some(&server.data())).expect_code(1);
    let data = server.data().display().to_string();
    for part in ["damaged", &data, &format!("{name}, byte 0: ")] {
        assert!(ended.stderr.contains(part), "{part}: {ended}");
    }
}

#[test]
fn a_store_that_is_damaged_is_refused_by_file_and_offset() {
    let mut server = Server::start_with_data(&["kv"]);
    block_on(async {
        let config = kv::client::Config::new(server.address().to_string());
        let mut client = kv::client::Client::new(config);
        let deadline = squall_sim::time::Instant::now() + PATIENCE;
        client.set("a", "1", deadline).await.expect("it is stored");
    });
    server.kill();
    check_refused_as_damaged(&server, "kv", "wal-");
}

#[test]
fn a_journal_that_is_damaged_is_refused_by_file_and_offset() {
    let mut server = Server::start_with_data(&["broker", "--stream", "JOBS=jobs.*"]);
    server.kill();
    check_refused_as_damaged(&server, "broker", "journal-");
}

#[test]
fn what_is_declared_of_a_stream_must_make_sense() {
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let call = "broker --listen 127.0.0.1:0 --stream JOBS=jobs..none";
    let ended = serve(call, Some(directory.path())).expect_code(64);
    assert!(ended.stderr.contains("stream JOBS does not fit"), "{ended}");
}

#[test]
fn told_to_stop_each_server_ends_as_a_success() {
    let servers = [
        Server::start_with_data(&["kv"]),
        Server::start_with_data(&["broker"]),
        Server::start(&["proxy", "--backend", "127.0.0.1:1"]),
        Server::start(&["backend"]),
    ];
    for mut server in servers {
        let ended = server.terminate();
        assert_eq!(ended.code(), Some(0), "{}", server.story());
        assert!(
            server.story().contains("stopped by SIGTERM"),
            "{}",
            server.story()
        );
    }
}
