//! Responses that must be one's own.

use crate::histories::*;
use expect_test::expect;
use proptest::prelude::*;
use squall_checkers::history::History;
use squall_checkers::named::nonce_echo;

fn judge(history: &History) -> String {
    told(Ok(nonce_echo::check(history)))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_law(history in woven((0_i64..3, 0_i64..4, end()).prop_map(|(sent, got, end)| {
        call("echo", sent.into(), end, if got == 3 { sent } else { got }.into())
    }))) {
        let verdict = Ok(nonce_echo::check(&history));
        let answered = history.operations().iter().filter(|it| is_ok(it.outcome));
        let foreign = answered.filter(|it| it.input != it.output);
        let first = foreign.filter_map(|it| it.completed).min();
        prop_assert_eq!(anomaly(&verdict).and_then(|found| found.first_bad_event), first);
        if let Some(found) = anomaly(&verdict) {
            check_first_bad_event(&history, found, |history| Ok(nonce_echo::check(history)));
        }
    }
}

#[test]
fn what_is_wrong_is_told() {
    let one = "0 :invoke :echo 17\n1 :invoke :get 18\n0 :ok :echo 18\n1 :ok :get 18";
    expect![[r#"
        foreign-response: Process 0's echo (events 0 to 2) sent 17 but was answered 18, the nonce of process 1's get (events 1 to 3).
        [0, 1] since event Some(2)
        Found in all: foreign-response 1.
    "#]].assert_eq(&judge(&log(one)));
    expect![[r#"
        foreign-response: Process 0's echo (events 0 to 1) sent 17 but was answered 3, which nobody ever sent.
        [0] since event Some(1)
        Found in all: foreign-response 1.
    "#]].assert_eq(&judge(&log("0 :invoke :echo 17\n0 :ok :echo 3")));
    expect![[r#"
        foreign-response: Process 0's echo (events 0 to 1) sent 17 but was answered 3, which only process 0's echo (since event 2) sends later.
        [0, 1] since event Some(1)
        Found in all: foreign-response 1.
    "#]].assert_eq(&judge(&log(
        "0 :invoke :echo 17\n0 :ok :echo 3\n0 :invoke :echo 3",
    )));
    expect![[r#"
        valid
    "#]]
    .assert_eq(&judge(&log("0 :invoke :echo 17\n0 :ok :echo 17")));
    expect![[r#"
        vacuous: no operation was answered
    "#]]
    .assert_eq(&judge(&log("0 :invoke :echo 17\n0 :fail :echo 18")));
}
