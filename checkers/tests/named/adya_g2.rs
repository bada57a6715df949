//! Inserts that each look whether the other is there.

use crate::histories::*;
use crate::simulated::{Classes, agree};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use squall_checkers::history::{History, Value};
use squall_checkers::named::adya_g2;

fn naive(history: &History) -> Classes {
    let won = |key: i64| {
        let inserts = history.operations().iter().filter(|it| is_ok(it.outcome));
        let on_key = inserts.filter(|it| it.key.map(|key| key.to_value()) == Some(Value::Int(key)));
        on_key.count()
    };
    if (0..3).any(|key| won(key) > 1) {
        Classes::from(["G2"])
    } else {
        Classes::new()
    }
}

fn calls() -> impl Strategy<Value = Call> + Clone {
    let end = prop_oneof![3 => Just(squall_checkers::history::EventKind::Fail), 2 => end()];
    (0_i64..3, 0_i64..9, end).prop_map(|(key, value, end)| Call {
        key: Some(Value::Int(key)),
        ..call("insert", value.into(), end, value.into())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::random::cases(2000) as u32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_law(history in woven(calls())) {
        agree(&history, adya_g2::check, naive);
    }
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&told(adya_g2::check(&log(text))));
}

#[test]
fn what_is_wrong_is_told() {
    let two = |end: &str| {
        format!(
            "0 :invoke :insert [3 [1 nil]]\n1 :invoke :insert [3 [nil 2]]\n0 :ok :insert [3 [1 nil]]\n1 :{end} :insert [3 [nil 2]]"
        )
    };
    check(
        &two("ok"),
        expect![[r#"
        G2: Process 0's insert (events 0 to 2) and process 1's insert (events 1 to 3) both inserted a row for key 3, although each looked first whether there was one.
        [0, 1] since event Some(3)
        Of 1 keys 1 had two inserts or more; 1 were inserted.
        Found in all: G2 1.
    "#]],
    );
    check(
        &two("fail"),
        expect![[r#"
        valid
    "#]],
    );
    check(
        &two("info"),
        expect![[r#"
        valid
    "#]],
    );
    check(
        "0 :invoke :insert [3 [1 nil]]\n1 :invoke :insert [3 [nil 2]]\n0 :fail :insert [3 [1 nil]]\n1 :fail :insert [3 [nil 2]]",
        expect![[r#"
            vacuous: no insert succeeded
        "#]],
    );
    check(
        "0 :invoke :insert [3 [1 nil]]\n0 :ok :insert [3 [1 nil]]",
        expect![[r#"
        vacuous: no key had two inserts
    "#]],
    );
    check(
        "0 :invoke :insert 4",
        expect![[r#"
        operation 0 (process 0, event 0): expected `insert` on a key, or of [key value], but found 4
    "#]],
    );
    check(
        "0 :invoke :delete 4",
        expect![[r#"
        operation 0 (process 0, event 0): expected `insert` on a key, but found `delete`
    "#]],
    );
}
