//! Which algorithms judge, and what they have to say beyond the verdict.

use super::Limits;
use super::order::NotAnOrder;
use crate::spec::DecodeError;
use crate::verdict::Verdict;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Which algorithms judge the operations on each key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// The specification's own algorithm ([`crate::Spec::decider`]) where it has one for these
    /// operations, and the search where it has none.
    #[default]
    Auto,
    /// The search alone.
    General,
    /// The specification's own algorithm alone: `Unknown` where it has none.
    Special,
    /// Both where there are both, and they must agree; orders are verified.
    CrossCheck,
}

impl Strategy {
    pub const ALL: [Self; 4] = [Self::Auto, Self::General, Self::Special, Self::CrossCheck];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::General => "general",
            Self::Special => "special",
            Self::CrossCheck => "cross-check",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(name: &str) -> Result<Self, UnknownStrategy> {
        let found = Self::ALL
            .into_iter()
            .find(|strategy| strategy.name() == name);
        found.ok_or_else(|| UnknownStrategy(name.to_owned()))
    }
}

/// A strategy that nobody here knows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected a strategy (auto, general, special or cross-check), but found `{0}`")]
pub struct UnknownStrategy(String);

/// How to judge.
#[derive(Clone, Debug, Default)]
pub struct Method<'a> {
    pub strategy: Strategy,
    pub limits: Limits,
    /// How many threads judge keys at the same time, at least one. The answer is the same whatever
    /// their number, time limits aside.
    pub threads: usize,
    /// An order of operation ids that is said to explain the history, as from a commit log. If it
    /// does, nothing else runs.
    pub order: Option<&'a [usize]>,
}

impl Method<'_> {
    /// Whether the specification's own algorithms have a say.
    pub(super) fn asks_decider(&self) -> bool {
        self.strategy != Strategy::General
    }
}

/// A verdict, and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub verdict: Verdict,
    /// How many keys each algorithm decided: `search`, the names that specifications give theirs
    /// ([`crate::spec::Decided::algorithm`]), and `given-order`.
    pub decided_by: BTreeMap<&'static str, usize>,
    /// Why the order that was given does not explain the history.
    pub refused_order: Option<NotAnOrder>,
}

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// One of two exact algorithms is wrong, or the specification breaks its contract.
    #[error(
        "two algorithms disagree{of_key}: {special} says that the operations are {special_says}, the search that they are not"
    )]
    Disagreement {
        /// ` of key …`, or nothing where there are no keys.
        of_key: String,
        special: &'static str,
        /// `possible` or `impossible: …`.
        special_says: String,
    },
    #[error("an algorithm gave an order that explains nothing: {0}")]
    BadOrder(NotAnOrder),
}
