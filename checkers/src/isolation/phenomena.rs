//! What can be wrong with a history of transactions, and what is a case of what.
//!
//! The names that begin with G are those of Adya, "Weak Consistency", 1999; G-single and G-nonadjacent
//! in Elle's spelling (Kingsbury, Alvaro, "Elle: Inferring Isolation Anomalies from Experimental
//! Observations", 2020, which also has the names of the others).

use std::fmt;
use std::str::FromStr;

/// Something that a consistency model may forbid. The worst come first: of what a history shows, the
/// first in this order is told first. Within a family come the plain form, that in which sessions
/// (`-process`) and that in which real time (`-realtime`) close a cycle.
///
/// Cycles are of transactions: ww, one overwrote the other's write; wr, one read it; rw, one overwrote
/// what the other had read, an *anti-dependency*. In an `-item` phenomenon no rw comes of a predicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phenomenon {
    /// A read shows one write twice.
    DuplicateElements,
    /// A read shows what nobody wrote.
    ThinAirRead,
    /// What is known of the order of one object's versions goes in a circle.
    CyclicVersions,
    /// Dirty write: a cycle of ww.
    G0,
    /// Two reads of one object show orders of its writes that contradict each other, or the order in
    /// which one transaction made them.
    IncompatibleOrder,
    /// Aborted read: of what a transaction wrote that failed.
    G1a,
    /// A write that took place builds on one that failed.
    DirtyUpdate,
    /// Intermediate read: of what its writer overwrote within the same transaction.
    G1b,
    /// A read shows what its own transaction writes only later.
    FutureRead,
    /// Circular information flow: a cycle of ww and wr, at least one wr.
    G1c,
    /// G1a, G1b or G1c.
    G1,
    /// A transaction's read disagrees with what it read or wrote before.
    Internal,
    GCursor,
    GMonotonic,
    GMsr,
    /// Two transactions read one version of an object, and both overwrote it.
    LostUpdate,
    /// Read skew: a cycle with exactly one rw.
    GSingleItem,
    GSingle,
    /// Adya's interference.
    GSia,
    /// Adya's missed effects.
    GSib,
    GSi,
    GUpdate,
    /// A cycle with several rw, no two of them neighbours: a long fork.
    GNonadjacentItem,
    GNonadjacent,
    WriteSkew,
    /// A cycle with at least one rw.
    G2Item,
    /// A predicate read that misses a version although every version matches.
    PredicateReadMiss,
    G2,
    G0Process,
    G1cProcess,
    G1Process,
    GSingleItemProcess,
    GSingleProcess,
    GNonadjacentItemProcess,
    GNonadjacentProcess,
    G2ItemProcess,
    G2Process,
    G0Realtime,
    G1cRealtime,
    G1Realtime,
    GSingleItemRealtime,
    GSingleRealtime,
    GNonadjacentItemRealtime,
    GNonadjacentRealtime,
    G2ItemRealtime,
    G2Realtime,
}

use Phenomenon::*;

impl Phenomenon {
    pub const ALL: [Self; 46] = [
        DuplicateElements,
        ThinAirRead,
        CyclicVersions,
        G0,
        IncompatibleOrder,
        G1a,
        DirtyUpdate,
        G1b,
        FutureRead,
        G1c,
        G1,
        Internal,
        GCursor,
        GMonotonic,
        GMsr,
        LostUpdate,
        GSingleItem,
        GSingle,
        GSia,
        GSib,
        GSi,
        GUpdate,
        GNonadjacentItem,
        GNonadjacent,
        WriteSkew,
        G2Item,
        PredicateReadMiss,
        G2,
        G0Process,
        G1cProcess,
        G1Process,
        GSingleItemProcess,
        GSingleProcess,
        GNonadjacentItemProcess,
        GNonadjacentProcess,
        G2ItemProcess,
        G2Process,
        G0Realtime,
        G1cRealtime,
        G1Realtime,
        GSingleItemRealtime,
        GSingleRealtime,
        GNonadjacentItemRealtime,
        GNonadjacentRealtime,
        G2ItemRealtime,
        G2Realtime,
    ];

    /// Its name in the field.
    pub fn name(self) -> &'static str {
        match self {
            DuplicateElements => "duplicate-elements",
            ThinAirRead => "thin-air-read",
            CyclicVersions => "cyclic-versions",
            G0 => "G0",
            IncompatibleOrder => "incompatible-order",
            G1a => "G1a",
            DirtyUpdate => "dirty-update",
            G1b => "G1b",
            FutureRead => "future-read",
            G1c => "G1c",
            G1 => "G1",
            Internal => "internal",
            GCursor => "G-cursor",
            GMonotonic => "G-monotonic",
            GMsr => "G-MSR",
            LostUpdate => "lost-update",
            GSingleItem => "G-single-item",
            GSingle => "G-single",
            GSia => "G-SIa",
            GSib => "G-SIb",
            GSi => "G-SI",
            GUpdate => "G-update",
            GNonadjacentItem => "G-nonadjacent-item",
            GNonadjacent => "G-nonadjacent",
            WriteSkew => "write-skew",
            G2Item => "G2-item",
            PredicateReadMiss => "predicate-read-miss",
            G2 => "G2",
            G0Process => "G0-process",
            G1cProcess => "G1c-process",
            G1Process => "G1-process",
            GSingleItemProcess => "G-single-item-process",
            GSingleProcess => "G-single-process",
            GNonadjacentItemProcess => "G-nonadjacent-item-process",
            GNonadjacentProcess => "G-nonadjacent-process",
            G2ItemProcess => "G2-item-process",
            G2Process => "G2-process",
            G0Realtime => "G0-realtime",
            G1cRealtime => "G1c-realtime",
            G1Realtime => "G1-realtime",
            GSingleItemRealtime => "G-single-item-realtime",
            GSingleRealtime => "G-single-realtime",
            GNonadjacentItemRealtime => "G-nonadjacent-item-realtime",
            GNonadjacentRealtime => "G-nonadjacent-realtime",
            G2ItemRealtime => "G2-item-realtime",
            G2Realtime => "G2-realtime",
        }
    }

    /// What it is, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            DuplicateElements => "a read shows one write twice",
            ThinAirRead => "a read shows what nobody wrote",
            CyclicVersions => "the order of one object's versions goes in a circle",
            G0 | G0Process | G0Realtime => {
                "dirty write, a cycle of transactions that overwrote each other"
            }
            IncompatibleOrder => "two orders of the same writes contradict each other",
            G1a => "aborted read, of what a failed transaction wrote",
            DirtyUpdate => "a write that took place builds on one that failed",
            G1b => "intermediate read, of what its writer overwrote in the same transaction",
            FutureRead => "a read shows what its own transaction wrote only later",
            G1c | G1cProcess | G1cRealtime => {
                "circular information flow, a cycle of writes that were overwritten or read"
            }
            G1 | G1Process | G1Realtime => {
                "an aborted or intermediate read, or circular information flow"
            }
            Internal => "a read disagrees with what its transaction read or wrote before",
            GCursor | LostUpdate => {
                "lost update, two transactions overwrote the version that both had read"
            }
            GMonotonic => "a transaction's view of the database went back",
            GMsr => "a read and the transaction's snapshot disagree",
            GSingleItem | GSingle | GSingleItemProcess | GSingleProcess | GSingleItemRealtime
            | GSingleRealtime => "read skew, a cycle with exactly one anti-dependency",
            GSia => "a transaction depends on a concurrent one",
            GSib => "a transaction misses effects of one that it depends on",
            GSi => "no snapshots explain what was read",
            GUpdate => "updates and what one transaction read have no order",
            GNonadjacentItem
            | GNonadjacent
            | GNonadjacentItemProcess
            | GNonadjacentProcess
            | GNonadjacentItemRealtime
            | GNonadjacentRealtime => "a cycle with anti-dependencies, no two of them neighbours",
            WriteSkew => "two transactions each overwrote what the other had read",
            G2Item | G2 | G2ItemProcess | G2Process | G2ItemRealtime | G2Realtime => {
                "a cycle with anti-dependencies, such as write skew"
            }
            PredicateReadMiss => "a predicate read shows other than what it matches",
        }
    }

    /// What a cycle is whose anti-dependencies may be of predicates, if it is this where all are of items.
    pub fn by_predicate(self) -> Self {
        match self {
            GSingleItem => GSingle,
            GNonadjacentItem => GNonadjacent,
            G2Item => G2,
            GSingleItemProcess => GSingleProcess,
            GNonadjacentItemProcess => GNonadjacentProcess,
            G2ItemProcess => G2Process,
            GSingleItemRealtime => GSingleRealtime,
            GNonadjacentItemRealtime => GNonadjacentRealtime,
            G2ItemRealtime => G2Realtime,
            other => other,
        }
    }

    /// Whether a history that shows this one shows the other too.
    pub fn implies(self, other: Self) -> bool {
        implied_by(&[self]).contains(&other)
    }
}

impl fmt::Display for Phenomenon {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Phenomenon {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|known| known.name() == name);
        found.ok_or_else(|| format!("expected a phenomenon such as G1c, but found `{name}`"))
    }
}

/// The first is a case of the second. A cycle that needs no session is one in which sessions are
/// allowed, and one process does one thing at a time, so that its order is that of real time.
const CASES: &[(Phenomenon, Phenomenon)] = &[
    (G0, G1c),
    (G0, G0Process),
    (G0Process, G1cProcess),
    (G0Process, G0Realtime),
    (G0Realtime, G1cRealtime),
    (G1a, G1),
    (G1b, G1),
    (G1c, G1),
    (G1c, G1cProcess),
    (G1cProcess, G1Process),
    (G1cProcess, G1cRealtime),
    (G1cRealtime, G1Realtime),
    (G1, G1Process),
    (G1Process, G1Realtime),
    // One of the two orders is of writes that cannot both have been committed as read.
    (IncompatibleOrder, G1a),
    (DirtyUpdate, G1a),
    // A wr from a transaction to itself.
    (FutureRead, G1c),
    (LostUpdate, WriteSkew),
    (LostUpdate, G2Item),
    (WriteSkew, G2),
    (GSingleItem, GSingle),
    (GSingleItem, GNonadjacentItem),
    (GSingleItem, GSingleItemProcess),
    (GSingleItemProcess, GSingleProcess),
    (GSingleItemProcess, GNonadjacentItemProcess),
    (GSingleItemProcess, GSingleItemRealtime),
    (GSingleItemRealtime, GSingleRealtime),
    (GSingleItemRealtime, GNonadjacentItemRealtime),
    (GSingle, GNonadjacent),
    (GSingle, GSib),
    (GSingle, GSingleProcess),
    (GSingleProcess, GNonadjacentProcess),
    (GSingleProcess, GSingleRealtime),
    (GSingleRealtime, GNonadjacentRealtime),
    (GSia, GSi),
    (GSib, GSi),
    (GNonadjacentItem, GNonadjacent),
    (GNonadjacentItem, G2Item),
    (GNonadjacentItem, GNonadjacentItemProcess),
    (GNonadjacentItemProcess, GNonadjacentProcess),
    (GNonadjacentItemProcess, G2ItemProcess),
    (GNonadjacentItemProcess, GNonadjacentItemRealtime),
    (GNonadjacentItemRealtime, GNonadjacentRealtime),
    (GNonadjacentItemRealtime, G2ItemRealtime),
    (GNonadjacent, G2),
    (GNonadjacent, GNonadjacentProcess),
    (GNonadjacentProcess, G2Process),
    (GNonadjacentProcess, GNonadjacentRealtime),
    (GNonadjacentRealtime, G2Realtime),
    // It sees what was before the universe began, and all that it sees besides came after that.
    (PredicateReadMiss, GSingle),
    (G2Item, G2),
    (G2Item, G2ItemProcess),
    (G2ItemProcess, G2Process),
    (G2ItemProcess, G2ItemRealtime),
    (G2ItemRealtime, G2Realtime),
    (G2, G2Process),
    (G2Process, G2Realtime),
];

/// The phenomena, and all that they are cases of, the worst first.
pub fn implied_by(found: &[Phenomenon]) -> Vec<Phenomenon> {
    let mut present = [false; Phenomenon::ALL.len()];
    for &phenomenon in found {
        present[phenomenon as usize] = true;
    }
    let mut has_grown = true;
    while has_grown {
        has_grown = false;
        for &(case, whole) in CASES {
            if present[case as usize] && !present[whole as usize] {
                present[whole as usize] = true;
                has_grown = true;
            }
        }
    }
    let all = Phenomenon::ALL.into_iter();
    all.filter(|&phenomenon| present[phenomenon as usize])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phenomena_stand_in_the_order_of_their_list() {
        for (index, phenomenon) in Phenomenon::ALL.into_iter().enumerate() {
            assert_eq!(phenomenon as usize, index);
            assert_eq!(phenomenon.name().parse(), Ok(phenomenon));
        }
        assert!("g1c".parse::<Phenomenon>().is_err());
    }

    #[test]
    fn a_cycle_without_sessions_is_one_in_which_they_are_allowed() {
        assert!(GSingleItem.implies(G2Realtime));
        assert!(G0.implies(G1Realtime));
        assert!(!G1c.implies(GSingle));
        assert!(!G2Item.implies(GNonadjacent));
        assert!(!G0Realtime.implies(G0Process));
    }
}
