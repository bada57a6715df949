//! What is asked of a history: how much transactions see of each other, and what orders them.

use super::constraints::StrongLevel;
use super::sessions::Order;
use super::weak::WeakLevel;
use crate::isolation::models::ConsistencyModel;

/// A question that there is an algorithm for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Decided in polynomial time.
    Weak(WeakLevel, Order),
    /// Decided by the orders of versions, which may have to be searched for.
    Strong(StrongLevel, Order),
}

use Level::{Strong, Weak};
use StrongLevel::{Serializable, SnapshotIsolation};
use WeakLevel::{Causal, MonotonicAtomicView, ReadAtomic, ReadCommitted};

/// The levels and the models that they are, in an order in which nothing stands before what it implies.
const LEVELS: [(Level, ConsistencyModel); 13] = [
    (
        Weak(ReadCommitted, Order::None),
        ConsistencyModel::ReadCommitted,
    ),
    (
        Weak(MonotonicAtomicView, Order::None),
        ConsistencyModel::MonotonicAtomicView,
    ),
    (Weak(ReadAtomic, Order::None), ConsistencyModel::ReadAtomic),
    (
        Weak(ReadCommitted, Order::Process),
        ConsistencyModel::StrongSessionReadCommitted,
    ),
    (
        Weak(ReadCommitted, Order::Realtime),
        ConsistencyModel::StrongReadCommitted,
    ),
    (
        Weak(Causal, Order::Process),
        ConsistencyModel::TransactionalCausal,
    ),
    (
        Strong(SnapshotIsolation, Order::None),
        ConsistencyModel::SnapshotIsolation,
    ),
    (
        Strong(Serializable, Order::None),
        ConsistencyModel::ViewSerializable,
    ),
    (
        Strong(Serializable, Order::None),
        ConsistencyModel::Serializable,
    ),
    (
        Strong(SnapshotIsolation, Order::Process),
        ConsistencyModel::StrongSessionSnapshotIsolation,
    ),
    (
        Strong(Serializable, Order::Process),
        ConsistencyModel::StrongSessionSerializable,
    ),
    (
        Strong(SnapshotIsolation, Order::Realtime),
        ConsistencyModel::StrongSnapshotIsolation,
    ),
    (
        Strong(Serializable, Order::Realtime),
        ConsistencyModel::StrictSerializable,
    ),
];

/// Models of transactions, and what they come to where every transaction has one access.
const SINGLE: [(ConsistencyModel, ConsistencyModel); 3] = [
    (
        ConsistencyModel::TransactionalCausal,
        ConsistencyModel::Causal,
    ),
    (
        ConsistencyModel::StrongSessionSerializable,
        ConsistencyModel::Sequential,
    ),
    (
        ConsistencyModel::StrictSerializable,
        ConsistencyModel::Linearizable,
    ),
];

/// The model of single operations that a model of transactions comes to.
pub(super) fn of_single(model: ConsistencyModel) -> ConsistencyModel {
    let found = SINGLE.into_iter().find(|&(known, _)| known == model);
    found.map_or(model, |(_, single)| single)
}

/// The model of transactions that comes to a model of single operations.
pub(super) fn of_transactions(model: ConsistencyModel) -> ConsistencyModel {
    let found = SINGLE.into_iter().find(|&(_, single)| single == model);
    found.map_or(model, |(known, _)| known)
}

impl Level {
    /// The level that decides a model; `None` if there is none.
    pub fn of(model: ConsistencyModel) -> Option<Self> {
        let mut levels = LEVELS.into_iter();
        levels.find_map(|(level, known)| (known == model).then_some(level))
    }

    /// The model that a violation of the level rules out.
    pub fn model(self) -> ConsistencyModel {
        let exact = LEVELS.into_iter().rev().find(|&(level, _)| level == self);
        exact.map_or(ConsistencyModel::TransactionalCausal, |(_, model)| model)
    }

    /// Whether every history that has this level has the other one.
    pub fn implies(self, weaker: Self) -> bool {
        self.rank() >= weaker.rank() && self.order() >= weaker.order()
    }

    /// The levels that this one implies, itself last, the weaker ones first.
    pub fn with_weaker(self) -> impl Iterator<Item = Self> {
        let weaker = LEVELS.into_iter().map(|(level, _)| level);
        let weaker = weaker.filter(move |&level| level != self && self.implies(level));
        weaker.chain([self])
    }

    fn order(self) -> Order {
        match self {
            Weak(_, order) | Strong(_, order) => order,
        }
    }

    fn rank(self) -> u8 {
        match self {
            Weak(level, _) => level as u8,
            Strong(level, _) => 4 + level as u8,
        }
    }
}
