//! A made-up failure of any size, the same every time: for the demo and for the tests of the pages.

use serde_json::json;
use squall_checkers::{
    history::{Event, EventKind, Value},
    verdict::{Anomaly, Verdict},
};
use squall_reports::{CampaignPage, FailureRow, FaultCount, ScenarioRow};
use squall_workloads::{
    plan::{
        ClientPlan, DiskPlan, Episode, NetworkPlan, PLAN_SCHEMA, Phases, Plan, PlannedOperation,
        Seed, Start, Targets,
    },
    record::{CAPSULE_SCHEMA, Capsule, FaultRecord, LogLine, NodeReport, Record},
};

const MS: u64 = 1_000_000;

/// A failure with all that a page shows.
pub(crate) struct Failure {
    pub(crate) capsule: Capsule,
    pub(crate) record: Record,
    pub(crate) verdict: Verdict,
}

/// A failure of a register with `operations` operations in all; the last of the witness reads what
/// was overwritten.
pub(crate) fn failure(operations: usize, clients: usize, witness_writes: usize) -> Failure {
    let mut draws = Draws(0x5eed);
    let drafts = drafts(operations, clients, witness_writes, &mut draws);
    let end_ns = drafts.iter().map(|draft| draft.end_ns).max().unwrap_or(0) + 400 * MS;
    let (history, witness, first_bad_event) = history(&drafts, clients);
    let verdict = Verdict::Invalid(anomaly(&history, witness, first_bad_event));
    let plan = plan(&drafts, clients, end_ns);
    let record = Record {
        history,
        faults: fault_records(&plan, end_ns),
        reports: reports(end_ns),
        nodes: vec!["n0".to_owned(), "n1".to_owned(), "n2".to_owned()],
        violations: vec![two_leaders()],
        counters: [("packets".to_owned(), 48_211), ("fsyncs".to_owned(), 1920)].into(),
        log: log(end_ns),
        virtual_ns: end_ns,
        digest: "9f2c41d07be3a815".to_owned(),
    };
    let capsule = Capsule {
        schema: CAPSULE_SCHEMA,
        squall: "0.1.0".to_owned(),
        signature: "consensus/register: linearizable: stale-read".to_owned(),
        verdict: verdict.clone(),
        digest: record.digest.clone(),
        plan,
    };
    Failure {
        capsule,
        record,
        verdict,
    }
}

/// Numbers without end from a linear congruential generator (Knuth's MMIX).
struct Draws(u64);

impl Draws {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

struct Draft {
    client: usize,
    f: &'static str,
    key: &'static str,
    input: Value,
    output: Value,
    outcome: EventKind,
    start_ns: u64,
    end_ns: u64,
    witness: bool,
}

fn drafts(
    operations: usize,
    clients: usize,
    witness_writes: usize,
    draws: &mut Draws,
) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut free_ns: Vec<u64> = (0..clients as u64)
        .map(|client| 300 * MS + client * 3 * MS)
        .collect();
    let stale_from = operations * 2 / 3;
    let mut written = 0;
    while drafts.len() < operations {
        let left = (drafts.len() + witness_writes + 1).checked_sub(stale_from);
        if left == Some(0) {
            push_witness(&mut drafts, &mut free_ns, witness_writes);
            continue;
        }
        let client = (0..clients)
            .min_by_key(|&client| free_ns[client])
            .expect("there are clients");
        let start_ns = free_ns[client] + (2 + draws.below(20)) * MS;
        let took_ns = (1 + draws.below(14)) * MS + draws.below(MS);
        let key = ["x", "y", "z"][draws.below(3) as usize];
        let outcome = match draws.below(100) {
            0..4 => EventKind::Info,
            4..10 => EventKind::Fail,
            _ => EventKind::Ok,
        };
        let end_ns = start_ns
            + if outcome == EventKind::Info {
                60 * MS
            } else {
                took_ns
            };
        free_ns[client] = end_ns;
        let is_write = draws.below(2) == 0;
        written += i64::from(is_write);
        let value = Value::Int(written);
        drafts.push(Draft {
            client,
            f: if is_write { "write" } else { "read" },
            key,
            input: if is_write { value.clone() } else { Value::Nil },
            output: if outcome == EventKind::Ok {
                value
            } else {
                Value::Nil
            },
            outcome,
            start_ns,
            end_ns,
            witness: false,
        });
    }
    drafts.truncate(operations);
    drafts
}

/// Writes one after the other, and a read of the one before the last.
fn push_witness(drafts: &mut Vec<Draft>, free_ns: &mut [u64], writes: usize) {
    let mut now_ns = free_ns.iter().copied().max().expect("there are clients") + 5 * MS;
    for index in 0..=writes {
        let client = index % free_ns.len();
        let is_read = index == writes;
        let value = Value::Int(1000 + index as i64 - if is_read { 2 } else { 0 });
        let end_ns = now_ns + if is_read { 6 * MS } else { 9 * MS };
        drafts.push(Draft {
            client,
            f: if is_read { "read" } else { "write" },
            key: "x",
            input: if is_read { Value::Nil } else { value.clone() },
            output: value,
            outcome: EventKind::Ok,
            start_ns: now_ns,
            end_ns,
            witness: true,
        });
        free_ns[client] = end_ns;
        // The last two writes and the read come one after the other; earlier writes overlap.
        now_ns += if index + 2 >= writes { 14 * MS } else { 7 * MS };
    }
}

/// The history, the witness, and the index of the read's return.
fn history(drafts: &[Draft], clients: usize) -> (Vec<Event>, Vec<usize>, usize) {
    let mut times: Vec<(u64, usize, bool)> = Vec::new();
    for (index, draft) in drafts.iter().enumerate() {
        times.push((draft.start_ns, index, false));
        times.push((draft.end_ns, index, true));
    }
    // At one instant an operation returns before its client's next one begins.
    times.sort_by_key(|&(time_ns, index, ends)| (time_ns, !ends, index));
    let mut process: Vec<u64> = (0..clients as u64).collect();
    let mut history = Vec::new();
    let mut witness = Vec::new();
    let mut first_bad_event = 0;
    let mut id = 0;
    for (time_ns, index, ends) in times {
        let draft = &drafts[index];
        if draft.witness && !ends {
            witness.push(id);
        }
        if draft.witness && ends {
            first_bad_event = history.len();
        }
        id += usize::from(!ends);
        history.push(Event {
            process: process[draft.client],
            kind: if ends {
                draft.outcome
            } else {
                EventKind::Invoke
            },
            f: draft.f.to_owned(),
            key: Some(Value::Text(draft.key.to_owned())),
            value: if ends {
                draft.output.clone()
            } else {
                draft.input.clone()
            },
            time_ns,
            error: match draft.outcome {
                EventKind::Info if ends => Some("timed out after 60 ms".to_owned()),
                EventKind::Fail if ends => Some("not the leader".to_owned()),
                _ => None,
            },
        });
        if ends && draft.outcome == EventKind::Info {
            process[draft.client] += clients as u64;
        }
    }
    (history, witness, first_bad_event)
}

fn anomaly(history: &[Event], witness: Vec<usize>, first_bad_event: usize) -> Anomaly {
    let [.., write, overwrite, read] = witness[..] else {
        panic!("the witness has two writes and a read");
    };
    let time_ns = history[first_bad_event].time_ns;
    Anomaly {
        checker: "linearizable".to_owned(),
        class: "stale-read".to_owned(),
        sentence: format!(
            "#{read} read x = {} at {:.6} s, although #{overwrite} had overwritten it before #{read} began.",
            match &history[first_bad_event].value {
                Value::Int(value) => *value,
                _ => 0,
            },
            time_ns as f64 / 1e9
        ),
        explanation: vec![
            format!("#{write} returned before #{overwrite} was invoked, so it comes first in every order."),
            format!("#{overwrite} returned before #{read} was invoked, so #{read} must see it or something newer."),
            format!("No other operation of key x writes the value that #{read} returned."),
            "Every order of the 41 operations of key x up to this event was tried: none explains it.".to_owned(),
        ],
        witness,
        first_bad_event: Some(first_bad_event),
        ..Anomaly::default()
    }
}

fn two_leaders() -> Anomaly {
    Anomaly {
        checker: "election-safety".to_owned(),
        class: "two-leaders-in-one-term".to_owned(),
        sentence: "n0 and n2 both led term 2.".to_owned(),
        explanation: vec!["n0 led term 2 from 0.210 s; n2 won term 2 with the vote of n1, which had already voted for n0 and forgot it when its power went.".to_owned()],
        ..Anomaly::default()
    }
}

fn plan(drafts: &[Draft], clients: usize, end_ns: u64) -> Plan {
    let operations_of = |client| {
        let own = drafts.iter().filter(|draft| draft.client == client);
        own.map(|draft| PlannedOperation {
            wait_ns: 5 * MS,
            f: draft.f.to_owned(),
            key: Some(Value::Text(draft.key.to_owned())),
            value: draft.input.clone(),
        })
        .collect()
    };
    Plan {
        schema: PLAN_SCHEMA,
        scenario: "consensus/register".to_owned(),
        seed: Seed(0x00c0_ffee_1234_5678),
        mutant: Some("raft.vote-not-durable".to_owned()),
        nodes: 3,
        schedule: Default::default(),
        network: NetworkPlan {
            latency_ns_min: MS,
            latency_ns_max: 4 * MS,
        },
        disk: DiskPlan {
            profile: Default::default(),
            sync_ns_min: 200_000,
            sync_ns_max: 2_000_000,
        },
        knobs: std::collections::BTreeMap::new(),
        phases: Phases {
            warm_up_end_ns: 300 * MS,
            storm_end_ns: end_ns * 3 / 4,
            settle_end_ns: end_ns * 7 / 8,
            end_ns,
        },
        clients: (0..clients)
            .map(|client| ClientPlan {
                operations: operations_of(client),
            })
            .collect(),
        faults: episodes(end_ns),
    }
}

fn episodes(end_ns: u64) -> Vec<Episode> {
    let fault = |value| serde_json::from_value(value).expect("this is how faults are written");
    let at = |share: u64| Start::At {
        ns: end_ns * share / 100,
    };
    let episode = |fault, start, length_share, targets| Episode {
        fault,
        start,
        duration_ns: end_ns * length_share / 100,
        targets,
    };
    vec![
        episode(
            fault(json!({"kind": "partition", "direction": "both"})),
            at(30),
            15,
            Targets::Nodes(vec![0]),
        ),
        episode(
            fault(json!({"kind": "power-loss"})),
            at(52),
            6,
            Targets::Nodes(vec![1]),
        ),
        episode(
            fault(json!({"kind": "partition", "direction": "outgoing"})),
            Start::Leader {
                nth: 2,
                delay_ns: 40 * MS,
            },
            12,
            Targets::Leader,
        ),
        episode(
            fault(json!({"kind": "slow-links", "extra_ns_max": 30 * MS})),
            at(58),
            20,
            Targets::LeaderAnd(1),
        ),
        episode(
            fault(json!({"kind": "pause"})),
            at(82),
            4,
            Targets::Nodes(vec![2]),
        ),
        episode(
            fault(json!({"kind": "lossy-links", "per_mille": 200})),
            Start::Leader {
                nth: 9,
                delay_ns: 0,
            },
            5,
            Targets::Leader,
        ),
    ]
}

fn fault_records(plan: &Plan, end_ns: u64) -> Vec<FaultRecord> {
    let applied: [(&[u32], u64, u64, u64); 6] = [
        (&[0], 30, 45, 312),
        (&[1], 52, 58, 1),
        (&[0], 61, 73, 57),
        (&[0, 1], 58, 78, 940),
        (&[2], 82, 86, 0),
        (&[], 0, 0, 0),
    ];
    let records = plan.faults.iter().zip(applied);
    records
        .map(|(episode, (targets, start, end, observed))| FaultRecord {
            fault: episode.fault.clone(),
            targets: targets.to_vec(),
            start_ns: (!targets.is_empty()).then_some(end_ns * start / 100),
            end_ns: (!targets.is_empty()).then_some(end_ns * end / 100),
            observed,
        })
        .collect()
}

fn reports(end_ns: u64) -> Vec<NodeReport> {
    let rows: [(u64, u32, &str, &str); 17] = [
        (0, 0, "start", "started"),
        (0, 1, "start", "started"),
        (0, 2, "start", "started"),
        (2, 0, "follower", "follower in term 1"),
        (2, 1, "follower", "follower in term 1"),
        (2, 2, "follower", "follower in term 1"),
        (4, 0, "candidate", "candidate in term 2"),
        (5, 0, "leader", "leader in term 2"),
        (5, 1, "follower", "follower in term 2"),
        (52, 1, "power-loss", "power lost"),
        (58, 1, "start", "started"),
        (60, 1, "follower", "follower in term 1"),
        (62, 2, "candidate", "candidate in term 2"),
        (63, 2, "leader", "leader in term 2"),
        (63, 1, "snapshot", "installed a snapshot up to 118"),
        (74, 0, "follower", "follower in term 3"),
        (74, 2, "leader", "leader in term 3"),
    ];
    let report = |(share, node, kind, what): (u64, u32, &str, &str)| NodeReport {
        time_ns: end_ns * share / 100,
        node,
        what: what.to_owned(),
        kind: kind.to_owned(),
    };
    rows.into_iter().map(report).collect()
}

fn log(end_ns: u64) -> Vec<LogLine> {
    (0..200)
        .map(|line| LogLine {
            time_ns: end_ns * line / 200,
            node: (line % 3) as u32,
            text: format!(
                "append entries: previous index {line}, term {}",
                2 + line / 150
            ),
        })
        .collect()
}

/// A campaign with two failures, a fault kind that never bit, and a shard missing.
pub(crate) fn campaign() -> CampaignPage {
    let count = |planned, applied, observed| FaultCount {
        planned,
        applied,
        observed,
    };
    CampaignPage {
        title: "nightly".to_owned(),
        base_seed: Seed(0x2026_1121),
        started: Some("2026-11-21 02:00 UTC".to_owned()),
        scenarios: vec![
            ScenarioRow {
                scenario: "consensus/register".to_owned(),
                seeds: 8000,
                operations: 1_920_000,
                ok: 1_800_000,
                fail: 80_000,
                info: 40_000,
                faults: [
                    ("partition".to_owned(), count(16_000, 15_990, 15_400)),
                    ("power-loss".to_owned(), count(8000, 8000, 8000)),
                    ("pause".to_owned(), count(4000, 4000, 0)),
                ]
                .into(),
                virtual_ns: 480_000_000_000_000,
                wall_ns: 1_600_000_000_000,
                valid: 7970,
                invalid: 25,
                unknown: 3,
                vacuous: 0,
                crashed: 2,
            },
            ScenarioRow {
                scenario: "broker/queue".to_owned(),
                seeds: 4000,
                operations: 400_000,
                ok: 390_000,
                fail: 4000,
                info: 6000,
                faults: [
                    ("kill".to_owned(), count(4000, 3900, 3900)),
                    ("partition".to_owned(), count(500, 0, 0)),
                ]
                .into(),
                virtual_ns: 120_000_000_000_000,
                wall_ns: 300_000_000_000,
                valid: 3990,
                invalid: 0,
                unknown: 0,
                vacuous: 10,
                crashed: 0,
            },
        ],
        failures: vec![
            FailureRow {
                signature: "consensus/register: linearizable: stale-read".to_owned(),
                sentence:
                    "#31 read x = 1 at 12.482 s, although #30 had overwritten it before #31 began."
                        .to_owned(),
                count: 22,
                first_seed: Seed(0x00c0_ffee_1234_5678),
                report_file: "small.html".to_owned(),
                reproduce: "squall replay failures/stale-read.json".to_owned(),
            },
            FailureRow {
                signature: "consensus/register: election-safety: two-leaders-in-one-term"
                    .to_owned(),
                sentence: "n0 and n2 both led term 2.".to_owned(),
                count: 3,
                first_seed: Seed(0xdead_beef),
                report_file: "large.html".to_owned(),
                reproduce: "squall replay failures/two-leaders.json".to_owned(),
            },
        ],
        incomplete: Some("shards 3 and 7 of 8 have not reported".to_owned()),
    }
}
