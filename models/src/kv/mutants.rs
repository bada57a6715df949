//! The planted bugs of the kv.

use crate::mutants::Mutant;

const REGISTER: &[&str] = &["kv/register"];
const ALL: &[&str] = &["kv/register", "kv/bank", "kv/set"];
const BANK: &[&str] = &["kv/bank"];
const LOSS: &[&str] = &["linearizability", "bank", "set", "crash", "durability"];

/// The planted bugs, in the order of tables.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        id: "kv.acknowledged-before-sync",
        reference: "etcd #14370 (S2), NATS JetStream 2.12.1 (Jepsen 2025-12)",
        root_cause: "commits are answered when they are written, not when they are synced",
        scenarios: ALL,
        checkers: LOSS,
        faults: &["power-loss"],
    },
    Mutant {
        id: "kv.sync-retried",
        reference: "PostgreSQL's fsyncgate, 2018 (S5)",
        root_cause: "a failed fsync is tried again, and succeeds because the kernel has dropped the data",
        scenarios: ALL,
        checkers: LOSS,
        faults: &["sync-error"],
    },
    Mutant {
        id: "kv.directory-not-synced",
        reference: "ALICE, OSDI'14: directory entries (S6)",
        root_cause: "the directory is not synced after a log or a checkpoint gets its name",
        scenarios: ALL,
        checkers: LOSS,
        faults: &["power-loss"],
    },
    Mutant {
        id: "kv.checkpoint-not-synced",
        reference: "ALICE, OSDI'14: replace via rename (S7)",
        root_cause: "a checkpoint gets its name before its bytes are durable",
        scenarios: ALL,
        checkers: LOSS,
        faults: &["power-loss"],
    },
    Mutant {
        id: "kv.checksum-not-checked",
        reference: "ALICE, OSDI'14: append atomicity (S8)",
        root_cause: "recovery believes a torn record",
        scenarios: ALL,
        checkers: LOSS,
        faults: &["power-loss", "corrupt"],
    },
    Mutant {
        id: "kv.broken-middle-cut-off",
        reference: "arcadedb #4508, amelie #17 (S10)",
        root_cause: "damage in the middle of the log is taken for its end, and what follows is cut off",
        scenarios: ALL,
        checkers: LOSS,
        faults: &["corrupt"],
    },
    Mutant {
        // Its readers are harmed by power losses only, but a server that shows what is not durable tells so.
        id: "kv.visible-before-durable",
        reference: "class of MongoDB's dirty reads (aphyr 2015, R27): reads of what is rolled back",
        root_cause: "reads see commits whose fsync is under way, and which a crash may take away",
        scenarios: REGISTER,
        checkers: &["linearizability", "durability"],
        faults: &[
            "power-loss",
            "sync-error",
            "read-error",
            "write-error",
            "no-space",
            "kill",
            "panic",
            "corrupt",
        ],
    },
    Mutant {
        id: "kv.conflict-not-checked",
        reference: "lost update: TiDB 2.1.7 (Jepsen 2019)",
        root_cause: "a transaction commits over writes that came after its snapshot",
        scenarios: BANK,
        checkers: &["bank"],
        faults: &[],
    },
    Mutant {
        id: "kv.read-latest-not-snapshot",
        reference: "class of YugabyteDB 1.1.9 (Jepsen, T4): read skew",
        root_cause: "reads of a transaction see the latest commit, not its snapshot",
        scenarios: BANK,
        checkers: &["bank"],
        faults: &[],
    },
    Mutant {
        id: "kv.watch-ignored",
        reference: "class of Redis #7918, #9194: EXEC succeeds though a watched key has gone",
        root_cause: "EXEC does not ask whether a watched key has changed",
        scenarios: REGISTER,
        checkers: &["linearizability"],
        faults: &[],
    },
];
