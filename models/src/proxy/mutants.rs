//! The planted bugs of the proxy.

use crate::mutants::Mutant;

/// All that strikes this system.
const ANY: &[&str] = &[
    "kill",
    "power-loss",
    "pause",
    "partition",
    "slow-links",
    "lossy-links",
    "cancel",
    "overload",
];

/// What strikes the backends and the way to them, or asks more of them than they can do.
const ON_BACKENDS: &[&str] = &[
    "kill",
    "power-loss",
    "pause",
    "partition",
    "slow-links",
    "lossy-links",
    "overload",
];

/// The planted bugs, in the order of tables.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        id: "proxy.dirty-connection-reused",
        reference: "redis-py #2624 #2665 (ChatGPT, March 2023); tiberius #79, deadpool #97 (P1, P2)",
        root_cause: "a connection goes back to the pool with the answer to a cancelled request unread",
        scenarios: &["proxy/echo"],
        checkers: &["nonce-echo"],
        faults: ANY,
    },
    Mutant {
        id: "proxy.retried-after-send",
        reference: "golang #11978, lib/pq #939, go-sql-driver #302, pingora #979 (P6)",
        root_cause: "a POST that may have been executed is sent again",
        scenarios: &["proxy/once"],
        checkers: &["at-most-once"],
        faults: ON_BACKENDS,
    },
    Mutant {
        id: "proxy.half-open-unbounded",
        reference: "smallrye-fault-tolerance #319 #323, pyfailsafe #31 (P7)",
        root_cause: "a half-open breaker lets everybody through",
        scenarios: &["proxy/echo", "proxy/recover"],
        checkers: &["half-open"],
        faults: ON_BACKENDS,
    },
    Mutant {
        id: "proxy.retries-without-budget",
        reference: "metastable failures (HotOS'21, OSDI'22); safe-client-gateway #3442 (P9)",
        root_cause: "nothing bounds how many requests are sent again",
        scenarios: &["proxy/echo", "proxy/recover"],
        checkers: &["retry-budget", "recovery"],
        faults: ON_BACKENDS,
    },
    Mutant {
        id: "proxy.deadline-not-propagated",
        reference: "the SRE book, chapter 22: deadline propagation (P11)",
        root_cause: "backends are not told when nobody waits any more, and work for those who have left",
        scenarios: &["proxy/recover"],
        checkers: &["wasted-work", "recovery"],
        faults: ON_BACKENDS,
    },
    Mutant {
        id: "proxy.all-ejected",
        reference: "Envoy's panic threshold, where max_ejection is 100 % (P14)",
        root_cause: "when checks fail everywhere, nobody is asked any more",
        scenarios: &["proxy/echo", "proxy/recover"],
        checkers: &["availability"],
        faults: ON_BACKENDS,
    },
];
