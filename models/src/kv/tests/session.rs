//! Two connections by hand: what each is told, and what the other sees.

use crate::kv::command::parse;
use crate::kv::limits::Limits;
use crate::kv::resp::Frame;
use crate::kv::session::{Outcome, Session};
use crate::kv::store::Store;

struct Pair {
    store: Store,
    sessions: [Session; 2],
    limits: Limits,
}

impl Pair {
    fn new() -> Self {
        let limits = Limits {
            queued_max: 3,
            watched_max: 3,
            transaction_bytes_max: 2_000,
            ..Limits::default()
        };
        Self {
            store: Store::new(limits.snapshot_lag_max),
            sessions: Default::default(),
            limits,
        }
    }

    /// What connection `who` is told, as text; commits are durable at once.
    fn ask(&mut self, who: usize, line: &str) -> String {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let frame = Frame::request(&words);
        let bytes = frame.bytes();
        let session = &mut self.sessions[who];
        let command = match parse(frame, &self.limits) {
            Ok(command) => command.expect("a line is not empty"),
            Err(refusal) => {
                session.refuse();
                return show(&Frame::Error(refusal));
            }
        };
        let (Outcome::Told(answer)
        | Outcome::Read { answer, .. }
        | Outcome::Decided { answer, .. }) =
            session.handle(&mut self.store, &self.limits, command, bytes);
        self.store.publish(self.store.newest());
        show(&answer)
    }
}

fn show(frame: &Frame) -> String {
    match frame {
        Frame::Simple(text) => format!("+{text}"),
        Frame::Error(text) => format!("-{}", text.split(' ').next().unwrap_or_default()),
        Frame::Integer(number) => format!(":{number}"),
        Frame::Bulk(None) | Frame::Array(None) => "nil".to_owned(),
        Frame::Bulk(Some(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Frame::Array(Some(items)) => {
            let items: Vec<String> = items.iter().map(show).collect();
            format!("[{}]", items.join(" "))
        }
    }
}

/// Lines of `who: command -> answer`.
#[track_caller]
fn check(script: &str) {
    let mut pair = Pair::new();
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (who, rest) = line.split_once(": ").expect("who asks");
        let (command, answer) = rest.split_once(" -> ").expect("what is answered");
        let who = usize::from(who == "b");
        assert_eq!(pair.ask(who, command), answer, "{line}");
    }
    let [one, other] = &mut pair.sessions;
    one.close(&mut pair.store);
    other.close(&mut pair.store);
}

#[test]
fn single_commands() {
    check(
        "a: GET x -> nil
         a: SET x 1 -> +OK
         b: GET x -> 1
         b: INCRBY x 41 -> :42
         a: MSET y 2 z three -> +OK
         a: MGET x y none z -> [42 2 nil three]
         a: INCR z -> -ERR
         a: EXISTS x y none x -> :3
         a: DBSIZE -> :3
         a: DEL x none y -> :2
         a: DBSIZE -> :1
         a: SADD s b a b -> :2
         a: SADD s a c -> :1
         b: SMEMBERS s -> [a b c]
         b: SMEMBERS none -> []
         b: GET s -> -WRONGTYPE
         b: SADD z a -> -WRONGTYPE
         b: INCR s -> -WRONGTYPE
         b: SET n 9223372036854775807 -> +OK
         b: INCR n -> -ERR
         b: PING -> +PONG
         b: PING hi -> hi
         b: HELLO 3 -> -NOPROTO
         b: CLIENT SETINFO lib-name it -> +OK
         b: SELECT 0 -> +OK
         b: COMMAND DOCS -> []
         b: EXEC -> -ERR
         b: COMMIT -> -ERR",
    );
}

#[test]
fn exec_answers_nothing_if_a_watched_key_changed() {
    check(
        "a: SET x 1 -> +OK
         a: WATCH x none -> +OK
         a: MULTI -> +OK
         a: SET x 2 -> +QUEUED
         a: GET x -> +QUEUED
         b: GET x -> 1
         a: EXEC -> [+OK 2]
         a: WATCH x -> +OK
         b: SET x 3 -> +OK
         a: MULTI -> +OK
         a: SET x 4 -> +QUEUED
         a: EXEC -> nil
         a: GET x -> 3
         a: WATCH x -> +OK
         b: DEL x -> :1
         a: UNWATCH -> +OK
         a: MULTI -> +OK
         a: EXEC -> []
         a: WATCH x -> +OK
         b: SET x 5 -> +OK
         b: DEL x -> :1
         a: MULTI -> +OK
         a: EXEC -> nil",
    );
}

#[test]
fn a_queue_that_is_broken_is_not_carried_out() {
    check(
        "a: MULTI -> +OK
         a: SET x 1 -> +QUEUED
         a: NONSENSE -> -ERR
         a: EXEC -> -EXECABORT
         a: GET x -> nil
         a: MULTI -> +OK
         a: INCR x -> +QUEUED
         a: SADD x 1 -> +QUEUED
         a: EXEC -> [:1 -WRONGTYPE]
         a: MULTI -> +OK
         a: MULTI -> -ERR
         a: BEGIN -> -ERR
         a: WATCH x -> -ERR
         a: SET x 2 -> +QUEUED
         a: DISCARD -> +OK
         a: GET x -> 1
         a: MULTI -> +OK
         a: INCR x -> +QUEUED
         a: INCR x -> +QUEUED
         a: INCR x -> +QUEUED
         a: INCR x -> -ERR
         a: EXEC -> -EXECABORT
         a: WATCH 1 2 3 4 -> -ERR",
    );
}

#[test]
fn a_transaction_reads_its_snapshot_and_its_own_writes() {
    check(
        "a: MSET x 1 y 1 -> +OK
         a: BEGIN -> +OK
         b: MSET x 2 y 2 -> +OK
         a: MGET x y -> [1 1]
         a: SET z 9 -> +OK
         a: GET z -> 9
         a: DBSIZE -> :3
         a: DEL y -> :1
         a: DBSIZE -> :2
         b: GET z -> nil
         a: ROLLBACK -> +OK
         a: MGET x y z -> [2 2 nil]
         a: BEGIN -> +OK
         a: SET z 9 -> +OK
         b: SET x 3 -> +OK
         a: COMMIT -> +OK
         b: GET z -> 9",
    );
}

#[test]
fn the_first_committer_wins() {
    check(
        "a: SET x 1 -> +OK
         a: BEGIN -> +OK
         b: BEGIN -> +OK
         a: INCR x -> :2
         b: INCR x -> :2
         b: COMMIT -> +OK
         a: COMMIT -> -CONFLICT
         a: GET x -> 2
         a: BEGIN -> +OK
         a: GET x -> 2
         b: DEL x -> :1
         a: SET x 3 -> +OK
         a: COMMIT -> -CONFLICT
         a: GET x -> nil",
    );
}

#[test]
fn a_transaction_that_is_too_long_stays_as_it_was() {
    let long = "x".repeat(1_500);
    check(&format!(
        "a: BEGIN -> +OK
         a: SET x {long} -> +OK
         a: SET y {long} -> -ERR
         a: SET z 1 -> +OK
         a: COMMIT -> +OK
         a: MGET y z -> [nil 1]"
    ));
}
