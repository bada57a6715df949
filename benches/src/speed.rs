//! What the table of speed in `checkers/README.md` tells: the works, and what each is to take.

use std::fmt;
use std::time::Duration;

use squall_bench_work::histories::Object::{
    CasRegister, ElementSet, PriorityQueue, Queue, Register, Registers, Stack,
};
use squall_bench_work::histories::{self, Object, Recipe};
use squall_checkers::history::{Event, Format, Value};
use squall_checkers::isolation::list_append::{ListAppendOptions, Names, report_transactions};
use squall_checkers::linearizability::{Limits, Online, check, verify_order};
use squall_checkers::specs::{self, FailedCas, FifoQueue, KvMap};
use squall_checkers::{Anomaly, History, Verdict};

use self::Work::{Explain, Judge, ListAppend, SmallLogs, VerifyOrder};
use crate::{history, jepsen_log, lists, recorded};

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// In kebab case.
    pub id: &'static str,
    /// What is done, for a reader.
    pub about: &'static str,
    /// How long it is to take at most, in milliseconds of the processor's time; as long as it likes if
    /// zero.
    pub goal_ms: u64,
    /// How much memory the process is to hold at most, the history counted; any if zero.
    pub goal_mib: u64,
    pub work: Work,
}

/// What is done with a history.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// It is judged, and is possible.
    Judge(Recipe),
    /// Reads in it are stale, or else one is: the few operations are found that together are
    /// impossible. Of a recipe with stale reads the first seed is taken whose history is impossible.
    Explain(Recipe),
    /// Ten such histories, of as many seeds, are read from what Jepsen logs of them, judged, and explained
    /// where they are impossible.
    SmallLogs(Recipe),
    /// An order that is said to explain it is verified.
    VerifyOrder(Recipe),
    /// It is judged event by event.
    Online(Recipe),
    /// So many transactions on lists are judged.
    ListAppend(usize),
}

impl Row {
    pub const ALL: [Self; 22] = [
        row(
            "register-5",
            "register, 1,000,000 operations by 5 clients, 5 % crash",
            200,
            130,
            Judge(recipe(Register, 1_000_000, 5, 50)),
        ),
        row(
            "register-20",
            "register, 1,000,000 operations by 20 clients, 5 % crash",
            200,
            130,
            Judge(recipe(Register, 1_000_000, 20, 50)),
        ),
        row(
            "register-50",
            "register, 1,000,000 operations by 50 clients, 5 % crash",
            200,
            130,
            Judge(recipe(Register, 1_000_000, 50, 50)),
        ),
        row(
            "kv",
            "map of 100 keys, 1,000,000 operations by 20 clients",
            200,
            0,
            Judge(recipe(Registers(100), 1_000_000, 20, 0)),
        ),
        row(
            "cas-crashing",
            "cas register of 5 values, 10,000 operations by 20 clients, 5 % crash",
            20,
            0,
            Judge(recipe(CasRegister, 10_000, 20, 50)),
        ),
        row(
            "cas-20",
            "cas register of 5 values, 100,000 operations by 20 clients",
            200,
            60,
            Judge(recipe(CasRegister, 100_000, 20, 0)),
        ),
        row(
            "cas-50",
            "cas register of 5 values, 100,000 operations by 50 clients",
            1000,
            0,
            Judge(recipe(CasRegister, 100_000, 50, 0)),
        ),
        row(
            "cas-million",
            "cas register of 5 values, 1,000,000 operations by 20 clients",
            2000,
            0,
            Judge(recipe(CasRegister, 1_000_000, 20, 0)),
        ),
        row(
            "cas-million-crashing",
            "cas register of 5 values, 1,000,000 operations by 20 clients, 1 % crash",
            10_000,
            0,
            Judge(recipe(CasRegister, 1_000_000, 20, 10)),
        ),
        row(
            "queue",
            "FIFO queue, 1,000,000 operations by 20 clients",
            400,
            0,
            Judge(recipe(Queue, 1_000_000, 20, 0)),
        ),
        row(
            "queue-crashing",
            "FIFO queue, 1,000,000 operations by 20 clients, 5 % crash",
            400,
            0,
            Judge(recipe(Queue, 1_000_000, 20, 50)),
        ),
        row(
            "stack",
            "stack, 1,000,000 operations by 20 clients",
            0,
            0,
            Judge(recipe(Stack, 1_000_000, 20, 0)),
        ),
        row(
            "stack-crashing",
            "stack, 1,000,000 operations by 20 clients, 5 % crash",
            0,
            0,
            Judge(recipe(Stack, 1_000_000, 20, 50)),
        ),
        row(
            "priority-queue",
            "priority queue, 1,000,000 operations by 20 clients",
            0,
            0,
            Judge(recipe(PriorityQueue, 1_000_000, 20, 0)),
        ),
        row(
            "priority-queue-crashing",
            "priority queue, 1,000,000 operations by 20 clients, 5 % crash",
            0,
            0,
            Judge(recipe(PriorityQueue, 1_000_000, 20, 50)),
        ),
        row(
            "element-set",
            "set of 500,000 elements, 1,000,000 operations by 20 clients, 5 % crash",
            0,
            0,
            Judge(recipe(ElementSet, 1_000_000, 20, 50)),
        ),
        row(
            "bad-register",
            "one stale read among 10,000 operations on a register by 20 clients, explained",
            2000,
            0,
            Explain(recipe(Register, 10_000, 20, 0)),
        ),
        row(
            "bad-cas",
            "stale reads among 10,000 operations on a cas register by 5 clients, explained",
            2000,
            0,
            Explain(stale(recipe(CasRegister, 10_000, 5, 0))),
        ),
        row(
            "small-logs",
            "ten Jepsen logs of 85 operations on a cas register by 5 clients, with crashes and stale reads, read and judged",
            1,
            0,
            SmallLogs(Recipe {
                stale_per_mille: 80,
                ..recipe(CasRegister, 85, 5, 50)
            }),
        ),
        row(
            "verify-order",
            "an order of 1,000,000 operations on a register, verified",
            0,
            0,
            VerifyOrder(recipe(Register, 1_000_000, 20, 50)),
        ),
        row(
            "online",
            "register, 100,000 operations by 20 clients, judged event by event",
            0,
            0,
            Work::Online(recipe(Register, 100_000, 20, 0)),
        ),
        row(
            "list-append",
            "list-append, 1,000,000 transactions by 20 clients, strict serializability",
            2000,
            1500,
            ListAppend(1_000_000),
        ),
    ];

    /// Gets everything ready; what is returned does the work once.
    ///
    /// # Panics
    /// The work panics if the verdict is not what it must be.
    pub fn prepare(&self) -> Box<dyn Fn()> {
        match self.work {
            Judge(recipe) => {
                let history = history(&recipe);
                Box::new(move || require_valid(judge(recipe.object, &history)).truncate(0))
            }
            Explain(recipe) => {
                let history = impossible(&recipe);
                Box::new(move || drop(require_invalid(judge(recipe.object, &history))))
            }
            SmallLogs(recipe) => {
                let seeds = 1..=10;
                let histories = seeds.map(|seed| history(&Recipe { seed, ..recipe }));
                let logs: Vec<String> = histories.map(|history| jepsen_log(&history)).collect();
                let judge_all = move || {
                    let verdicts = logs.iter().map(|log| judge_log(recipe.object, log).word());
                    verdicts.collect::<Vec<_>>()
                };
                let expected = judge_all();
                for word in ["valid", "invalid"] {
                    assert!(expected.contains(&word), "some are {word}: {expected:?}");
                }
                Box::new(move || assert_eq!(judge_all(), expected))
            }
            VerifyOrder(recipe) => {
                let history = history(&recipe);
                let order = require_valid(judge(recipe.object, &history));
                Box::new(move || {
                    let verified = verify_order(&REGISTER, &history, &order);
                    verified.expect("a witness is an order");
                })
            }
            Work::Online(recipe) => {
                let events = history(&recipe).events().to_vec();
                Box::new(move || judge_online(&events))
            }
            ListAppend(count) => {
                let transactions = lists::transactions(&lists::Recipe::of(count));
                Box::new(move || {
                    let options = ListAppendOptions::default();
                    let names = Names::default();
                    let verdict = report_transactions(&transactions, &names, &options).verdict;
                    assert_eq!(verdict.word(), "valid");
                })
            }
        }
    }
}

const fn recipe(
    object: Object,
    operations: usize,
    clients: usize,
    crashes_per_mille: u64,
) -> Recipe {
    Recipe {
        object,
        operations,
        clients,
        crashes_per_mille,
        stale_per_mille: 0,
        seed: 1,
    }
}

/// One read of five hundred sees the value of 20 updates ago.
const fn stale(recipe: Recipe) -> Recipe {
    Recipe {
        stale_per_mille: 2,
        ..recipe
    }
}

const fn row(
    id: &'static str,
    about: &'static str,
    goal_ms: u64,
    goal_mib: u64,
    work: Work,
) -> Row {
    Row {
        id,
        about,
        goal_ms,
        goal_mib,
        work,
    }
}

const REGISTER: specs::Register = specs::Register {
    initial: Value::Int(0),
};

fn judge(object: Object, history: &History) -> Verdict {
    let initial = Value::Int(0);
    let failed_cas = FailedCas::Observed;
    let limits = Limits::default();
    let verdict = match object {
        Register => check(&REGISTER, history, &limits),
        Registers(_) => {
            let map = KvMap {
                initial,
                failed_cas,
            };
            check(&map, history, &limits)
        }
        CasRegister => {
            let register = specs::CasRegister {
                initial,
                failed_cas,
            };
            check(&register, history, &limits)
        }
        Queue => check(&FifoQueue, history, &limits),
        Stack => check(&specs::Stack, history, &limits),
        PriorityQueue => check(&specs::PriorityQueue::default(), history, &limits),
        ElementSet => check(&specs::ElementSet, history, &limits),
    };
    verdict.expect("the history is of the specification's operations")
}

fn judge_log(object: Object, log: &str) -> Verdict {
    let history = History::read(log.as_bytes(), Some(Format::JepsenLog));
    judge(object, &history.expect("a log is a history"))
}

fn impossible(recipe: &Recipe) -> History {
    if recipe.stale_per_mille == 0 {
        let mut lines = histories::history(recipe);
        histories::spoil_a_read(recipe, &mut lines);
        return recorded(recipe, &lines);
    }
    let seeded = (recipe.seed..).map(|seed| history(&Recipe { seed, ..*recipe }));
    let mut impossible = seeded.filter(|history| judge(recipe.object, history).word() == "invalid");
    impossible.next().expect("seeds do not end")
}

fn require_valid(verdict: Verdict) -> Vec<usize> {
    match verdict {
        Verdict::Valid { witness } => witness.unwrap_or_default(),
        other => panic!("expected valid, but found {other:?}"),
    }
}

fn require_invalid(verdict: Verdict) -> Anomaly {
    match verdict {
        Verdict::Invalid(anomaly) => anomaly,
        other => panic!("expected invalid, but found {}", other.word()),
    }
}

fn judge_online(events: &[Event]) {
    let mut online = Online::new(&REGISTER, Limits::default());
    for event in events {
        let judged = online.push(event).expect("the limits are wide");
        assert_eq!(judged, None);
    }
}

/// What a work took.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// The processor's time.
    pub time: Duration,
    /// The most that the process ever held, the history and its making counted.
    pub memory_bytes: u64,
}

impl Measured {
    /// What its [`Display`](fmt::Display) form says.
    pub fn read(told: &str) -> Option<Self> {
        let (nanoseconds, memory_bytes) = told.trim().split_once(' ')?;
        Some(Self {
            time: Duration::from_nanos(nanoseconds.parse().ok()?),
            memory_bytes: memory_bytes.parse().ok()?,
        })
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.time.as_nanos(), self.memory_bytes)
    }
}

/// Where the table stands in `checkers/README.md`.
pub const MARKS: [&str; 2] = ["<!-- the table of speed -->\n", "<!-- its end -->"];

/// The table in Markdown.
pub fn table(measured: &[(Row, Measured)]) -> String {
    let mut table = "| work | time | goal | memory | goal |\n|---|---|---|---|---|\n".to_owned();
    for (row, measured) in measured {
        let (goal_time, goal_memory) = (row.goal_ms, row.goal_mib);
        let cells = [
            row.about.to_owned(),
            told(measured.time),
            goal(goal_time, || told(Duration::from_millis(goal_time))),
            format!("{} MiB", measured.memory_bytes >> 20),
            goal(goal_memory, || format!("{goal_memory} MiB")),
        ];
        table += &format!("| {} |\n", cells.join(" | "));
    }
    table
}

fn goal(goal: u64, told: impl Fn() -> String) -> String {
    match goal {
        0 => "–".to_owned(),
        _ => told(),
    }
}

/// In seconds or milliseconds, to two digits or three.
fn told(time: Duration) -> String {
    match time.as_millis() {
        0..10 => format!("{:.1} ms", time.as_secs_f64() * 1000.0),
        millis @ 10..1000 => format!("{millis} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_table_has_every_row_and_no_other() {
        let readme = include_str!("../../checkers/README.md");
        let (_, section) = readme.split_once(MARKS[0]).expect("the table begins");
        let (table, _) = section.split_once(MARKS[1]).expect("the table ends");
        let published = table
            .lines()
            .skip(2)
            .filter_map(|line| line.split(" | ").next());
        let published: Vec<&str> = published
            .map(|first| first.trim_start_matches("| "))
            .collect();
        assert_eq!(published, Row::ALL.map(|row| row.about));
    }

    #[test]
    fn what_one_process_prints_another_reads() {
        let measured = Measured {
            time: Duration::from_micros(1500),
            memory_bytes: 5 << 20,
        };
        let read = Measured::read(&format!("{measured}\n")).expect("it is well-formed");
        let row = Row::ALL[0];
        let expected = format!("| {} | 1.5 ms | 200 ms | 5 MiB | 130 MiB |", row.about);
        assert_eq!(table(&[(row, read)]).lines().last(), Some(&expected[..]));
    }
}
