//! The planted bugs of the broker.

use crate::mutants::Mutant;

const QUEUE: &[&str] = &["broker/queue"];
const FANOUT: &[&str] = &["broker/fanout"];
/// All that strikes this system.
const ANY: &[&str] = &[
    "kill",
    "power-loss",
    "pause",
    "partition",
    "slow-links",
    "lossy-links",
    "sync-error",
    "read-error",
    "write-error",
    "no-space",
    "short-io",
    "stall",
    "slow-disk",
    "cancel",
    "names",
    "slow-cpu",
    "panic",
];
/// All that starts the broker anew.
const RESTART: &[&str] = &[
    "kill",
    "power-loss",
    "sync-error",
    "read-error",
    "write-error",
    "no-space",
    "panic",
];

/// The planted bugs, in the order of tables.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        id: "broker.redelivered-while-held",
        reference: "RabbitMQ as a mutex (aphyr 315), Pulsar #3185 (B2, B14)",
        root_cause: "what a connection holds is delivered to somebody else as soon as it breaks",
        scenarios: QUEUE,
        checkers: &["exclusive-delivery"],
        faults: &[],
    },
    Mutant {
        id: "broker.holders-forgotten",
        reference: "class of RabbitMQ as a mutex (aphyr 315), B2",
        root_cause: "after a restart, what is held is delivered to somebody else at once",
        scenarios: QUEUE,
        checkers: &["exclusive-delivery"],
        faults: RESTART,
    },
    Mutant {
        id: "broker.superseded-ack-accepted",
        reference: "librdkafka #5604 (B18)",
        root_cause: "an acknowledgement counts even if its delivery has been superseded",
        scenarios: QUEUE,
        checkers: &["exclusive-delivery"],
        faults: &[],
    },
    Mutant {
        id: "broker.settled-on-delivery",
        reference: "franz-go #57 (B16)",
        root_cause: "a message is done with as soon as it is delivered, whoever dies then",
        scenarios: QUEUE,
        checkers: &["queue", "exclusive-delivery"],
        faults: &[],
    },
    Mutant {
        id: "broker.dedup-window-short",
        reference: "NATS #7302 (B13)",
        root_cause: "message ids are forgotten sooner than publishers give up",
        scenarios: QUEUE,
        checkers: &["queue"],
        faults: ANY,
    },
    Mutant {
        id: "broker.dedup-forgotten",
        reference: "NATS #6415, #6426 (B12)",
        root_cause: "message ids are not known any more after a restart",
        scenarios: QUEUE,
        checkers: &["queue"],
        faults: RESTART,
    },
    Mutant {
        id: "broker.ack-not-persisted",
        reference: "class of franz-go #57 and librdkafka #5604",
        root_cause: "an acknowledgement is confirmed before it is written, and forgotten by a restart",
        scenarios: QUEUE,
        checkers: &["queue", "exclusive-delivery"],
        faults: RESTART,
    },
    Mutant {
        id: "broker.overflow-silent",
        reference: "slow consumers of at-most-once brokers (B20)",
        root_cause: "a message that does not fit into a subscriber's buffer is dropped and nobody is told",
        scenarios: FANOUT,
        checkers: &["fanout"],
        faults: &[
            "pause",
            "partition",
            "slow-links",
            "lossy-links",
            "slow-cpu",
            "cancel",
        ],
    },
    Mutant {
        id: "broker.acknowledged-before-sync",
        reference: "NATS JetStream 2.12.1 (Jepsen 2025-12), R21",
        root_cause: "what the journal promises is not synced",
        scenarios: QUEUE,
        checkers: &["queue", "exclusive-delivery", "crash"],
        faults: &["power-loss"],
    },
    Mutant {
        id: "broker.checksum-not-checked",
        reference: "ALICE, OSDI'14: append atomicity (S8)",
        root_cause: "recovery believes a frame whose checksum is wrong",
        scenarios: QUEUE,
        checkers: &["queue", "exclusive-delivery", "crash"],
        faults: &["power-loss"],
    },
    Mutant {
        id: "broker.directory-not-synced",
        reference: "ALICE, OSDI'14: directory entries (S6)",
        root_cause: "the directory is not synced after a segment has got its name",
        scenarios: QUEUE,
        checkers: &["queue", "exclusive-delivery", "crash"],
        faults: &["power-loss"],
    },
    Mutant {
        id: "broker.snapshot-not-synced",
        reference: "ALICE, OSDI'14: replace via rename (S7)",
        root_cause: "a segment gets its name before its snapshot is durable",
        scenarios: QUEUE,
        checkers: &["queue", "exclusive-delivery", "crash"],
        faults: &["power-loss"],
    },
];
