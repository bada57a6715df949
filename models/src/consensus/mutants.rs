//! The planted bugs of Raft, its log and its service.

use crate::mutants::Mutant;

const CONSENSUS: &[&str] = &["consensus/register", "consensus/cas"];
/// All that strikes this system.
const ANY: &[&str] = &[
    "partition",
    "bridge",
    "majorities-ring",
    "clog",
    "kill",
    "power-loss",
    "pause",
    "slow-links",
    "lossy-links",
    "reorder",
    "corrupt-packets",
    "throttle",
    "chop",
    "clock",
    "sync-error",
    "read-error",
    "write-error",
    "no-space",
    "short-io",
    "stall",
    "slow-disk",
    "corrupt",
];
/// What ends a server.
const RESTART: &[&str] = &[
    "kill",
    "power-loss",
    "sync-error",
    "read-error",
    "write-error",
    "no-space",
    "corrupt",
];
const SAFETY: &[&str] = &[
    "linearizability",
    "election-safety",
    "state-machine-safety",
    "one-vote",
];

/// The planted bugs, in the order of tables.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        id: "raft.ack-before-commit",
        reference: "the canary: any campaign must find it",
        root_cause: "the leader takes an entry for committed once it has stored it itself",
        scenarios: CONSENSUS,
        checkers: SAFETY,
        faults: ANY,
    },
    Mutant {
        id: "raft.vote-not-durable",
        reference: "camunda/zeebe #5356 #1068, nebula #2405, CCF #8094",
        root_cause: "a vote is granted before it is durable, and forgotten by a restart",
        scenarios: CONSENSUS,
        checkers: SAFETY,
        faults: RESTART,
    },
    Mutant {
        id: "raft.commit-older-term",
        reference: "Raft section 5.4.2, figure 8; logcabin #44, async-raft #108",
        root_cause: "an entry of an older term is committed by counting replicas",
        scenarios: CONSENSUS,
        checkers: SAFETY,
        faults: ANY,
    },
    Mutant {
        id: "raft.duplicate-votes-counted",
        reference: "akka-raft #47 (DEMi, NSDI'16)",
        root_cause: "votes are counted by message, not by voter",
        scenarios: CONSENSUS,
        checkers: SAFETY,
        faults: &[],
    },
    Mutant {
        id: "raft.stale-leader-read",
        reference: "etcd #741, consul #54, redisraft #22",
        root_cause: "a leader answers reads without asking whether it still leads",
        scenarios: CONSENSUS,
        checkers: &["linearizability"],
        faults: ANY,
    },
    Mutant {
        id: "raft.read-before-own-term",
        reference: "etcd #7331",
        root_cause: "a new leader answers reads before an entry of its own term is committed",
        scenarios: CONSENSUS,
        checkers: &["linearizability"],
        faults: ANY,
    },
    Mutant {
        id: "service.session-forgotten",
        reference: "class of Redis-Raft (Jepsen 2020) and MongoDB SERVER-48307: retries repeat effects",
        root_cause: "what sessions have been answered is not part of the snapshot",
        scenarios: CONSENSUS,
        checkers: SAFETY,
        faults: ANY,
    },
    Mutant {
        id: "log.directory-not-synced",
        reference: "ALICE, OSDI'14: directory entries (S6)",
        root_cause: "the directory is not synced after a new segment of the log is made",
        scenarios: CONSENSUS,
        checkers: SAFETY,
        faults: &["power-loss"],
    },
    Mutant {
        id: "log.checksum-not-checked",
        reference: "ALICE, OSDI'14: append atomicity (S8)",
        root_cause: "recovery believes a record whose checksum is wrong",
        scenarios: CONSENSUS,
        checkers: &[
            "linearizability",
            "election-safety",
            "state-machine-safety",
            "one-vote",
            "crash",
        ],
        faults: &["power-loss", "corrupt"],
    },
    Mutant {
        id: "log.broken-middle-cut-off",
        reference: "Alagappan et al., FAST'18; arcadedb #4508 (S10)",
        root_cause: "damage in the middle of the log is taken for its end, and what follows is cut off",
        scenarios: CONSENSUS,
        checkers: SAFETY,
        faults: &["corrupt"],
    },
    Mutant {
        id: "log.acknowledged-before-sync",
        reference: "NATS JetStream 2.12.1 (Jepsen 2025-12)",
        root_cause: "what the log promises is not synced",
        scenarios: CONSENSUS,
        checkers: SAFETY,
        faults: &["power-loss"],
    },
    Mutant {
        id: "log.snapshot-not-synced",
        reference: "ALICE, OSDI'14: replace via rename (S7)",
        root_cause: "a snapshot gets its name before its bytes are durable",
        scenarios: CONSENSUS,
        checkers: &[
            "linearizability",
            "election-safety",
            "state-machine-safety",
            "one-vote",
            "crash",
        ],
        faults: &["power-loss"],
    },
];
