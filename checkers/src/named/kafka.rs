//! Logs of messages at offsets, as Kafka and its like keep them.
//!
//! Jepsen's `kafka`. Each key is a log: what is sent to it is stored at a greater offset than all before,
//! and what is polled comes in the order of offsets. Offsets may have gaps, since transactions leave
//! records that nobody is shown. A message is known by its key and value, which is sent once.
//!
//! - `send`, `poll` and `txn` are invoked with a list of `["send" key value]` and `["poll"]`, and return
//!   the same with `["send" key [offset value]]` (or as it was, where the offset is not known) and
//!   `["poll" {key [[offset value] …], …}]`.
//! - `assign` and `subscribe` of a list of keys: from then on the process polls these. It goes on where
//!   it was in those that it had already; `seek` forgets where it was.
//! - `crash` and `debug-topic-partitions` say nothing.
//!
//! The laws, with the classes' names from Jepsen:
//! - An offset holds one message (`inconsistent-offsets`), and a message does not lie at more offsets
//!   than it was sent times (`duplicate`).
//! - What is polled was sent before (`unexpected-message`), not by what failed (`G1a`), and not by the
//!   very transaction that polls it: it is not committed yet (`precommitted-read`).
//! - Somebody polls every message below the greatest offset that was polled: each key is polled from its
//!   beginning by somebody (`lost-write`). That is not so where all subscribe and a poll crashed, which may
//!   have taken messages for its group. What is above may come later; with [`KafkaOptions::drained`] it
//!   must have (`unseen`). A transaction that crashed was committed if any of
//!   its messages was polled, and then all of them count.
//! - A process polls each key without going back (`nonmonotonic-poll`) and without leaving out what is
//!   known to lie between (`poll-skip`); so does each transaction (`int-nonmonotonic-poll`,
//!   `int-poll-skip`), or each of its polls where keys may be taken away in between.
//! - What a process sends one after another lies so (`nonmonotonic-send`), and within one transaction
//!   (`int-nonmonotonic-send`) with nothing else between (`int-send-skip`).
//! - Who polled a message came after who sent it, which goes in no circle (`G1c`, or with the order
//!   of a process or of real time `G1c-process`, `G1c-realtime`).
//!
//! Some of these happen by design, depending on how messages are consumed: see [`ALLOWANCES`]. Only what
//! `ok` operations polled is believed, and what failed took nothing. O(n log n).

mod cycles;
mod lag;
mod logs;
mod order;
mod recorded;

use super::findings::{Findings, Told};
use super::latencies::Latencies;
use crate::history::History;
use crate::spec::DecodeError;
use crate::verdict::Verdict;
use logs::Logs;
use order::Orders;
use recorded::Recorded;
use std::collections::{BTreeMap, BTreeSet};

/// How processes come to the keys that they poll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consume {
    /// By `assign`: a key is theirs until they are assigned others.
    #[default]
    Assign,
    /// By `subscribe`: keys are taken from one and given to another at any time, and whoever is given
    /// one goes on where its group was, which a poll that crashed may have moved.
    Subscribe,
}

/// What is known of a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaOptions {
    pub consume: Consume,
    /// Whether the history goes on until all has been polled.
    pub drained: bool,
    /// Classes that are counted but not held against the system, beside those of [`ALLOWANCES`].
    pub allow: BTreeSet<String>,
}

/// A class that is no fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub class: &'static str,
    /// With which way of consuming; with any if `None`.
    pub consume: Option<Consume>,
    pub why: &'static str,
}

const WRITES_MIX: &str = "writes of transactions interleave";

/// What happens by design: Jepsen's `allowed-error-types`. It allows every G1c where offsets order
/// transactions; here only a G1c that needs that order, `G1c-ww`, is.
pub const ALLOWANCES: [Allowance; 7] = [
    Allowance {
        class: "int-send-skip",
        consume: None,
        why: WRITES_MIX,
    },
    Allowance {
        class: "G0",
        consume: None,
        why: WRITES_MIX,
    },
    Allowance {
        class: "G0-process",
        consume: None,
        why: WRITES_MIX,
    },
    Allowance {
        class: "G0-realtime",
        consume: None,
        why: WRITES_MIX,
    },
    Allowance {
        class: "G1c-ww",
        consume: None,
        why: WRITES_MIX,
    },
    Allowance {
        class: "poll-skip",
        consume: Some(Consume::Subscribe),
        why: "a key may have been another's in between",
    },
    Allowance {
        class: "nonmonotonic-poll",
        consume: Some(Consume::Subscribe),
        why: "a key may have been another's in between, who did not commit how far it was",
    },
];

/// Judges the logs. `Vacuous` if nothing was polled.
///
/// # Errors
/// If an operation is none of those above.
pub fn check(history: &History, options: &KafkaOptions) -> Result<Verdict, DecodeError> {
    let recorded = Recorded::decode(history)?;
    let logs = Logs::of(&recorded);
    let mut report = Report::new(options);
    logs.judge(options, &mut report);
    Orders::judge(&recorded, &logs, &mut report);
    cycles::judge(&recorded, &logs, &mut report);
    let statistics = statistics_of(&recorded, &logs);
    let Report {
        findings, allowed, ..
    } = report;
    let more = || {
        let mut lines = vec![statistics.sentence()];
        if !allowed.is_empty() {
            lines.push(allowed_sentence(&allowed));
        }
        lines
    };
    Ok(findings.verdict(more, || match statistics.polled {
        0 => Verdict::Vacuous("no message was polled".to_owned()),
        _ => Verdict::Valid { witness: None },
    }))
}

/// What became of the messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaStatistics {
    pub keys: usize,
    /// Messages whose sending returned.
    pub acknowledged: usize,
    /// Messages that somebody polled.
    pub polled: usize,
    /// Acknowledged messages that nobody polled, lost ones included.
    pub unseen: usize,
    /// For each poll and key of its process: for how long, when it began, there had been messages beyond
    /// what the process had seen once it returned, at least.
    pub lag: Latencies,
}

/// What became of the messages.
///
/// # Errors
/// As [`check`].
pub fn statistics(history: &History) -> Result<KafkaStatistics, DecodeError> {
    let recorded = Recorded::decode(history)?;
    Ok(statistics_of(&recorded, &Logs::of(&recorded)))
}

fn statistics_of(recorded: &Recorded<'_>, logs: &Logs<'_, '_>) -> KafkaStatistics {
    let mut statistics = KafkaStatistics {
        lag: lag::lags(recorded),
        ..KafkaStatistics::default()
    };
    logs.count(&mut statistics);
    statistics
}

impl KafkaStatistics {
    fn sentence(&self) -> String {
        let Self {
            keys,
            acknowledged,
            polled,
            unseen,
            lag,
        } = self;
        format!(
            "Of {acknowledged} messages that were acknowledged to {keys} keys {unseen} were polled by nobody; {polled} were polled. Lag: {}.",
            lag.sentence()
        )
    }
}

fn allowed_sentence(allowed: &BTreeMap<&'static str, usize>) -> String {
    let counts = allowed
        .iter()
        .map(|(class, count)| format!("{class} {count}"));
    let counts: Vec<String> = counts.collect();
    format!("Also found, but allowed: {}.", counts.join(", "))
}

/// Findings, less what is allowed.
struct Report<'o> {
    options: &'o KafkaOptions,
    findings: Findings,
    allowed: BTreeMap<&'static str, usize>,
}

impl<'o> Report<'o> {
    fn new(options: &'o KafkaOptions) -> Self {
        Self {
            options,
            findings: Findings::new("kafka"),
            allowed: BTreeMap::new(),
        }
    }

    fn count_allowed(&mut self, class: &'static str) {
        *self.allowed.entry(class).or_default() += 1;
    }

    fn note(&mut self, event: usize, class: &'static str, tell: impl FnOnce() -> Told) {
        if self.is_allowed(class) {
            self.count_allowed(class);
        } else {
            self.findings.note(event, class, tell);
        }
    }

    fn is_allowed(&self, class: &str) -> bool {
        let consume = self.options.consume;
        let by_design = ALLOWANCES.iter().any(|allowance| {
            allowance.class == class && allowance.consume.is_none_or(|only| only == consume)
        });
        by_design || self.options.allow.contains(class)
    }
}
