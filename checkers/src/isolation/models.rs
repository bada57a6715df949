//! Consistency models: which implies which, and which phenomenon each forbids.
//!
//! The tables gather what these say; each row names its source.
//! - Adya: "Weak Consistency: A Generalized Theory and Optimistic Implementations for Distributed
//!   Transactions", 1999, the levels PL-1 to PL-SS.
//! - Bailis: Bailis, Davidson, Fekete, Ghodsi, Hellerstein, Stoica, "Highly Available Transactions:
//!   Virtues and Limitations", 2013.
//! - Bernstein: Bernstein, Hadzilacos, Goodman, "Concurrency Control and Recovery in Database
//!   Systems", 1987.
//! - Cerone: Cerone, Bernardi, Gotsman, "A Framework for Transactional Consistency Models with Atomic
//!   Visibility", 2015; for cycles without neighbouring anti-dependencies Cerone, Gotsman, "Analysing
//!   Snapshot Isolation", 2016.
//! - Daudjee: Daudjee, Salem, "Lazy Database Replication with Ordering Guarantees", 2004, and "Lazy
//!   Database Replication with Snapshot Isolation", 2006.
//! - Liu: Liu, Ölveczky, Wang, Gupta, Meseguer, "ROLA: A New Distributed Transaction Protocol and Its
//!   Formal Analysis", 2018.
//! - Zuikeviciute: Zuikeviciute, Pedone, "Correctness Criteria for Database Replication", 2005.
//! - Generalised: the same step for sessions or real time as elsewhere in the table, as Kingsbury and
//!   Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations", 2020, take it.

use super::phenomena::{self, Phenomenon};
use Source::{Adya, Bailis, Bernstein, Cerone, Daudjee, Generalised, Liu, Zuikeviciute};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// What a database promises about concurrent transactions, or a store about concurrent operations.
/// In the order of this list a model stands after those that it implies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConsistencyModel {
    /// Adya's PL-1.
    ReadUncommitted,
    /// Adya's PL-2.
    ReadCommitted,
    MonotonicAtomicView,
    /// Adya's PL-2L.
    MonotonicView,
    /// Adya's PL-MSR.
    MonotonicSnapshotRead,
    /// Adya's PL-CS.
    CursorStability,
    ReadAtomic,
    /// Read atomic, and no update is lost.
    UpdateAtomic,
    /// Causal consistency of transactions.
    TransactionalCausal,
    /// Adya's PL-2+.
    ConsistentView,
    /// Adya's PL-FCV.
    ForwardConsistentView,
    ParallelSnapshotIsolation,
    Prefix,
    /// Adya's PL-2.99.
    RepeatableRead,
    /// Adya's PL-3U.
    UpdateSerializable,
    /// Generalised: the snapshot may be any earlier one.
    SnapshotIsolation,
    ViewSerializable,
    /// Conflict serializability, Adya's PL-3.
    Serializable,
    StrongSessionReadUncommitted,
    StrongSessionReadCommitted,
    StrongSessionSnapshotIsolation,
    StrongSessionSerializable,
    StrongReadUncommitted,
    StrongReadCommitted,
    StrongSnapshotIsolation,
    OneCopySerializable,
    SessionSerializable,
    MonotonicReads,
    MonotonicWrites,
    ReadYourWrites,
    WritesFollowReads,
    Pram,
    /// Causal consistency of operations on single objects.
    Causal,
    Sequential,
    Linearizable,
    /// Adya's PL-SS.
    StrictSerializable,
}

use ConsistencyModel::*;

impl ConsistencyModel {
    pub const ALL: [Self; 36] = [
        ReadUncommitted,
        ReadCommitted,
        MonotonicAtomicView,
        MonotonicView,
        MonotonicSnapshotRead,
        CursorStability,
        ReadAtomic,
        UpdateAtomic,
        TransactionalCausal,
        ConsistentView,
        ForwardConsistentView,
        ParallelSnapshotIsolation,
        Prefix,
        RepeatableRead,
        UpdateSerializable,
        SnapshotIsolation,
        ViewSerializable,
        Serializable,
        StrongSessionReadUncommitted,
        StrongSessionReadCommitted,
        StrongSessionSnapshotIsolation,
        StrongSessionSerializable,
        StrongReadUncommitted,
        StrongReadCommitted,
        StrongSnapshotIsolation,
        OneCopySerializable,
        SessionSerializable,
        MonotonicReads,
        MonotonicWrites,
        ReadYourWrites,
        WritesFollowReads,
        Pram,
        Causal,
        Sequential,
        Linearizable,
        StrictSerializable,
    ];

    /// Its name on the command line and in verdicts.
    pub fn name(self) -> &'static str {
        match self {
            ReadUncommitted => "read-uncommitted",
            ReadCommitted => "read-committed",
            MonotonicAtomicView => "monotonic-atomic-view",
            MonotonicView => "monotonic-view",
            MonotonicSnapshotRead => "monotonic-snapshot-read",
            CursorStability => "cursor-stability",
            ReadAtomic => "read-atomic",
            UpdateAtomic => "update-atomic",
            TransactionalCausal => "transactional-causal",
            ConsistentView => "consistent-view",
            ForwardConsistentView => "forward-consistent-view",
            ParallelSnapshotIsolation => "parallel-snapshot-isolation",
            Prefix => "prefix",
            RepeatableRead => "repeatable-read",
            UpdateSerializable => "update-serializable",
            SnapshotIsolation => "snapshot-isolation",
            ViewSerializable => "view-serializable",
            Serializable => "serializable",
            StrongSessionReadUncommitted => "strong-session-read-uncommitted",
            StrongSessionReadCommitted => "strong-session-read-committed",
            StrongSessionSnapshotIsolation => "strong-session-snapshot-isolation",
            StrongSessionSerializable => "strong-session-serializable",
            StrongReadUncommitted => "strong-read-uncommitted",
            StrongReadCommitted => "strong-read-committed",
            StrongSnapshotIsolation => "strong-snapshot-isolation",
            OneCopySerializable => "one-copy-serializable",
            SessionSerializable => "session-serializable",
            MonotonicReads => "monotonic-reads",
            MonotonicWrites => "monotonic-writes",
            ReadYourWrites => "read-your-writes",
            WritesFollowReads => "writes-follow-reads",
            Pram => "pram",
            Causal => "causal",
            Sequential => "sequential",
            Linearizable => "linearizable",
            StrictSerializable => "strict-serializable",
        }
    }

    /// Whether every history that satisfies this model satisfies the other one too.
    pub fn implies(self, weaker: Self) -> bool {
        closure(Models::of(self), Direction::Weaker).has(weaker)
    }

    /// Whether no history with this phenomenon satisfies the model.
    pub fn forbids(self, phenomenon: Phenomenon) -> bool {
        broken_by(&[phenomenon]).has(self)
    }

    fn bit(self) -> u64 {
        1 << self as u8
    }
}

impl fmt::Display for ConsistencyModel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Other names of the field.
const ALIASES: [(&str, ConsistencyModel); 22] = [
    ("PL-1", ReadUncommitted),
    ("PL-2", ReadCommitted),
    ("PL-2L", MonotonicView),
    ("PL-MSR", MonotonicSnapshotRead),
    ("PL-CS", CursorStability),
    ("PL-2+", ConsistentView),
    ("PL-FCV", ForwardConsistentView),
    ("PL-2.99", RepeatableRead),
    ("PL-3U", UpdateSerializable),
    ("PL-SI", SnapshotIsolation),
    ("PL-3", Serializable),
    ("PL-SS", StrictSerializable),
    ("conflict-serializable", Serializable),
    ("strong-serializable", StrictSerializable),
    ("strong-session-PL-1", StrongSessionReadUncommitted),
    ("strong-session-PL-2", StrongSessionReadCommitted),
    ("strong-PL-1", StrongReadUncommitted),
    ("strong-PL-2", StrongReadCommitted),
    ("parallel-SI", ParallelSnapshotIsolation),
    ("ROLA", UpdateAtomic),
    ("causal-cerone", TransactionalCausal),
    ("1SR", OneCopySerializable),
];

/// A consistency model that nobody here knows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected a consistency model ({known}), but found `{name}`", known = known())]
pub struct UnknownConsistencyModel {
    name: String,
}

fn known() -> String {
    let names = ConsistencyModel::ALL.map(ConsistencyModel::name);
    names.join(", ")
}

impl FromStr for ConsistencyModel {
    type Err = UnknownConsistencyModel;

    fn from_str(name: &str) -> Result<Self, UnknownConsistencyModel> {
        let named = Self::ALL.into_iter().find(|model| model.name() == name);
        let alias = || {
            let mut aliases = ALIASES.into_iter();
            aliases.find_map(|(alias, model)| alias.eq_ignore_ascii_case(name).then_some(model))
        };
        named.or_else(alias).ok_or_else(|| UnknownConsistencyModel {
            name: name.to_owned(),
        })
    }
}

/// What phenomena say about a history.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RuledOut {
    /// The weakest models that are broken: none of them implies another.
    pub weakest: Vec<ConsistencyModel>,
    /// Those that fall with them, since they imply one of them.
    pub also: Vec<ConsistencyModel>,
}

/// The models that a history with these phenomena does not satisfy.
pub fn rules_out(found: &[Phenomenon]) -> RuledOut {
    let broken = broken_by(found);
    let is_weakest = |model: &ConsistencyModel| {
        let weaker = closure(Models::of(*model), Direction::Weaker);
        Models(weaker.0 & broken.0) == Models::of(*model)
    };
    let all = ConsistencyModel::ALL.into_iter();
    let (weakest, also) = all.filter(|&model| broken.has(model)).partition(is_weakest);
    RuledOut { weakest, also }
}

/// Who says so: see the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Adya,
    Bailis,
    Bernstein,
    Cerone,
    Daudjee,
    Generalised,
    Liu,
    Zuikeviciute,
}

/// The first model implies the second.
const IMPLICATIONS: &[(ConsistencyModel, ConsistencyModel, Source)] = &[
    (ReadCommitted, ReadUncommitted, Adya),
    (MonotonicAtomicView, ReadCommitted, Bailis),
    (MonotonicView, ReadCommitted, Adya),
    (MonotonicSnapshotRead, ReadCommitted, Adya),
    (CursorStability, ReadCommitted, Adya),
    (ReadAtomic, MonotonicAtomicView, Cerone),
    (UpdateAtomic, ReadAtomic, Liu),
    (TransactionalCausal, ReadAtomic, Cerone),
    (ConsistentView, CursorStability, Adya),
    (ConsistentView, MonotonicView, Adya),
    (ForwardConsistentView, ConsistentView, Adya),
    (ParallelSnapshotIsolation, UpdateAtomic, Liu),
    (Prefix, ReadAtomic, Cerone),
    (RepeatableRead, CursorStability, Adya),
    (RepeatableRead, MonotonicAtomicView, Bailis),
    (UpdateSerializable, ForwardConsistentView, Adya),
    (SnapshotIsolation, ForwardConsistentView, Adya),
    (SnapshotIsolation, MonotonicSnapshotRead, Adya),
    (SnapshotIsolation, MonotonicAtomicView, Bailis),
    (SnapshotIsolation, ParallelSnapshotIsolation, Cerone),
    (SnapshotIsolation, Prefix, Cerone),
    (Serializable, RepeatableRead, Adya),
    (Serializable, UpdateSerializable, Adya),
    (Serializable, SnapshotIsolation, Cerone),
    (Serializable, ViewSerializable, Bernstein),
    (StrongSessionReadUncommitted, ReadUncommitted, Generalised),
    (StrongSessionReadCommitted, ReadCommitted, Generalised),
    (
        StrongSessionReadCommitted,
        StrongSessionReadUncommitted,
        Generalised,
    ),
    (StrongSessionSnapshotIsolation, SnapshotIsolation, Daudjee),
    // Cerone's causality counts the order of a session in, and so do his weaker models than this; ours
    // without sessions do not.
    (StrongSessionSnapshotIsolation, TransactionalCausal, Cerone),
    (
        StrongSessionSnapshotIsolation,
        StrongSessionReadCommitted,
        Generalised,
    ),
    (StrongSessionSerializable, Serializable, Daudjee),
    (
        StrongSessionSerializable,
        StrongSessionSnapshotIsolation,
        Generalised,
    ),
    (
        StrongReadUncommitted,
        StrongSessionReadUncommitted,
        Generalised,
    ),
    (StrongReadCommitted, StrongSessionReadCommitted, Generalised),
    (StrongReadCommitted, StrongReadUncommitted, Generalised),
    (
        StrongSnapshotIsolation,
        StrongSessionSnapshotIsolation,
        Daudjee,
    ),
    (StrongSnapshotIsolation, StrongReadCommitted, Generalised),
    (SessionSerializable, OneCopySerializable, Zuikeviciute),
    (Pram, MonotonicReads, Bailis),
    (Pram, MonotonicWrites, Bailis),
    (Pram, ReadYourWrites, Bailis),
    (Causal, WritesFollowReads, Bailis),
    (Causal, Pram, Bailis),
    (Sequential, Causal, Bailis),
    (Linearizable, Sequential, Bailis),
    (StrictSerializable, Serializable, Adya),
    (StrictSerializable, Linearizable, Bailis),
    (StrictSerializable, StrongSnapshotIsolation, Generalised),
    (StrictSerializable, StrongSessionSerializable, Daudjee),
    (StrictSerializable, SessionSerializable, Zuikeviciute),
];

/// The model forbids the phenomenon. Rows that follow from others and [`IMPLICATIONS`] are left out.
///
/// Neither of the first two has a place in any of Adya's histories: a version is installed once, and
/// what is read was written. Cerone's axiom INT forbids [`Phenomenon::Internal`], EXT the future read.
const FORBIDDEN: &[(ConsistencyModel, Phenomenon, Source)] = &[
    (ReadUncommitted, Phenomenon::DuplicateElements, Adya),
    (ReadUncommitted, Phenomenon::ThinAirRead, Adya),
    (ReadUncommitted, Phenomenon::CyclicVersions, Adya),
    (ReadUncommitted, Phenomenon::G0, Adya),
    (ReadCommitted, Phenomenon::G1, Adya),
    (MonotonicView, Phenomenon::GMonotonic, Adya),
    (MonotonicSnapshotRead, Phenomenon::GMsr, Adya),
    (CursorStability, Phenomenon::GCursor, Adya),
    (CursorStability, Phenomenon::LostUpdate, Bailis),
    (ReadAtomic, Phenomenon::Internal, Cerone),
    (ReadAtomic, Phenomenon::FutureRead, Cerone),
    (UpdateAtomic, Phenomenon::LostUpdate, Liu),
    (ConsistentView, Phenomenon::GSingle, Adya),
    (ForwardConsistentView, Phenomenon::GSib, Adya),
    (RepeatableRead, Phenomenon::G2Item, Adya),
    (RepeatableRead, Phenomenon::LostUpdate, Bailis),
    (UpdateSerializable, Phenomenon::GUpdate, Adya),
    (SnapshotIsolation, Phenomenon::GSi, Adya),
    (SnapshotIsolation, Phenomenon::GNonadjacent, Cerone),
    (Serializable, Phenomenon::G2, Adya),
    (Serializable, Phenomenon::PredicateReadMiss, Adya),
    (
        StrongSessionReadUncommitted,
        Phenomenon::G0Process,
        Generalised,
    ),
    (
        StrongSessionReadCommitted,
        Phenomenon::G1Process,
        Generalised,
    ),
    (
        StrongSessionSnapshotIsolation,
        Phenomenon::GNonadjacentProcess,
        Cerone,
    ),
    (StrongSessionSerializable, Phenomenon::G2Process, Daudjee),
    (StrongReadUncommitted, Phenomenon::G0Realtime, Generalised),
    (StrongReadCommitted, Phenomenon::G1Realtime, Generalised),
    (
        StrongSnapshotIsolation,
        Phenomenon::GNonadjacentRealtime,
        Generalised,
    ),
    (StrictSerializable, Phenomenon::G2Realtime, Adya),
];

/// A set of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Models(u64);

impl Models {
    fn of(model: ConsistencyModel) -> Self {
        Self(model.bit())
    }

    fn has(self, model: ConsistencyModel) -> bool {
        self.0 & model.bit() != 0
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Weaker,
    Stronger,
}

/// The models, and all that they imply or that imply them.
fn closure(models: Models, direction: Direction) -> Models {
    let mut all = models.0;
    loop {
        let before = all;
        for &(stronger, weaker, _) in IMPLICATIONS {
            let (from, to) = match direction {
                Direction::Weaker => (stronger, weaker),
                Direction::Stronger => (weaker, stronger),
            };
            if all & from.bit() != 0 {
                all |= to.bit();
            }
        }
        if all == before {
            return Models(all);
        }
    }
}

fn broken_by(found: &[Phenomenon]) -> Models {
    let present = phenomena::implied_by(found);
    let rows = FORBIDDEN.iter();
    let broken = rows.filter(|(_, phenomenon, _)| present.contains(phenomenon));
    let broken = broken.fold(0, |all, (model, _, _)| all | model.bit());
    closure(Models(broken), Direction::Stronger)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(found: &[Phenomenon], expected: Expect) {
        let RuledOut { weakest, also } = rules_out(found);
        let names = |models: &[ConsistencyModel]| {
            let names: Vec<&str> = models.iter().map(|model| model.name()).collect();
            names.join(" ")
        };
        expected.assert_eq(&format!("{}; also {}", names(&weakest), names(&also)));
    }

    #[test]
    fn models_stand_in_an_order_in_which_the_weaker_comes_first() {
        for (index, model) in ConsistencyModel::ALL.into_iter().enumerate() {
            assert_eq!(model as usize, index);
        }
        for (stronger, weaker, _) in IMPLICATIONS {
            assert!(weaker < stronger, "{stronger} implies {weaker}");
        }
    }

    #[test]
    fn names_and_aliases_are_read_back() {
        for model in ConsistencyModel::ALL {
            assert_eq!(model.name().parse(), Ok(model));
        }
        assert_eq!("pl-2.99".parse(), Ok(RepeatableRead));
        assert!("eventual".parse::<ConsistencyModel>().is_err());
    }

    /// A transaction that does not see the one before it in its session may be serializable all the same.
    #[test]
    fn causality_with_sessions_is_promised_by_models_with_sessions() {
        assert!(!Serializable.implies(TransactionalCausal));
        assert!(StrongSessionSnapshotIsolation.implies(TransactionalCausal));
    }

    #[test]
    fn nothing_found_rules_nothing_out() {
        check(&[], expect!["; also "]);
    }

    #[test]
    fn a_dirty_write_leaves_nothing_of_the_transactional_models() {
        check(
            &[Phenomenon::G0],
            expect![
                "read-uncommitted; also read-committed monotonic-atomic-view monotonic-view monotonic-snapshot-read cursor-stability read-atomic update-atomic transactional-causal consistent-view forward-consistent-view parallel-snapshot-isolation prefix repeatable-read update-serializable snapshot-isolation serializable strong-session-read-uncommitted strong-session-read-committed strong-session-snapshot-isolation strong-session-serializable strong-read-uncommitted strong-read-committed strong-snapshot-isolation strict-serializable"
            ],
        );
    }

    #[test]
    fn write_skew_leaves_snapshot_isolation() {
        check(
            &[Phenomenon::G2Item],
            expect![
                "repeatable-read; also serializable strong-session-serializable strict-serializable"
            ],
        );
    }

    #[test]
    fn read_skew_of_items_breaks_two_branches() {
        check(
            &[Phenomenon::GSingleItem],
            expect![
                "consistent-view repeatable-read; also forward-consistent-view update-serializable snapshot-isolation serializable strong-session-snapshot-isolation strong-session-serializable strong-snapshot-isolation strict-serializable"
            ],
        );
    }

    #[test]
    fn a_long_fork_leaves_parallel_snapshot_isolation() {
        check(
            &[Phenomenon::GNonadjacentItem],
            expect![
                "repeatable-read snapshot-isolation; also serializable strong-session-snapshot-isolation strong-session-serializable strong-snapshot-isolation strict-serializable"
            ],
        );
    }

    #[test]
    fn a_lost_update_breaks_three_branches() {
        check(
            &[Phenomenon::LostUpdate],
            expect![
                "cursor-stability update-atomic; also consistent-view forward-consistent-view parallel-snapshot-isolation repeatable-read update-serializable snapshot-isolation serializable strong-session-snapshot-isolation strong-session-serializable strong-snapshot-isolation strict-serializable"
            ],
        );
    }

    #[test]
    fn sessions_and_real_time_break_the_strong_models_only() {
        check(
            &[Phenomenon::G1cProcess],
            expect![
                "strong-session-read-committed; also strong-session-snapshot-isolation strong-session-serializable strong-read-committed strong-snapshot-isolation strict-serializable"
            ],
        );
        check(
            &[Phenomenon::GSingleItemRealtime],
            expect!["strong-snapshot-isolation; also strict-serializable"],
        );
        check(
            &[Phenomenon::G2ItemRealtime],
            expect!["strict-serializable; also "],
        );
    }
}
