//! What specifications promise, which have algorithms of their own, and those that leave a choice.

use squall_checkers::history::{self, History, Outcome, ValueRef};
use squall_checkers::linearizability::{
    CheckError, Limits, Method, NotAnOrder, Strategy, check, check_with,
};
use squall_checkers::spec::contract::{Effort, Law, verify};
use squall_checkers::spec::{
    Decided, Decider, Decision, DecodeError, Decoded, DecodedBy, Diagnosis, Nondeterministic,
    PowerSet, Reason, Spec,
};
use squall_checkers::specs::{
    AppendLog, CasRegister, Counter, CounterOperation, CounterReturn, FifoQueue, GrowOnlySet,
    KvMap, Priority, PriorityQueue, Register, Stack,
};

/// Who decides on a history, if nothing but the specification's own algorithm may.
fn algorithm<S: Spec>(spec: &S, history: &str) -> &'static str {
    let history = History::read(history.as_bytes(), None).expect("a history");
    let method = Method {
        strategy: Strategy::Special,
        ..Method::default()
    };
    let report = check_with(spec, &history, &method).expect("operations of the specification");
    let algorithms: Vec<&str> = report.decided_by.into_keys().collect();
    let [algorithm] = algorithms[..] else {
        panic!("one key, but {algorithms:?}");
    };
    algorithm
}

#[test]
fn the_specifications_own_algorithms_decide_where_values_are_unique() {
    let register = "0 :invoke :write 1\n1 :invoke :read\n1 :ok :read 1";
    assert_eq!(algorithm(&Register::default(), register), "unique-writes");
    let swapped = format!("{register}\n1 :invoke :cas [1 2]\n1 :ok :cas [1 2]");
    assert_eq!(
        algorithm(&CasRegister::default(), &swapped),
        "unique-cas-chains"
    );
    let put = r#"{"process": 0, "type": "invoke", "f": "put", "key": "x", "value": 1}"#;
    assert_eq!(algorithm(&KvMap::default(), put), "unique-writes");
    let queue = "0 :invoke :enqueue 1\n1 :invoke :dequeue\n1 :ok :dequeue 1";
    assert_eq!(algorithm(&FifoQueue, queue), "unique-queue");
    for first in [Priority::Smallest, Priority::Largest] {
        let of_queue = algorithm(&PriorityQueue { first }, queue);
        assert_eq!(of_queue, "unique-priority-queue");
    }
    let stack = "0 :invoke :push 1\n1 :invoke :pop\n1 :ok :pop 1";
    assert_eq!(algorithm(&Stack, stack), "unique-stack");
    let set = "0 :invoke :add 1\n1 :invoke :read\n1 :ok :read [1]";
    assert_eq!(algorithm(&GrowOnlySet, set), "grow-only-set");
    let log = set.replace("add", "append");
    assert_eq!(algorithm(&AppendLog, &log), "unique-log");
    let twice = format!("{register}\n2 :invoke :write 1");
    assert_eq!(algorithm(&Register::default(), &twice), "none");
}

/// A counter with an algorithm that always says the same.
struct Claim(Decision);

impl Spec for Claim {
    type State = i64;
    type Operation = CounterOperation;
    type Return = CounterReturn;

    fn initial(&self) -> i64 {
        0
    }

    fn step(
        &self,
        state: &i64,
        operation: &CounterOperation,
        returned: Option<&CounterReturn>,
    ) -> Result<i64, Reason> {
        Counter::default().step(state, operation, returned)
    }

    fn decode(&self, recorded: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
        Counter::default().decode(recorded)
    }

    fn decider(&self, _operations_max: usize) -> Option<Box<dyn Decider + '_>> {
        Some(Box::new(Claimed(&self.0)))
    }
}

struct Claimed<'a>(&'a Decision);

impl Decider for Claimed<'_> {
    fn begin(&mut self, _operations: usize) {}

    fn take(&mut self, _: usize, _: &history::Operation<'_>) -> Result<(), DecodeError> {
        Ok(())
    }

    fn decide(&self, _key: usize) -> Option<Decided> {
        Some(Decided {
            algorithm: "claim",
            decision: self.0.clone(),
        })
    }
}

#[test]
fn a_cross_check_finds_out_an_algorithm_that_is_wrong() {
    let checked = |claim: Decision, seen: i64| {
        let lines = format!("0 :invoke :add 1\n0 :ok :add 1\n0 :invoke :read\n0 :ok :read {seen}");
        let history = History::read(lines.as_bytes(), None).expect("a history");
        let method = Method {
            strategy: Strategy::CrossCheck,
            ..Method::default()
        };
        check_with(&Claim(claim), &history, &method).map(|report| report.verdict.word())
    };
    let disagreement = |special_says: &str| CheckError::Disagreement {
        of_key: String::new(),
        special: "claim",
        special_says: special_says.to_owned(),
    };
    let possible = |order: [u32; 2]| Decision::Possible(order.to_vec());
    assert_eq!(checked(possible([0, 1]), 1), Ok("valid"));
    let (earlier, later) = (1, 0);
    let against_time = CheckError::BadOrder(NotAnOrder::AgainstTime { earlier, later });
    assert_eq!(checked(possible([1, 0]), 1), Err(against_time));
    assert_eq!(checked(possible([0, 1]), 2), Err(disagreement("possible")));
    let impossible = Decision::Impossible(Diagnosis {
        class: "claimed",
        sentence: "No.".to_owned(),
        operations: vec![0],
        suspects: Vec::new(),
        is_minimal: false,
    });
    assert_eq!(
        checked(impossible, 1),
        Err(disagreement("impossible (No.)"))
    );
}

#[test]
fn strategies_have_names() {
    for strategy in Strategy::ALL {
        assert_eq!(strategy.to_string().parse(), Ok(strategy));
    }
    let unknown = "quick".parse::<Strategy>().expect_err("there is none such");
    assert_eq!(
        unknown.to_string(),
        "expected a strategy (auto, general, special or cross-check), but found `quick`"
    );
}

/// A number to which operations add, one more if their answer is not known.
struct Careless;

impl Spec for Careless {
    type State = i64;
    type Operation = i64;
    type Return = ();

    fn initial(&self) -> i64 {
        0
    }

    fn step(&self, state: &i64, add: &i64, returned: Option<&()>) -> Result<i64, Reason> {
        Ok((state + add + i64::from(returned.is_none())) % 8)
    }

    fn decode(&self, _: &history::Operation<'_>) -> Result<DecodedBy<Self>, DecodeError> {
        unreachable!("there is no history")
    }
}

#[test]
fn an_operation_does_not_do_otherwise_when_nobody_knows_its_answer() {
    let broken = verify(&Careless, Effort::default(), |number| {
        ((number % 3) as i64, ())
    });
    assert_eq!(broken.expect_err("it does").law, Law::Uncertain);
}

/// A set that may lose what is added to it.
struct Leaky;

impl Nondeterministic for Leaky {
    /// Whether the element is there.
    type State = bool;
    /// Whether the element is added.
    type Operation = bool;
    type Return = bool;

    fn initial(&self) -> Vec<bool> {
        vec![false]
    }

    fn steps(&self, state: &bool, is_added: &bool, found: Option<&bool>) -> Vec<bool> {
        match found {
            _ if *is_added => vec![*state, true],
            Some(found) if found != state => Vec::new(),
            _ => vec![*state],
        }
    }

    fn state_bytes(&self, _state: &bool) -> usize {
        1000
    }

    fn part<'h>(&self, _f: &str, element: ValueRef<'h>) -> Option<ValueRef<'h>> {
        Some(element)
    }

    fn decode(
        &self,
        recorded: &history::Operation<'_>,
    ) -> Result<Decoded<bool, bool>, DecodeError> {
        let is_added = recorded.f == "add";
        Ok(match recorded.outcome {
            Outcome::Ok => Decoded::Returned(is_added, recorded.output == ValueRef::Bool(true)),
            Outcome::Info => Decoded::Uncertain(is_added),
            Outcome::Fail => Decoded::Absent,
        })
    }
}

#[test]
fn each_part_has_its_own_choices() {
    let word = |reads: [(i64, bool); 2]| {
        let adds =
            [1, 2].map(|element| format!("0 :invoke :add {element}\n0 :ok :add {element}\n"));
        let reads = reads.map(|(element, found)| {
            format!("0 :invoke :contains {element}\n0 :ok :contains {found}\n")
        });
        let history = adds.concat() + &reads.concat();
        let history = History::read(history.as_bytes(), None).expect("a history");
        let verdict = check(&PowerSet(Leaky), &history, &Limits::default());
        verdict.expect("operations of the set").word()
    };
    assert_eq!(word([(1, true), (2, false)]), "valid");
    assert_eq!(word([(1, true), (1, false)]), "invalid");
}

#[test]
fn a_state_of_several_takes_the_room_of_each() {
    let set = PowerSet(Leaky);
    let after = set.step(&set.initial(), &true, None);
    let bytes = set.state_bytes(&after.expect("anything can be added"));
    assert!((2000..2100).contains(&bytes), "{bytes}");
}
