//! Each law is judged by the checker of its name, and something breaks it.

use crate::histories::{keyed_log, log};
use squall_checkers::history::History;
use squall_checkers::{Model, Options, Verdict, check};

/// A history that breaks a law, and how. Histories with keys have them after the process.
const BAD: [(Model, &str, &str); 23] = [
    (
        Model::Bank,
        "wrong-total",
        "0 :invoke :read\n0 :ok :read {0 10, 1 90}\n0 :invoke :read\n0 :ok :read {0 11, 1 90}",
    ),
    (
        Model::Set,
        "lost-element",
        "0 :invoke :add 7\n0 :ok :add 7\n1 :invoke :read\n1 :ok :read []",
    ),
    (
        Model::Queue,
        "unexpected-message",
        "0 :invoke :enqueue 7\n0 :ok :enqueue 7\n1 :invoke :dequeue\n1 :ok :dequeue 8",
    ),
    (
        Model::Fanout,
        "unexpected-message",
        "0/- :invoke :publish [5 1]\n0/- :ok :publish\n1/a :invoke :poll\n1/a :ok :poll [[5 2]]",
    ),
    (
        Model::NonceEcho,
        "foreign-response",
        "0 :invoke :echo 17\n0 :ok :echo 3",
    ),
    (
        Model::ListAppend,
        "thin-air-read",
        "0 :invoke :txn [[:append 1 1]]\n0 :ok :txn [[:append 1 1]]\n1 :invoke :txn [[:r 1 nil]]\n1 :ok :txn [[:r 1 [2]]]",
    ),
    (
        Model::RwRegister,
        "thin-air-read",
        "0 :invoke :txn [[:w 1 1]]\n0 :ok :txn [[:w 1 1]]\n1 :invoke :txn [[:r 1 nil]]\n1 :ok :txn [[:r 1 2]]",
    ),
    (
        Model::ClosedPredicate,
        "thin-air-read",
        "0 :invoke :txn [[:w 1 1]]\n0 :ok :txn [[:w 1 1]]\n1 :invoke :txn [[:rp :true nil]]\n1 :ok :txn [[:rp :true {1 2}]]",
    ),
    (
        Model::Sequential,
        "causality-violation",
        "0 :invoke :write 1\n0 :ok :write 1\n0 :invoke :read\n0 :ok :read nil",
    ),
    (
        Model::Causal,
        "causality-violation",
        "0 :invoke :write 1\n0 :ok :write 1\n0 :invoke :read\n0 :ok :read nil",
    ),
    (
        Model::SessionGuarantees,
        "no-read-your-writes",
        "0 :invoke :write 1\n0 :ok :write 1\n0 :invoke :read\n0 :ok :read nil",
    ),
    (
        Model::CounterBounds,
        "count-too-high",
        "0 :invoke :add 5\n0 :ok :add 5\n1 :invoke :read\n1 :ok :read 6",
    ),
    (
        Model::PnCounter,
        "impossible-sum",
        "0 :invoke :add 5\n1 :invoke :add -5\n2 :invoke :read\n2 :ok :read 3",
    ),
    (
        Model::UniqueIds,
        "duplicate-id",
        "0 :invoke :generate\n0 :ok :generate 7\n1 :invoke :generate\n1 :ok :generate 7",
    ),
    (
        Model::LongFork,
        "long-fork",
        "0 :invoke :write [[:w 1 1]]\n1 :invoke :write [[:w 2 1]]\n2 :invoke :read [[:r 1 nil] [:r 2 nil]]
         3 :invoke :read [[:r 1 nil] [:r 2 nil]]\n2 :ok :read [[:r 1 1] [:r 2 nil]]\n3 :ok :read [[:r 1 nil] [:r 2 1]]",
    ),
    (
        Model::Monotonic,
        "value-goes-back",
        "0 :invoke :add\n0 :ok :add [7 100]\n1 :invoke :add\n1 :ok :add [6 101]",
    ),
    (
        Model::CausalReverse,
        "causal-reverse",
        "0 :invoke :write 1\n0 :ok :write 1\n0 :invoke :write 2\n1 :invoke :read\n1 :ok :read [2]",
    ),
    (
        Model::AdyaG2,
        "G2",
        "0 :invoke :insert [3 [1 nil]]\n1 :invoke :insert [3 [nil 2]]\n0 :ok :insert [3 [1 nil]]\n1 :ok :insert [3 [nil 2]]",
    ),
    (
        Model::Kafka,
        "inconsistent-offsets",
        "0 :invoke :send [[:send 1 10]]\n0 :ok :send [[:send 1 [0 10]]]\n1 :invoke :poll [[:poll]]\n1 :ok :poll [[:poll {1 [[0 11]]}]]",
    ),
    (
        Model::Watch,
        "divergent-event",
        "0/x :invoke :put 10\n0/x :ok :put 1\n1/a :invoke :watch 1\n1/a :ok :watch [[1 \"x\" 11]]",
    ),
    (
        Model::LockSafety,
        "two-holders",
        "0 :invoke :acquire\n0 :ok :acquire 1\n1 :invoke :acquire\n1 :ok :acquire 2",
    ),
    (
        Model::Stats,
        "vacuous",
        "0 :invoke :read\n0 :ok :read 1\n0 :invoke :cas 1\n0 :fail :cas 1",
    ),
    (
        Model::Availability,
        "unavailable",
        "0 :invoke :read\n0 :ok :read 1\n0 :invoke :read\n0 :fail :read",
    ),
];

fn history(text: &str) -> History {
    match text.as_bytes()[1] {
        b'/' => keyed_log(text),
        _ => log(text),
    }
}

#[test]
fn each_law_rejects_what_breaks_it() {
    let laws = Model::ALL
        .into_iter()
        .filter(|model| !model.is_specification());
    assert!(laws.eq(BAD.map(|(model, ..)| model)));
    for (model, class, text) in BAD {
        assert_eq!(model.name().parse(), Ok(model));
        let verdict = check(&history(text), model, &Options::default());
        let found = match verdict.expect("operations of the model") {
            Verdict::Invalid(anomaly) => anomaly.class,
            verdict => verdict.word().to_owned(),
        };
        assert_eq!(found, class, "{model}");
    }
}
