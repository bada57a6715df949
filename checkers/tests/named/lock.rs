//! Locks.

use crate::histories::*;
use crate::random::Random;
use crate::simulated::{Classes, Simulated, agree, ask, judge_many, simulate};
use expect_test::{Expect, expect};
use squall_checkers::history::{History, Operation, Outcome, Value};
use squall_checkers::named::lock::{self, LockOptions};

/// Whether a process holds the lock for certain from an event to the next, and by which acquisition. Holds are not
/// reentrant here.
fn holds<'h>(
    history: &'h History,
    process: u64,
    event: usize,
    options: &LockOptions,
) -> Option<Operation<'h>> {
    let own: Vec<_> = history
        .operations()
        .iter()
        .filter(|it| it.process == process)
        .collect();
    let mut acquired = own
        .iter()
        .filter(|it| it.f == "acquire" && is_ok(it.outcome));
    let acquired = acquired.rfind(|it| it.completed <= Some(event))?;
    let later = own
        .iter()
        .filter(|it| it.invoked > acquired.invoked && it.invoked <= event);
    let is_over = |it: &&Operation<'_>| {
        it.f == "release" && it.outcome != Outcome::Fail
            || options.crash_releases && it.outcome == Outcome::Info
    };
    let renewed = later
        .clone()
        .filter(|it| it.f == "renew" && is_ok(it.outcome));
    let renewed = renewed
        .filter(|it| it.completed <= Some(event))
        .map(|it| it.invoked_ns)
        .max();
    let lease_ns = options.lease_ns.unwrap_or(u64::MAX);
    let end_ns = renewed
        .unwrap_or(acquired.invoked_ns)
        .saturating_add(lease_ns);
    let now_ns = history.events().get(event + 1).expect("an event").time_ns;
    (!later.clone().any(|it| is_over(&it)) && now_ns < end_ns).then_some(*acquired)
}

fn naive(history: &History, options: &LockOptions) -> Classes {
    let mut classes = Classes::new();
    let operations: Vec<_> = history.operations().iter().collect();
    for one in operations.iter().filter(|it| is_ok(it.outcome)) {
        let returned = one.completed.expect("ok");
        if one.f == "acquire" {
            for process in 0..40 {
                // What was so up to then, at the time when it returned.
                let before = holds(history, process, returned - 1, options);
                if before.is_some() {
                    let own = process == one.process;
                    classes.insert(if own { "acquired-twice" } else { "two-holders" });
                }
            }
        }
        if one.f == "release" {
            let own = operations.iter().filter(|it| it.process == one.process);
            let before: Vec<_> = own.filter(|it| it.id < one.id).collect();
            let last = before
                .iter()
                .rposition(|it| it.f == "release" && is_ok(it.outcome));
            let since = &before[last.map_or(0, |last| last + 1)..];
            if !since
                .iter()
                .any(|it| it.f == "acquire" && it.outcome != Outcome::Fail)
            {
                classes.insert("released-by-non-holder");
            }
        }
        for other in operations.iter().filter(|it| is_ok(it.outcome)) {
            let (token, other_token) = (one.output.as_int(), other.output.as_int());
            if one.f == "acquire" && other.f == "acquire" {
                if one.id != other.id && token == other_token {
                    classes.insert("duplicate-token");
                }
                if one.completed < Some(other.invoked) && token > other_token {
                    classes.insert("token-goes-back");
                }
            }
            let stale = one.input.as_int() > other.input.as_int();
            if one.f == "write"
                && other.f == "write"
                && one.completed < Some(other.invoked)
                && stale
            {
                classes.insert("stale-token-accepted");
            }
        }
    }
    classes
}

/// A lock that is given away too early now and then.
#[derive(Default)]
struct Lock {
    holder: Option<usize>,
    token: i64,
    seen: i64,
    tokens: [i64; 3],
}

impl Simulated for Lock {
    fn ask(&mut self, random: &mut Random, client: usize) -> Call {
        match random.below(9) {
            0 => ask("renew", Value::Nil),
            1 | 2 => ask("write", Value::Int(self.tokens[client])),
            3 | 4 if self.holder != Some(client) && !random.one_in(20) => {
                ask("acquire", Value::Nil)
            }
            3 | 4 => ask("release", Value::Nil),
            _ if self.holder == Some(client) => ask("release", Value::Nil),
            _ => ask("acquire", Value::Nil),
        }
    }

    fn act(&mut self, random: &mut Random, client: usize, asked: &Call) -> Value {
        match asked.f {
            "acquire" => {
                self.holder = Some(client);
                self.token += if random.one_in(24) { 0 } else { 1 };
                self.tokens[client] = self.token;
                Value::Int(self.token)
            }
            "release" => {
                self.holder = self.holder.filter(|&holder| holder != client);
                Value::Nil
            }
            _ => {
                self.seen = self.seen.max(self.tokens[client]);
                Value::Nil
            }
        }
    }
}

#[test]
fn agrees_with_the_law() {
    judge_many(1500, |random| {
        let options = LockOptions {
            lease_ns: [None, Some(30), Some(60)][random.below(3) as usize],
            crash_releases: random.one_in(2),
            reentrant: false,
        };
        let operations = 2 + random.below(9) as usize;
        let history = simulate(&mut Lock::default(), random, 3, operations);
        agree(
            &history,
            |history| lock::check(history, &options),
            |history| naive(history, &options),
        )
    });
}

fn check(text: &str, options: &LockOptions, expected: Expect) {
    expected.assert_eq(&told(lock::check(&log(text), options)));
}

#[test]
fn what_is_wrong_is_told() {
    let plain = LockOptions::default();
    let leased = LockOptions {
        lease_ns: Some(25),
        ..LockOptions::default()
    };
    let reentrant = LockOptions {
        reentrant: true,
        ..LockOptions::default()
    };
    let got = |process: u64, token: &str| {
        format!("{process} :invoke :acquire\n{process} :ok :acquire {token}\n")
    };
    let released = |process: u64| format!("{process} :invoke :release\n{process} :ok :release\n");
    let wrote = |process: u64, token: u64| {
        format!("{process} :invoke :write {token}\n{process} :ok :write {token}\n")
    };
    check(
        &format!("{}{}", got(0, "1"), got(1, "2")),
        &plain,
        expect![[r#"
            two-holders: Process 0's acquire (events 0 to 1) was given the lock and had not released it, when it was given to process 1's acquire (events 2 to 3).
            [0, 1] since event Some(3)
            The lock was asked for 2 times, given 2 times and released 0 times; the resource took 0 writes and refused 0.
            Found in all: two-holders 1.
        "#]],
    );
    check(
        &format!("{}{}", got(0, "1"), got(1, "2")),
        &leased,
        expect![[r#"
            valid
        "#]],
    );
    check(
        &format!("{}{}{}", got(0, "1"), wrote(2, 1), got(1, "2")),
        &leased,
        expect![[r#"
            valid
        "#]],
    );
    check(
        &format!("{}{}{}", got(0, "5"), released(0), got(1, "5")),
        &plain,
        expect![[r#"
            duplicate-token: Process 0's acquire (events 0 to 1) was given token 5, and so was process 1's acquire (events 4 to 5).
            [0, 2] since event Some(5)
            The lock was asked for 2 times, given 2 times and released 1 times; the resource took 0 writes and refused 0.
            Found in all: duplicate-token 1.
        "#]],
    );
    check(
        &format!(
            "{}{}{}",
            got(0, "{:fence 5}"),
            released(0),
            got(1, "{:fence 4}")
        ),
        &plain,
        expect![[r#"
            token-goes-back: Process 0's acquire (events 0 to 1) had been given token 5, before 4 was given to process 1's acquire (events 4 to 5).
            [0, 2] since event Some(5)
            The lock was asked for 2 times, given 2 times and released 1 times; the resource took 0 writes and refused 0.
            Found in all: token-goes-back 1.
        "#]],
    );
    check(
        &format!("{}{}{}", got(0, ""), released(0), released(0)),
        &plain,
        expect![[r#"
            released-by-non-holder: Process 0's release (events 4 to 5) succeeded, although that process had not been given the lock since it last released it.
            [2] since event Some(5)
            The lock was asked for 1 times, given 1 times and released 2 times; the resource took 0 writes and refused 0.
            Found in all: released-by-non-holder 1.
        "#]],
    );
    check(
        &format!("{}{}", got(0, ""), got(0, "")),
        &plain,
        expect![[r#"
            acquired-twice: Process 0's acquire (events 0 to 1) was given the lock and had not released it, when it was given again to process 0's acquire (events 2 to 3).
            [0, 1] since event Some(3)
            The lock was asked for 2 times, given 2 times and released 0 times; the resource took 0 writes and refused 0.
            Found in all: acquired-twice 1.
        "#]],
    );
    check(
        &format!("{}{}{}{}", got(0, ""), got(0, ""), released(0), got(1, "")),
        &reentrant,
        expect![[r#"
            two-holders: Process 0's acquire (events 2 to 3) was given the lock and had not released it, when it was given to process 1's acquire (events 6 to 7).
            [1, 3] since event Some(7)
            The lock was asked for 3 times, given 3 times and released 1 times; the resource took 0 writes and refused 0.
            Found in all: two-holders 1.
        "#]],
    );
    check(
        &format!("{}{}", wrote(1, 6), wrote(0, 5)),
        &plain,
        expect![[r#"
            stale-token-accepted: Process 1's write (events 0 to 1) had been taken with token 6, before token 5 was taken of process 0's write (events 2 to 3).
            [0, 1] since event Some(3)
            The lock was asked for 0 times, given 0 times and released 0 times; the resource took 2 writes and refused 0.
            Found in all: stale-token-accepted 1.
        "#]],
    );
    check(
        &got(0, ""),
        &plain,
        expect![[r#"
        vacuous: the lock was not given twice, nor the resource used twice
    "#]],
    );
    check(
        &got(0, "\"x\""),
        &plain,
        expect![[r#"
        operation 0 (process 0, event 1): expected `acquire` to return nil, a token or a map with one, but found "x"
    "#]],
    );
    check(
        "0 :invoke :steal",
        &plain,
        expect![[r#"
        operation 0 (process 0, event 0): expected `acquire`, `release`, `renew` or `write` of a lock, but found `steal`
    "#]],
    );
}

#[test]
fn why_a_lock_was_not_given_is_nobodys_token() {
    let text = "0 :invoke :acquire\n0 :ok :acquire\n1 :invoke :acquire\n1 :fail :acquire \"busy\"\n0 :invoke :release\n0 :ok :release\n1 :invoke :acquire\n1 :ok :acquire";
    check(
        text,
        &LockOptions::default(),
        expect![[r#"
        valid
    "#]],
    );
}

#[test]
fn what_failed_neither_renews_a_lease_nor_takes_a_token() {
    let leased = LockOptions {
        lease_ns: Some(35),
        ..LockOptions::default()
    };
    let got = |process: u64| format!("{process} :invoke :acquire\n{process} :ok :acquire\n");
    let renewed = |end: &str| format!("{}0 :invoke :renew\n0 :{end} :renew\n{}", got(0), got(1));
    check(
        &renewed("fail"),
        &leased,
        expect![[r#"
        valid
    "#]],
    );
    check(
        &renewed("ok"),
        &leased,
        expect![[r#"
        two-holders: Process 0's acquire (events 0 to 1) was given the lock and had not released it, when it was given to process 1's acquire (events 4 to 5).
        [0, 2] since event Some(5)
        The lock was asked for 2 times, given 2 times and released 0 times; the resource took 0 writes and refused 0.
        Found in all: two-holders 1.
    "#]],
    );

    let wrote = |process: u64, end: &str, token: &str| {
        format!("{process} :invoke :write {token}\n{process} :{end} :write {token}\n")
    };
    let plain = LockOptions::default();
    let (five, refused) = (wrote(0, "ok", "5"), wrote(1, "fail", "6"));
    check(
        &format!("{five}{refused}{five}"),
        &plain,
        expect![[r#"
        valid
    "#]],
    );
    // The first to come with the greater token is told; a value may stand beside it, or nothing at all.
    let six = wrote(1, "ok", "[6 100]") + &wrote(2, "ok", "6") + &wrote(3, "ok", "nil");
    check(
        &format!("{six}{five}"),
        &plain,
        expect![[r#"
        stale-token-accepted: Process 1's write (events 0 to 1) had been taken with token 6, before token 5 was taken of process 0's write (events 6 to 7).
        [0, 3] since event Some(7)
        The lock was asked for 0 times, given 0 times and released 0 times; the resource took 4 writes and refused 0.
        Found in all: stale-token-accepted 1.
    "#]],
    );
}

#[test]
fn a_lock_is_released_once_or_as_often_as_it_was_given_if_reentrant() {
    let reentrant = LockOptions {
        reentrant: true,
        ..LockOptions::default()
    };
    let got = "0 :invoke :acquire\n0 :ok :acquire\n";
    let released = "0 :invoke :release\n0 :ok :release\n";
    let twice = format!("{got}{got}{released}{released}");
    check(
        &twice,
        &LockOptions::default(),
        expect![[r#"
        acquired-twice: Process 0's acquire (events 0 to 1) was given the lock and had not released it, when it was given again to process 0's acquire (events 2 to 3).
        [0, 1] since event Some(3)
        The lock was asked for 2 times, given 2 times and released 2 times; the resource took 0 writes and refused 0.
        Found in all: acquired-twice 1, released-by-non-holder 1.
    "#]],
    );
    check(
        &twice,
        &reentrant,
        expect![[r#"
        valid
    "#]],
    );
    check(
        &format!("{twice}{released}"),
        &reentrant,
        expect![[r#"
        released-by-non-holder: Process 0's release (events 8 to 9) succeeded, although that process had not been given the lock since it last released it.
        [4] since event Some(9)
        The lock was asked for 2 times, given 2 times and released 3 times; the resource took 0 writes and refused 0.
        Found in all: released-by-non-holder 1.
    "#]],
    );
}
