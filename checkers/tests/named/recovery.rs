//! Recovery.

use crate::histories::*;
use expect_test::{Expect, expect};
use squall_checkers::named::recovery::{self, RecoveryOptions, Share};

/// Healed at 40 ns, well from 60 ns on: half of the operations in every 40 ns must succeed.
fn check(ends: &[&str], expected: Expect) {
    let lines = ends.iter().enumerate().map(|(number, end)| {
        let completion = match *end {
            "open" => String::new(),
            end => format!("{number} :{end} :read 1\n"),
        };
        format!("{number} :invoke :read\n{completion}")
    });
    let options = RecoveryOptions {
        healed_ns: 40,
        bound_ns: 20,
        window_ns: 40,
        share: Share {
            numerator: 1,
            denominator: 2,
        },
    };
    expected.assert_eq(&told(Ok(recovery::check(
        &log(&lines.collect::<String>()),
        &options,
    ))));
}

#[test]
fn goodput_must_return() {
    // An operation takes 10 ns, and the next begins 10 ns later: two in each window.
    check(
        &["ok"; 12],
        expect![[r#"
        valid
    "#]],
    );
    check(
        &["fail", "fail", "info", "ok", "info", "ok", "ok", "ok"],
        expect![[r#"
            valid
        "#]],
    );
    check(
        &["ok", "ok", "ok", "ok", "ok", "info", "fail", "ok", "ok"],
        expect![[r#"
            no-recovery: Of 2 operations invoked from 100 to 140 ns only 0 succeeded, although all faults were healed at 40 ns and 1 of 2 must succeed from 60 ns on.
            [5, 6] since event None
            1 of 2 windows with operations were served too little.
        "#]],
    );
    // The second window is not whole.
    check(
        &["ok", "ok", "ok", "ok", "ok", "info", "fail"],
        expect![[r#"
        valid
    "#]],
    );
    check(
        &["ok", "ok", "ok"],
        expect![[r#"
        vacuous: no operation was invoked in a whole window after the system had to be well
    "#]],
    );
    // What hangs for a window's time does not succeed.
    check(
        &["ok", "ok", "ok", "open", "info", "ok", "ok", "ok"],
        expect![[r#"
            no-recovery: Of 3 operations invoked from 60 to 100 ns only 1 succeeded, although all faults were healed at 40 ns and 1 of 2 must succeed from 60 ns on.
            [3, 4] since event None
            1 of 2 windows with operations were served too little.
        "#]],
    );
}
