//! The store, asked by the crate `redis`.

use std::collections::BTreeSet;
use std::thread::{sleep, spawn};
use std::time::Duration;

use redis::{Commands, Connection, Pipeline, RedisResult, cmd, pipe, transaction};

use crate::server::Server;

fn client_of(server: &Server) -> redis::Client {
    let client = redis::Client::open(format!("redis://{}/", server.address()));
    client.expect("it is an address")
}

fn connect(server: &Server) -> Connection {
    let connection = client_of(server).get_connection();
    connection.expect("it listens")
}

fn restart(server: &mut Server) -> Connection {
    server.kill();
    server.restart();
    server.wait_until_it_listens();
    connect(server)
}

#[test]
fn commands_are_understood_and_their_effects_outlive_the_server() -> RedisResult<()> {
    let mut server = Server::start_with_data(&["kv"]);
    let mut store = connect(&server);
    let binary = [0, 255, b'\r', b'\n', b'$'];
    let () = store.set("text", "grüße")?;
    let () = store.set("binary", &binary[..])?;
    let () = store.mset(&[("a", 1), ("b", 2), ("gone", 3)])?;
    assert_eq!(store.get::<_, Option<String>>("nothing")?, None);
    assert_eq!(store.incr::<_, _, i64>("a", 41)?, 42);
    assert_eq!(store.decr::<_, _, i64>("b", 5)?, -3);
    assert_eq!(store.del::<_, u64>("gone")?, 1);
    assert!(!store.exists::<_, bool>("gone")?);
    assert_eq!(store.sadd::<_, _, u64>("set", &["x", "y", "x"])?, 2);
    let refused = store.incr::<_, _, i64>("text", 1).unwrap_err();
    assert!(refused.to_string().contains("not an integer"), "{refused}");
    let unknown = cmd("FLUSHALL").exec(&mut store).unwrap_err();
    assert!(unknown.to_string().contains("unknown command"), "{unknown}");

    let mut store = restart(&mut server);
    assert_eq!(store.get::<_, String>("text")?, "grüße");
    assert_eq!(store.get::<_, Vec<u8>>("binary")?, binary);
    let numbers: Vec<Option<i64>> = store.mget(&["a", "b", "gone"])?;
    assert_eq!(numbers, [Some(42), Some(-3), None]);
    let members: BTreeSet<String> = store.smembers("set")?;
    assert_eq!(members, BTreeSet::from(["x", "y"].map(str::to_owned)));
    Ok(())
}

#[test]
fn pipelines_are_answered_in_order() -> RedisResult<()> {
    let server = Server::start_with_data(&["kv"]);
    let mut store = connect(&server);
    let mut many = pipe();
    for _ in 0..1_000 {
        many.incr("count", 1);
    }
    let counts: Vec<i64> = many.query(&mut store)?;
    assert_eq!(counts, (1..=1_000).collect::<Vec<_>>());
    Ok(())
}

/// Moves one from `rich` to `poor`, as one transaction that watches both.
fn move_one(store: &mut Connection) -> RedisResult<()> {
    transaction(
        store,
        &["rich", "poor"],
        |store: &mut Connection, together: &mut Pipeline| {
            let rich: i64 = store.get("rich")?;
            let poor: i64 = store.get("poor")?;
            together.set("rich", rich - 1).ignore();
            together.set("poor", poor + 1).ignore();
            together.query::<Option<()>>(store)
        },
    )
}

#[test]
fn transactions_that_watch_lose_no_update_and_outlive_the_server() -> RedisResult<()> {
    let mut server = Server::start_with_data(&["kv"]);
    let () = connect(&server).mset(&[("rich", 200), ("poor", 0)])?;
    let movers: Vec<_> = (0..4)
        .map(|_| {
            let mut store = connect(&server);
            spawn(move || (0..25).try_for_each(|_| move_one(&mut store)))
        })
        .collect();
    for mover in movers {
        mover.join().expect("it does not panic")?;
    }
    let mut store = restart(&mut server);
    let balances: Vec<i64> = store.mget(&["rich", "poor"])?;
    assert_eq!(balances, [100, 100]);
    Ok(())
}

#[test]
fn a_count_goes_on_from_what_was_acknowledged_though_the_server_dies() -> RedisResult<()> {
    let mut server = Server::start_with_data(&["kv"]);
    let mut store = connect(&server);
    let counting = spawn(move || {
        let counts = std::iter::from_fn(|| store.incr::<_, _, i64>("count", 1).ok());
        counts.last().unwrap_or(0)
    });
    let mut observer = connect(&server);
    while observer.get::<_, Option<i64>>("count")?.unwrap_or(0) < 50 {
        sleep(Duration::from_millis(1));
    }
    server.kill();
    let acknowledged = counting.join().expect("it does not panic");
    server.restart();
    server.wait_until_it_listens();
    let left: i64 = connect(&server).get("count")?;
    // Of the request that nobody answered nobody knows.
    assert!(
        (acknowledged..=acknowledged + 1).contains(&left),
        "{acknowledged} acknowledged, {left} left"
    );
    Ok(())
}
