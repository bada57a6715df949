//! Long histories of systems that are right are valid, and soon judged: `SQUALL_OPERATIONS` says how long,
//! and the processor time is printed.

use crate::histories::{Call, ints, told};
use crate::random::Random;
use crate::simulated::{Simulated, ask, simulate};
use squall_checkers::history::{History, Value};
use squall_checkers::named::counter::CounterOptions;
use squall_checkers::named::set::SetOptions;
use squall_checkers::named::unique_ids::UniqueIdsOptions;
use squall_checkers::named::{
    adya_g2, bank, causal_reverse, counter, kafka, lock, long_fork, monotonic, queue, set, stats,
    unique_ids, watch,
};
use squall_checkers::spec::DecodeError;
use squall_checkers::verdict::Verdict;
use std::collections::{BTreeMap, VecDeque};

const CLIENTS: usize = 10;

/// What every one of these systems has.
#[derive(Default)]
struct System {
    which: &'static str,
    sum: i64,
    clock: i64,
    elements: Vec<i64>,
    reads_in: u64,
    forks: BTreeMap<i64, bool>,
    queue: VecDeque<i64>,
    holder: Option<usize>,
    logs: [Vec<i64>; 4],
    positions: BTreeMap<(usize, i64), usize>,
    balances: [i64; 8],
}

impl Simulated for System {
    fn ask(&mut self, random: &mut Random, client: usize) -> Call {
        self.clock += 1;
        let next = Value::Int(self.clock);
        let is_read = random.one_in(self.reads_in);
        match self.which {
            "counter" if is_read => ask("read", Value::Nil),
            "counter" => ask("add", (random.below(9) - 2).into()),
            "unique-ids" => ask("generate", Value::Nil),
            "set" if is_read => ask("read", Value::Nil),
            "set" => ask("add", next),
            "monotonic" if is_read => ask("read", Value::Nil),
            "monotonic" => ask("add", Value::Nil),
            "adya" => Call {
                key: Some(Value::Int(self.clock / 2)),
                ..ask("insert", next)
            },
            "fork" if is_read => {
                let group = 4 * (self.clock / 4 - random.below(3)).max(0);
                let part = |key| Value::List(vec!["r".into(), Value::Int(key), Value::Nil]);
                ask("read", Value::List((group..group + 4).map(part).collect()))
            }
            "fork" => ask("write", Value::List(vec!["w".into(), next, 1.into()])),
            "bank" if is_read => ask("read", Value::Nil),
            "bank" => ask(
                "transfer",
                ints(&[random.below(8), random.below(8), 1 + random.below(5)]),
            ),
            "queue" if is_read => ask("dequeue", Value::Nil),
            "queue" => ask("enqueue", next),
            "lock" if self.holder == Some(client) => ask("release", Value::Nil),
            "lock" => ask("acquire", Value::Nil),
            "watch" if is_read => ask("watch", Value::Nil),
            "watch" => ask("put", (-self.clock).into()),
            "kafka" if is_read => ask("poll", Value::List(vec![Value::List(vec!["poll".into()])])),
            "kafka" => {
                let key = Value::Int(random.below(4));
                ask(
                    "send",
                    Value::List(vec![Value::List(vec!["send".into(), key, next])]),
                )
            }
            other => panic!("{other}"),
        }
    }

    fn act(&mut self, random: &mut Random, client: usize, asked: &Call) -> Value {
        match (asked.f, &asked.input) {
            ("read", _) if self.which == "set" => ints(&self.elements),
            ("add", Value::Int(value)) => {
                self.sum += value;
                if self.which == "set" {
                    self.elements.push(*value);
                }
                Value::Int(*value)
            }
            ("generate", _) => {
                self.sum += 1;
                self.sum.into()
            }
            ("add", _) => {
                self.sum += 1;
                ints(&[self.sum, self.sum])
            }
            ("read", _) if self.which == "monotonic" => ints(&[self.sum, self.sum]),
            ("read", Value::List(parts)) => {
                let parts = parts.iter().map(|part| match part {
                    Value::List(part) => {
                        let Value::Int(key) = part[1] else {
                            panic!("a key")
                        };
                        let value = if self.forks.contains_key(&key) {
                            Value::Int(1)
                        } else {
                            Value::Nil
                        };
                        Value::List(vec!["r".into(), part[1].clone(), value])
                    }
                    _ => panic!("a part"),
                });
                Value::List(parts.collect())
            }
            ("write", Value::List(part)) => {
                if let Value::Int(key) = part[1] {
                    self.forks.insert(key, true);
                }
                asked.input.clone()
            }
            ("transfer", Value::List(parts)) => {
                if let [Value::Int(from), Value::Int(to), Value::Int(amount)] = *parts.as_slice() {
                    self.balances[from as usize] -= amount;
                    self.balances[to as usize] += amount;
                }
                asked.input.clone()
            }
            ("read", _) if self.which == "bank" => {
                let pairs = (0_i64..)
                    .zip(self.balances)
                    .map(|(key, balance)| ints(&[key, balance]));
                Value::List(pairs.collect())
            }
            ("read", _) => self.sum.into(),
            ("enqueue", Value::Int(value)) => {
                self.queue.push_back(*value);
                Value::Int(*value)
            }
            ("dequeue", _) => self.queue.pop_front().map_or(Value::Nil, Value::Int),
            ("acquire", _) => {
                self.sum += 1;
                self.holder = Some(client);
                self.sum.into()
            }
            ("release", _) => {
                self.holder = None;
                Value::Nil
            }
            ("put", Value::Int(value)) => {
                self.logs[0].push(*value);
                Value::Int(self.logs[0].len() as i64)
            }
            ("watch", _) => {
                let position = self.positions.entry((client, 0)).or_default();
                let from = std::mem::replace(position, self.logs[0].len());
                let told = (from..self.logs[0].len())
                    .map(|place| ints(&[place as i64 + 1, self.logs[0][place]]));
                Value::List(told.collect())
            }
            ("send", Value::List(parts)) => self.send(&parts[0]),
            ("poll", _) => self.poll(random, client),
            _ => Value::Nil,
        }
    }

    fn crash(&mut self, client: usize) {
        self.holder = self.holder.filter(|&holder| holder != client);
        for key in 0..4 {
            self.positions.remove(&(client, key));
        }
    }
}

impl System {
    fn send(&mut self, part: &Value) -> Value {
        let Value::List(part) = part else {
            panic!("a part")
        };
        let [_, Value::Int(key), Value::Int(value)] = *part.as_slice() else {
            panic!("a send")
        };
        let log = &mut self.logs[key as usize];
        log.push(value);
        let pair = ints(&[log.len() as i64 - 1, value]);
        Value::List(vec![Value::List(vec!["send".into(), key.into(), pair])])
    }

    fn poll(&mut self, random: &mut Random, client: usize) -> Value {
        let key = random.below(4);
        let log = &self.logs[key as usize];
        let position = self.positions.entry((client, key)).or_default();
        let end = log.len().min(*position + 40);
        let rows = (*position..end).map(|place| ints(&[place as i64, log[place]]));
        let keys = BTreeMap::from([(Value::Int(key), Value::List(rows.collect()))]);
        *position = end;
        Value::List(vec![Value::List(vec!["poll".into(), Value::Map(keys)])])
    }
}

fn operations() -> usize {
    let told = std::env::var("SQUALL_OPERATIONS").ok();
    told.map_or(2000, |count| count.parse().expect("a number of operations"))
}

/// The processor time of this thread so far, in seconds.
fn processor_seconds() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = told.split(' ').next().and_then(|it| it.parse::<f64>().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}

fn judge(
    which: &'static str,
    reads_in: u64,
    check: impl Fn(&History) -> Result<Verdict, DecodeError>,
) {
    let mut system = System {
        which,
        reads_in,
        ..System::default()
    };
    let history = simulate(&mut system, &mut Random(1), CLIENTS, operations());
    let begun = processor_seconds();
    let verdict = told(check(&history));
    let seconds = processor_seconds() - begun;
    println!(
        "{which}: {} operations, {seconds:.3} s",
        history.operations().len()
    );
    assert_eq!(verdict, "valid\n", "{which}");
}

#[test]
fn right_systems_are_valid() {
    let rare = operations() as u64 / 20;
    judge("counter", 2, |history| {
        counter::check(history, &CounterOptions::default())
    });
    judge("counter", 2, |history| {
        let exact = CounterOptions {
            exact: true,
            ..CounterOptions::default()
        };
        counter::check(history, &exact)
    });
    judge("unique-ids", 2, |history| {
        let ordered = UniqueIdsOptions {
            rises_per_process: true,
            rises_in_real_time: true,
        };
        unique_ids::check(history, &ordered)
    });
    judge("set", rare, |history| {
        set::check(history, &SetOptions { linearizable: true })
    });
    judge("set", rare, causal_reverse::check);
    judge("monotonic", 2, |history| {
        let all = monotonic::MonotonicOptions {
            per_process: true,
            real_time: true,
        };
        monotonic::check(history, &all)
    });
    judge("fork", 2, long_fork::check);
    judge("bank", 2, |history| {
        let overdrawn = bank::BankOptions {
            allow_negative: true,
            ..bank::BankOptions::default()
        };
        bank::check(history, &overdrawn)
    });
    judge("queue", 2, |history| {
        let once = queue::QueueOptions {
            delivery: queue::Delivery::AtMostOnce,
            ..queue::QueueOptions::default()
        };
        queue::check(history, &once)
    });
    judge("lock", 2, |history| {
        let leased = lock::LockOptions {
            lease_ns: Some(1),
            ..lock::LockOptions::default()
        };
        lock::check(history, &leased)
    });
    judge("watch", 20, |history| {
        watch::check(history, &watch::WatchOptions::default())
    });
    judge("kafka", 2, |history| {
        let lagging = kafka::KafkaOptions {
            allow: ["lost-write".to_owned()].into(),
            ..kafka::KafkaOptions::default()
        };
        kafka::check(history, &lagging)
    });
    judge("unique-ids", 2, |history| {
        Ok(stats::check(history, &stats::StatsOptions::default()))
    });
}

#[test]
fn one_of_two_inserts_is_told() {
    let mut system = System {
        which: "adya",
        reads_in: 2,
        ..System::default()
    };
    let history = simulate(&mut system, &mut Random(1), CLIENTS, operations());
    let begun = processor_seconds();
    let verdict = told(adya_g2::check(&history));
    println!("adya-g2: {:.3} s", processor_seconds() - begun);
    assert!(verdict.starts_with("G2"), "{verdict}");
}
