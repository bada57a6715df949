//! Banks.

use crate::histories::*;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use squall_checkers::history::{EventKind, History, Value, ValueRef};
use squall_checkers::named::bank::{self, BankOptions};

fn naive(history: &History, options: &BankOptions) -> Classes {
    let mut classes = Classes::new();
    let mut reads: Vec<_> = history
        .operations()
        .iter()
        .filter(|it| it.f == "read" && is_ok(it.outcome))
        .collect();
    reads.sort_by_key(|read| read.completed);
    let balances = |output: ValueRef<'_>| match output.to_value() {
        Value::Map(map) => map,
        _ => panic!("a map"),
    };
    let sum = |output: ValueRef<'_>| -> i64 {
        balances(output)
            .values()
            .map(|it| if let Value::Int(it) = it { *it } else { 0 })
            .sum()
    };
    let Some(first) = reads.first().map(|read| read.output) else {
        return classes;
    };
    let total = options.total.unwrap_or_else(|| sum(first));
    for read in &reads {
        let seen = balances(read.output);
        let has_nil = seen.values().any(|it| *it == Value::Nil);
        let is_negative = |it: &Value| matches!(it, Value::Int(it) if *it < 0);
        for (class, is_so) in [
            (
                "unexpected-account",
                seen.keys().any(|it| !balances(first).contains_key(it)),
            ),
            (
                "missing-account",
                balances(first).keys().any(|it| !seen.contains_key(it)),
            ),
            ("nil-balance", has_nil),
            ("wrong-total", !has_nil && sum(read.output) != total),
            (
                "negative-balance",
                !options.allow_negative && seen.values().any(is_negative),
            ),
        ] {
            if is_so {
                classes.insert(class);
            }
        }
    }
    classes
}

fn calls() -> impl Strategy<Value = Call> + Clone {
    let transfer = (0_i64..3, 0_i64..3, 1_i64..4, end()).prop_map(|(from, to, amount, end)| {
        call("transfer", ints(&[from, to, amount]), end, Value::Nil)
    });
    let balance = prop_oneof![8 => (-1_i64..6).prop_map(Value::Int), 1 => Just(Value::Nil)];
    let any = prop::collection::btree_map((0_i64..3).prop_map(Value::Int), balance, 1..3);
    let right = (0_i64..=5).prop_map(|first| {
        [
            (Value::Int(0), Value::Int(first)),
            (Value::Int(1), Value::Int(5 - first)),
        ]
        .into()
    });
    let read = (prop_oneof![1 => any, 4 => right], end())
        .prop_map(|(balances, end)| call("read", Value::Nil, end, Value::Map(balances)));
    prop_oneof![transfer, read]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_law(
        history in woven(calls()),
        total in prop::option::of(Just(5_i64)),
        allow_negative: bool,
    ) {
        let options = BankOptions { total, accounts: None, allow_negative };
        let verdict = bank::check(&history, &options);
        check_agreement(&verdict, &naive(&history, &options));
        if let Some(found) = anomaly(&verdict) {
            check_first_bad_event(&history, found, |history| bank::check(history, &options));
        }
    }

    #[test]
    fn a_good_history_is_judged_with_one_balance_changed(
        moves in prop::collection::vec((0_usize..4, 0_usize..4, 1_i64..9), 1..9),
        at in any::<prop::sample::Index>(),
        by in 1_i64..5,
    ) {
        let mut balances = [25_i64; 4];
        let seen = |balances: &[i64; 4]| {
            let pairs = (0_i64..).zip(balances).map(|(account, balance)| ints(&[account, *balance]));
            call("read", Value::Nil, EventKind::Ok, Value::List(pairs.collect()))
        };
        let mut calls = vec![seen(&balances)];
        for (from, to, amount) in moves {
            balances[from] -= amount;
            balances[to] += amount;
            calls.push(call("transfer", ints(&[from as i64, to as i64, amount]), EventKind::Ok, Value::Nil));
            calls.push(seen(&balances));
        }
        let whole = |calls: &Vec<Call>| weave(std::slice::from_ref(calls), &vec![at; 2 * calls.len()]);
        let options = BankOptions { allow_negative: true, ..BankOptions::default() };
        prop_assert_eq!(told(bank::check(&whole(&calls), &options)), "valid\n");
        let read = 2 * at.index(calls.len() / 2 + 1);
        if let Value::List(pairs) = &mut calls[read].output
            && let Value::List(pair) = &mut pairs[at.index(4)]
            && let Value::Int(balance) = pair[1]
        {
            pair[1] = Value::Int(balance + by);
        }
        let verdict = bank::check(&whole(&calls), &options);
        prop_assert_eq!(anomaly(&verdict).map(|found| found.class.as_str()), Some("wrong-total"));
    }
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&told(bank::check(&log(text), &BankOptions::default())));
}

#[test]
fn what_is_wrong_is_told() {
    let first = "0 :invoke :read\n0 :ok :read {0 10, 1 90}\n";
    let read = |seen: &str| format!("{first}0 :invoke :read\n0 :ok :read {seen}");
    check(
        first,
        expect![[r#"
        valid
    "#]],
    );
    check(
        &read("[[0 15] [1 85]]"),
        expect![[r#"
        valid
    "#]],
    );
    check(
        &read("{0 15, 1 90}"),
        expect![[r#"
            wrong-total: Process 0's read (events 2 to 3) returned balances that sum to 105, but all money there is sums to 100.
            [0, 1] since event Some(3)
            The total is taken from the first read that returned (operation 0).
            No one or two transfers that may have been under way explain the difference of 5.
            1 of 2 reads returned a wrong total, from 105 to 105: first process 0's read (events 2 to 3), worst process 0's read (events 2 to 3), last process 0's read (events 2 to 3).
            Found in all: wrong-total 1.
        "#]],
    );
    check(
        &format!(
            "{first}1 :invoke :transfer {{:from 1 :to 0 :amount 5}}\n0 :invoke :read\n0 :ok :read {{0 15, 1 90}}"
        ),
        expect![[r#"
            wrong-total: Process 0's read (events 3 to 4) returned balances that sum to 105, but all money there is sums to 100.
            [0, 2] since event Some(4)
            The total is taken from the first read that returned (operation 0).
            It would, had the read seen what process 1's transfer (since event 2) of 5 from 1 to 0 did to 0, but not to 1.
            1 of 2 reads returned a wrong total, from 105 to 105: first process 0's read (events 3 to 4), worst process 0's read (events 3 to 4), last process 0's read (events 3 to 4).
            Found in all: wrong-total 1.
        "#]],
    );
    check(
        &read("{0 10, 1 90, 2 0}"),
        expect![[r#"
        unexpected-account: Process 0's read (events 2 to 3) returned account 2, which there is not.
        [0, 1] since event Some(3)
        The accounts are taken to be those of the first read that returned (operation 0).
        Found in all: unexpected-account 1.
    "#]],
    );
    check(
        &read("{0 100}"),
        expect![[r#"
        missing-account: Process 0's read (events 2 to 3) returned no balance of account 1.
        [0, 1] since event Some(3)
        The accounts are taken to be those of the first read that returned (operation 0).
        Found in all: missing-account 1.
    "#]],
    );
    check(
        &read("{0 10, 1 nil}"),
        expect![[r#"
        nil-balance: Process 0's read (events 2 to 3) returned nil as the balance of account 1.
        [1] since event Some(3)
        Found in all: nil-balance 1.
    "#]],
    );
    check(
        &read("{0 -10, 1 110}"),
        expect![[r#"
            negative-balance: Process 0's read (events 2 to 3) returned -10 as the balance of account 0, which may not be overdrawn.
            [1] since event Some(3)
            1 of 2 reads returned a negative balance, from -10 to -10: first process 0's read (events 2 to 3), worst process 0's read (events 2 to 3), last process 0's read (events 2 to 3).
            Found in all: negative-balance 1.
        "#]],
    );
    check(
        "0 :invoke :transfer [0 1 5]\n0 :ok :transfer",
        expect![[r#"
        vacuous: no read of the balances returned
    "#]],
    );
    check(
        "0 :invoke :transfer \"all\"",
        expect![[r#"
        operation 0 (process 0, event 0): expected `transfer` to be invoked with [from to amount] or {from …, to …, amount …}, but found "all"
    "#]],
    );
    check(
        "0 :invoke :read\n0 :ok :read [[0 1] [0 2]]",
        expect![[r#"
        operation 0 (process 0, event 1): expected `read` to return {account balance, …} or [[account balance] …], each account once and balances integers or nil, but found [[0 1] [0 2]]
    "#]],
    );
    check(
        "0 :invoke :rob 5",
        expect![[r#"
        operation 0 (process 0, event 0): expected `transfer` or `read` of a bank, but found `rob`
    "#]],
    );
}

#[test]
fn the_worst_total_is_the_one_furthest_from_what_there_is() {
    let reads = [
        "{0 10, 1 90}",
        "{0 10, 1 80}",
        "{0 13, 1 90}",
        "{0 20, 1 90}",
    ];
    let reads = reads.map(|seen| format!("0 :invoke :read\n0 :ok :read {seen}\n"));
    check(
        &reads.concat(),
        expect![[r#"
            wrong-total: Process 0's read (events 2 to 3) returned balances that sum to 90, but all money there is sums to 100.
            [0, 1] since event Some(3)
            The total is taken from the first read that returned (operation 0).
            No one or two transfers that may have been under way explain the difference of -10.
            3 of 4 reads returned a wrong total, from 90 to 110: first process 0's read (events 2 to 3), worst process 0's read (events 2 to 3), last process 0's read (events 6 to 7).
            Found in all: wrong-total 3.
        "#]],
    );
}

/// No transfer explains a difference twice over, nor one that had ended.
#[test]
fn two_transfers_explain_a_difference_that_one_does_not() {
    let first = "0 :invoke :read\n0 :ok :read {0 10, 1 90}\n";
    let transfer = |process: u64, amount: i64| {
        format!("{process} :invoke :transfer {{:from 1 :to 0 :amount {amount}}}\n")
    };
    let read = "0 :invoke :read\n0 :ok :read {0 20, 1 90}";
    check(
        &format!("{first}{}{read}", transfer(1, 5)),
        expect![[r#"
        wrong-total: Process 0's read (events 3 to 4) returned balances that sum to 110, but all money there is sums to 100.
        [0, 2] since event Some(4)
        The total is taken from the first read that returned (operation 0).
        No one or two transfers that may have been under way explain the difference of 10.
        1 of 2 reads returned a wrong total, from 110 to 110: first process 0's read (events 3 to 4), worst process 0's read (events 3 to 4), last process 0's read (events 3 to 4).
        Found in all: wrong-total 1.
    "#]],
    );
    let ended = format!("{}1 :ok :transfer\n", transfer(1, 10));
    check(
        &format!("{first}{ended}{read}"),
        expect![[r#"
        wrong-total: Process 0's read (events 4 to 5) returned balances that sum to 110, but all money there is sums to 100.
        [0, 2] since event Some(5)
        The total is taken from the first read that returned (operation 0).
        No one or two transfers that may have been under way explain the difference of 10.
        1 of 2 reads returned a wrong total, from 110 to 110: first process 0's read (events 4 to 5), worst process 0's read (events 4 to 5), last process 0's read (events 4 to 5).
        Found in all: wrong-total 1.
    "#]],
    );
    check(
        &format!("{first}{}{}{read}", transfer(1, 5), transfer(2, 5)),
        expect![[r#"
            wrong-total: Process 0's read (events 4 to 5) returned balances that sum to 110, but all money there is sums to 100.
            [0, 3] since event Some(5)
            The total is taken from the first read that returned (operation 0).
            It would, had the read seen what process 1's transfer (since event 2) of 5 from 1 to 0 did to 0, but not to 1, and what process 2's transfer (since event 3) of 5 from 1 to 0 did to 0, but not to 1.
            1 of 2 reads returned a wrong total, from 110 to 110: first process 0's read (events 4 to 5), worst process 0's read (events 4 to 5), last process 0's read (events 4 to 5).
            Found in all: wrong-total 1.
        "#]],
    );
}
