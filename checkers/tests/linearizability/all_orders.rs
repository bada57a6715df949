//! The linearizability checker agrees with a search through every order: on all small histories, on
//! random larger ones, and on good ones in which one read was changed.

use super::brute_force::{compare, first_bad_event, first_bad_event_online, history};
use crate::random::{Random, cases};
use squall_checkers::Verdict;
use squall_checkers::history::{Event, EventKind, Value};
use squall_checkers::linearizability::{
    Limits, Method, NotAnOrder, Strategy, check, check_with, verify_order,
};
use squall_checkers::spec::Spec;
use squall_checkers::specs::{CasRegister, FailedCas, KvMap, Register};

/// An operation that a test may invoke, and all the answers that it may get.
#[derive(Clone)]
struct Item {
    f: &'static str,
    key: Option<i64>,
    input: Value,
    completions: Vec<(EventKind, Value)>,
}

fn value(number: i64) -> Value {
    if number < 0 {
        Value::Nil
    } else {
        Value::Int(number)
    }
}

/// A read that may see any of the values 0 to `values - 1`, or nil.
fn read(f: &'static str, key: Option<i64>, values: i64) -> Item {
    let completions = (-1..values)
        .map(|number| (EventKind::Ok, value(number)))
        .collect();
    Item {
        f,
        key,
        input: Value::Nil,
        completions,
    }
}

fn write(f: &'static str, key: Option<i64>, number: i64) -> Item {
    let completions = vec![(EventKind::Ok, value(number))];
    Item {
        f,
        key,
        input: value(number),
        completions,
    }
}

fn cas(key: Option<i64>, expected: i64, new: i64) -> Item {
    let input = Value::List(vec![value(expected), value(new)]);
    let completions = [EventKind::Ok, EventKind::Fail]
        .into_iter()
        .map(|kind| (kind, input.clone()))
        .collect();
    Item {
        f: "cas",
        key,
        input,
        completions,
    }
}

fn register_menu(values: i64) -> Vec<Item> {
    let writes = (0..values).map(|number| write("write", None, number));
    [read("read", None, values)]
        .into_iter()
        .chain(writes)
        .collect()
}

fn cas_menu(values: i64) -> Vec<Item> {
    let pairs = (-1..values).flat_map(|expected| (0..values).map(move |new| (expected, new)));
    let swaps = pairs.map(|(expected, new)| cas(None, expected, new));
    register_menu(values).into_iter().chain(swaps).collect()
}

fn map_menu(values: i64, keys: i64) -> Vec<Item> {
    let of_key = |key: i64| {
        let key = Some(key);
        let delete = Item {
            f: "delete",
            key,
            input: Value::Nil,
            completions: vec![(EventKind::Ok, Value::Nil)],
        };
        let mut items = vec![
            read("get", key, values),
            delete,
            cas(key, -1, 0),
            cas(key, 0, 1),
        ];
        items.extend((0..values).map(|number| write("put", key, number)));
        items
    };
    (0..keys).flat_map(of_key).collect()
}

fn event(process: u64, kind: EventKind, item: &Item, value: &Value) -> Event {
    let key = item.key.map(Value::Int);
    let f = item.f.to_owned();
    Event {
        process,
        kind,
        f,
        key,
        value: value.clone(),
        time_ns: 0,
        error: None,
    }
}

/// Every history of at most so many operations, of which at most three that end are open at once.
/// Each operation has a process of its own: linearizability does not ask who did what. What is still
/// open at the end is uncertain.
///
/// Of invocations one after another only one order is tried, and of completions: nothing ends before
/// something else begins in the one order and not in the other.
struct Exhaustive<'a, S> {
    spec: &'a S,
    menu: &'a [Item],
    operations_max: usize,
    events: Vec<Event>,
    possible: usize,
    impossible: usize,
}

impl<S: Spec> Exhaustive<'_, S> {
    const OPEN_MAX: usize = 3;

    fn run(spec: &S, menu: &[Item], operations_max: usize) {
        let events = Vec::new();
        let mut all = Exhaustive {
            spec,
            menu,
            operations_max,
            events,
            possible: 0,
            impossible: 0,
        };
        all.extend(0, &[]);
        assert!(
            all.possible > 100 && all.impossible > 100,
            "{} {}",
            all.possible,
            all.impossible
        );
    }

    /// `open` holds the process and the menu index of each operation that may still end.
    fn extend(&mut self, invoked: usize, open: &[(u64, usize)]) {
        if !self.events.is_empty() && !compare(self.spec, &self.events) {
            // Whatever follows stays impossible, and has its first bad event here.
            self.impossible += 1;
            return;
        }
        self.possible += 1;
        let last = self.events.last();
        let last = last.map(|event| (event.kind == EventKind::Invoke, event.process));
        let (first_choice, first_process) = match last {
            Some((true, _)) => (open.last().map_or(0, |&(_, choice)| choice), 0),
            Some((false, ended)) => (0, ended),
            None => (0, 0),
        };
        if invoked < self.operations_max && open.len() < Self::OPEN_MAX {
            for choice in first_choice..self.menu.len() {
                let process = invoked as u64;
                let item = &self.menu[choice];
                self.events
                    .push(event(process, EventKind::Invoke, item, &item.input));
                self.extend(invoked + 1, &[open, &[(process, choice)]].concat());
                self.events.pop();
            }
        }
        for (index, &(process, choice)) in open.iter().enumerate() {
            if process < first_process {
                continue;
            }
            let rest = [&open[..index], &open[index + 1..]].concat();
            for (kind, value) in self.menu[choice].completions.clone() {
                self.events
                    .push(event(process, kind, &self.menu[choice], &value));
                self.extend(invoked, &rest);
                self.events.pop();
            }
        }
    }
}

#[test]
fn agrees_with_every_order_on_all_small_register_histories() {
    Exhaustive::run(&Register::default(), &register_menu(2), 4);
    Exhaustive::run(
        &Register {
            initial: Value::Int(0),
        },
        &register_menu(2),
        3,
    );
}

#[test]
fn agrees_with_every_order_on_all_small_cas_register_histories() {
    let spec = CasRegister {
        initial: Value::Nil,
        failed_cas: FailedCas::Observed,
    };
    Exhaustive::run(&spec, &cas_menu(2), 3);
    let few = [
        read("read", None, 1),
        write("write", None, 0),
        cas(None, -1, 0),
        cas(None, 0, 0),
    ];
    Exhaustive::run(&spec, &few, 4);
}

#[test]
fn agrees_with_every_order_on_all_small_map_histories() {
    Exhaustive::run(&KvMap::default(), &map_menu(1, 1), 3);
    let spec = KvMap {
        initial: Value::Nil,
        failed_cas: FailedCas::Observed,
    };
    Exhaustive::run(&spec, &map_menu(1, 2), 2);
}

/// A history made from numbers: each says what happens next.
fn history_from(menu: &[Item], numbers: &[u32], operations_max: usize) -> Vec<Event> {
    let mut events = Vec::new();
    let mut open: Vec<(u64, usize)> = Vec::new();
    let mut invoked = 0;
    for &number in numbers {
        let (number, what) = (number as usize / 4, number % 4);
        if what < 2 && invoked < operations_max {
            let choice = number % menu.len();
            events.push(event(
                invoked as u64,
                EventKind::Invoke,
                &menu[choice],
                &menu[choice].input,
            ));
            open.push((invoked as u64, choice));
            invoked += 1;
        } else if !open.is_empty() {
            let (process, choice) = open.remove(number % open.len());
            let item = &menu[choice];
            let ends = &item.completions;
            let (kind, value) = match number / 7 % (ends.len() + 1) {
                0 => &(EventKind::Info, Value::Nil),
                end => &ends[end - 1],
            };
            events.push(event(process, *kind, item, value));
        }
    }
    events
}

/// What a register really answers: each operation takes effect at one of the events while it is open.
fn truthful(menu: &[Item], numbers: &[u32], operations_max: usize) -> Vec<Event> {
    let mut events = history_from(menu, numbers, operations_max);
    let mut state = Value::Nil;
    let mut answers: Vec<Option<Value>> = vec![None; operations_max];
    for index in 0..events.len() {
        let process = events[index].process as usize;
        let is_last_moment = events[index].kind != EventKind::Invoke;
        let is_moment = is_last_moment || numbers[index % numbers.len()].is_multiple_of(3);
        if is_moment && answers[process].is_none() {
            if events[index].f == "write" {
                let invoked = events.iter().find(|event| event.process == process as u64);
                state = invoked.expect("an operation begins").value.clone();
            }
            answers[process] = Some(state.clone());
        }
        if events[index].kind == EventKind::Ok && events[index].f == "read" {
            events[index].value = answers[process].clone().expect("it took effect by now");
        }
    }
    events
}

fn numbers(random: &mut Random, count_max: u64) -> Vec<u32> {
    let count = 4 + random.next() % (count_max - 4);
    (0..count).map(|_| random.next() as u32).collect()
}

/// Histories in which a checker of ours was once wrong.
#[test]
fn an_uncertain_write_of_the_present_value_hides_other_writes() {
    let [write_0, write_1] = [0, 1].map(|number| write("write", None, number));
    let (swap, look) = (cas(None, 1, 2), cas(None, 2, 2));
    let event = |process, kind, item: &Item| event(process, kind, item, &item.input);
    let events = [
        event(0, EventKind::Invoke, &write_1),
        event(0, EventKind::Ok, &write_1),
        event(1, EventKind::Invoke, &write_0),
        event(2, EventKind::Invoke, &swap),
        event(3, EventKind::Invoke, &write_1),
        event(2, EventKind::Ok, &swap),
        event(3, EventKind::Info, &write_1),
        event(1, EventKind::Ok, &write_0),
        event(4, EventKind::Invoke, &look),
        event(4, EventKind::Ok, &look),
    ];
    assert!(compare(&CasRegister::default(), &events));
}

#[test]
fn agrees_with_every_order_on_random_registers() {
    let menu = register_menu(3);
    let mut random = Random(1);
    for _ in 0..cases(1500) {
        let numbers = numbers(&mut random, 24);
        compare(&Register::default(), &history_from(&menu, &numbers, 9));
    }
}

#[test]
fn agrees_with_every_order_on_random_cas_registers() {
    let menu = cas_menu(3);
    let mut random = Random(2);
    for _ in 0..cases(1500) {
        let numbers = numbers(&mut random, 24);
        for failed_cas in [FailedCas::Dropped, FailedCas::Observed] {
            let spec = CasRegister {
                initial: Value::Int(0),
                failed_cas,
            };
            compare(&spec, &history_from(&menu, &numbers, 9));
        }
    }
}

#[test]
fn agrees_with_every_order_on_random_maps() {
    let menu = map_menu(2, 2);
    let mut random = Random(3);
    for _ in 0..cases(1500) {
        let numbers = numbers(&mut random, 24);
        for failed_cas in [FailedCas::Dropped, FailedCas::Observed] {
            let spec = KvMap {
                initial: Value::Nil,
                failed_cas,
            };
            compare(&spec, &history_from(&menu, &numbers, 9));
        }
    }
}

#[test]
fn accepts_what_a_register_answers_and_judges_one_changed_read() {
    let menu = register_menu(3);
    let mut random = Random(4);
    let mut refused = 0;
    for _ in 0..cases(1500) {
        let numbers = numbers(&mut random, 24);
        let mut events = truthful(&menu, &numbers, 9);
        assert!(compare(&Register::default(), &events), "{events:#?}");
        refused += u64::from(
            change_a_read(&mut events, &mut random, 3) && !compare(&Register::default(), &events),
        );
    }
    assert!(refused > 100, "only {refused} lies were found out");
}

/// Lets one read see something else; false if there is none.
fn change_a_read(events: &mut [Event], random: &mut Random, values: i64) -> bool {
    let is_read = |event: &&mut Event| event.kind == EventKind::Ok && event.f == "read";
    let mut reads: Vec<&mut Event> = events.iter_mut().filter(is_read).collect();
    if reads.is_empty() {
        return false;
    }
    let index = random.next() as usize % reads.len();
    reads[index].value = value(random.next() as i64 % values);
    true
}

/// Longer than every order can be tried of: what is compared is one way of judging with another.
#[test]
fn events_that_are_judged_as_they_come_are_judged_as_in_the_whole_history() {
    let menu = register_menu(3);
    let spec = Register::default();
    let mut random = Random(5);
    let mut refused = 0;
    for _ in 0..cases(60).min(10_000) {
        let numbers: Vec<u32> = (0..500).map(|_| random.next() as u32).collect();
        let mut events = truthful(&menu, &numbers, 250);
        if !random.next().is_multiple_of(3) {
            change_a_read(&mut events, &mut random, 3);
        }
        let whole = history(&events);
        let verdict = check(&spec, &whole, &Limits::default()).expect("tests use known operations");
        assert_eq!(
            first_bad_event_online(&spec, &events),
            first_bad_event(&verdict)
        );
        refused += u32::from(verdict.word() == "invalid");
    }
    assert!(refused > 10, "only {refused} lies were found out");
}

#[test]
fn every_method_says_the_same() {
    let menu = map_menu(3, 4);
    let spec = KvMap::default();
    let mut random = Random(6);
    for _ in 0..cases(100).min(10_000) {
        let numbers: Vec<u32> = (0..160).map(|_| random.next() as u32).collect();
        let history = history(&history_from(&menu, &numbers, 80));
        let said = |strategy, threads| {
            let method = Method {
                strategy,
                threads,
                ..Method::default()
            };
            check_with(&spec, &history, &method)
                .expect("algorithms agree")
                .verdict
        };
        let one = said(Strategy::Auto, 1);
        assert_eq!(one, said(Strategy::Auto, 3));
        assert_eq!(one, said(Strategy::CrossCheck, 1));
        assert_eq!(
            first_bad_event(&one),
            first_bad_event(&said(Strategy::General, 2))
        );
    }
}

#[test]
fn a_given_order_decides_if_it_explains_the_history() {
    let write =
        |process, kind, number| event(process, kind, &write("write", None, number), &value(number));
    let events = [
        write(0, EventKind::Invoke, 1),
        write(1, EventKind::Invoke, 2),
        write(0, EventKind::Ok, 1),
        write(1, EventKind::Ok, 2),
    ];
    let history = history(&events);
    let judged = |order: &[usize]| {
        let method = Method {
            order: Some(order),
            ..Method::default()
        };
        check_with(&Register::default(), &history, &method).expect("registers are known")
    };
    let report = judged(&[1, 0]);
    assert_eq!(report.decided_by.get("given-order"), Some(&1));
    assert_eq!(
        report.verdict,
        Verdict::Valid {
            witness: Some(vec![1, 0])
        }
    );
    let report = judged(&[1]);
    assert_eq!(report.refused_order, Some(NotAnOrder::Missing(0)));
    assert_eq!(report.verdict.word(), "valid");
}

#[test]
fn an_order_that_explains_nothing_is_refused() {
    let of = |process, kind, item: &Item, number| event(process, kind, item, &value(number));
    let [write_1, write_2] = [1, 2].map(|number| write("write", None, number));
    let look = read("read", None, 0);
    let history = history(&[
        of(0, EventKind::Invoke, &write_1, 1),
        of(1, EventKind::Invoke, &write_2, 2),
        of(0, EventKind::Ok, &write_1, 1),
        of(2, EventKind::Invoke, &look, -1),
        of(1, EventKind::Ok, &write_2, 2),
        of(2, EventKind::Ok, &look, 2),
        of(3, EventKind::Invoke, &look, -1),
        of(3, EventKind::Fail, &look, -1),
    ]);
    let refusal = |order: &[usize]| verify_order(&Register::default(), &history, order);
    assert_eq!(refusal(&[0, 1, 2]), Ok(()));
    assert_eq!(refusal(&[0, 1]), Err(NotAnOrder::Missing(2)));
    assert_eq!(refusal(&[0, 1, 2, 1]), Err(NotAnOrder::Twice(1)));
    assert_eq!(refusal(&[0, 1, 2, 3]), Err(NotAnOrder::DidNotHappen(3)));
    assert_eq!(refusal(&[0, 1, 2, 4]), Err(NotAnOrder::DidNotHappen(4)));
    let (earlier, later) = (2, 0);
    assert_eq!(
        refusal(&[1, 2, 0]),
        Err(NotAnOrder::AgainstTime { earlier, later })
    );
    let reason = "the value is 1, but the read saw 2".to_owned();
    assert_eq!(
        refusal(&[1, 0, 2]),
        Err(NotAnOrder::Impossible { id: 2, reason })
    );
}

#[test]
fn limits_end_in_an_answer_that_names_them() {
    let menu = cas_menu(5);
    let mut random = Random(7);
    let numbers: Vec<u32> = (0..4000).map(|_| random.next() as u32).collect();
    let history = history(&truthful(&menu[..6], &numbers, 2000));
    let told = |limits: Limits| match check(&CasRegister::default(), &history, &limits) {
        Ok(Verdict::Unknown(why)) => why,
        other => panic!("expected no verdict, but got {other:?}"),
    };
    let few = Limits {
        configurations_max: 10,
        ..Limits::default()
    };
    assert!(told(few).contains("the limit of 10 configurations after event"));
    let small = Limits {
        memory_bytes_max: 1 << 10,
        ..Limits::default()
    };
    assert!(told(small).contains("of memory"));
    let short = Limits {
        time_max: Some(std::time::Duration::ZERO),
        ..Limits::default()
    };
    assert!(told(short).contains("which another run might not meet"));
    let long = Limits {
        time_max: Some(std::time::Duration::from_secs(3600)),
        ..Limits::default()
    };
    let verdict = check(&CasRegister::default(), &history, &long);
    assert!(matches!(verdict, Ok(Verdict::Valid { .. })), "{verdict:?}");
}

/// Eight writes of one key at once, and a read of one of them.
fn crowd(key: i64) -> Vec<Event> {
    let items: Vec<Item> = (0..8)
        .map(|number| write("put", Some(key), number))
        .collect();
    let numbered = || (100 * key as u64..).zip(&items);
    let invoked =
        numbered().map(|(process, item)| event(process, EventKind::Invoke, item, &item.input));
    let ended = numbered().map(|(process, item)| event(process, EventKind::Ok, item, &item.input));
    invoked.chain(ended).chain(read_of(key, 3)).collect()
}

/// Where keys are judged at once, each has a share of the memory, but none fails for that.
#[test]
fn what_memory_is_enough_for_is_judged_whatever_the_number_of_threads() {
    let history = history(&[crowd(1), crowd(2)].concat());
    let word = |threads: usize, kibibytes: u64| {
        let method = Method {
            strategy: Strategy::General,
            threads,
            limits: Limits {
                memory_bytes_max: kibibytes << 10,
                ..Limits::default()
            },
            ..Method::default()
        };
        let report = check_with(&KvMap::default(), &history, &method);
        report.expect("one algorithm").verdict.word()
    };
    let words = (0..12).map(|power| word(1, 1 << power));
    let words: Vec<&str> = words.collect();
    assert!(
        words.contains(&"unknown") && words.contains(&"valid"),
        "{words:?}"
    );
    let of_two: Vec<&str> = (0..12).map(|power| word(2, 1 << power)).collect();
    assert_eq!(words, of_two);
}

/// The orders of keys become one some thousand events at a time.
#[test]
fn a_long_history_of_several_keys_has_one_order() {
    let items = [1, 2, 3].map(|key| write("put", Some(key), 7));
    let turns = items.iter().cycle().take(10_000);
    let events = turns.flat_map(|item| {
        let process = item.key.unwrap_or(0) as u64;
        [EventKind::Invoke, EventKind::Ok].map(|kind| event(process, kind, item, &item.input))
    });
    let history = history(&events.collect::<Vec<Event>>());
    let verdict = check(&KvMap::default(), &history, &Limits::default());
    let Ok(Verdict::Valid {
        witness: Some(order),
    }) = verdict
    else {
        panic!("{verdict:?}");
    };
    assert!(order.into_iter().eq(0..10_000));
}

/// A put of each of five values at once, or compare-and-swaps that hide them, and a read of what nobody put.
fn puzzle(key: i64) -> Vec<Event> {
    let mut items: Vec<Item> = (0..5)
        .map(|number| write("put", Some(key), number % 3))
        .collect();
    items.push(cas(Some(key), 0, 1));
    let process = |index: usize| (10 * key) as u64 + index as u64;
    let invoked = items.iter().enumerate();
    let invoked =
        invoked.map(|(index, item)| event(process(index), EventKind::Invoke, item, &item.input));
    let ended = items.iter().enumerate();
    let ended = ended.map(|(index, item)| event(process(index), EventKind::Ok, item, &item.input));
    invoked.chain(ended).chain(read_of(key, 9)).collect()
}

fn read_of(key: i64, number: i64) -> [Event; 2] {
    let item = read("get", Some(key), 0);
    let process = 10 * key as u64;
    [
        event(process, EventKind::Invoke, &item, &Value::Nil),
        event(process, EventKind::Ok, &item, &value(number)),
    ]
}

#[test]
fn a_doubt_is_told_only_of_what_came_before_the_first_bad_event() {
    let method = Method {
        strategy: Strategy::General,
        limits: Limits {
            configurations_max: 3,
            ..Limits::default()
        },
        ..Method::default()
    };
    let judged = |events: Vec<Event>| {
        let report = check_with(&KvMap::default(), &history(&events), &method);
        match report.expect("one algorithm").verdict {
            Verdict::Invalid(anomaly) => anomaly,
            other => panic!("expected an impossible read, but got {other:?}"),
        }
    };
    let (puzzle, bad) = (puzzle(1), read_of(2, 7));
    let count = puzzle.len();

    let late = judged(puzzle.iter().chain(&bad).cloned().collect());
    assert_eq!(late.first_bad_event, Some(count + 1));
    let doubt = "An earlier event may already be impossible: the search of key 1 met the limit of 3 configurations";
    assert!(
        late.explanation.iter().any(|line| line.starts_with(doubt)),
        "{late:#?}"
    );

    let early = judged(bad.iter().chain(&puzzle).cloned().collect());
    assert_eq!(early.first_bad_event, Some(1));
    assert!(
        !early
            .explanation
            .iter()
            .any(|line| line.contains("may already")),
        "{early:#?}"
    );
}
