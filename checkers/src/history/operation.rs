//! Operations: what a history is judged by.

use super::{History, ValueRef};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Ok,
    Fail,
    /// `info`, or no completion at all.
    Info,
}

/// An invocation and its completion, as they lie in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation<'h> {
    /// The operation's place in the order of invocations.
    pub id: usize,
    pub process: u64,
    pub f: &'h str,
    pub key: Option<ValueRef<'h>>,
    /// The value of the invocation.
    pub input: ValueRef<'h>,
    /// The value of the `ok` event; for other outcomes the value that the completion carried, if any.
    pub output: ValueRef<'h>,
    pub outcome: Outcome,
    /// The index of the invocation among the history's events.
    pub invoked: usize,
    /// The index of the completion; `None` where the outcome is `Info`: it may take effect at any
    /// later time.
    pub completed: Option<usize>,
    pub invoked_ns: u64,
    /// When the completion (of any kind) was recorded.
    pub completed_ns: Option<u64>,
    pub error: Option<&'h str>,
}

/// The operations of a history in the order of their invocations: an operation's id is its index.
///
/// Beside whole [`Operation`]s it gives single fields, for who looks at few of them in many operations,
/// and numbers that stand for names, keys and processes. These panic where there is no such operation.
#[derive(Clone, Copy)]
pub struct Operations<'h>(pub(super) &'h History);

impl<'h> Operations<'h> {
    pub fn len(self) -> usize {
        self.0.operation_count()
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub fn get(self, id: usize) -> Option<Operation<'h>> {
        (id < self.len()).then(|| self.0.operation(id))
    }

    pub fn iter(self) -> OperationsIter<'h> {
        OperationsIter {
            history: self.0,
            ids: 0..self.len(),
        }
    }
}

impl fmt::Debug for Operations<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

impl<'h> IntoIterator for Operations<'h> {
    type Item = Operation<'h>;
    type IntoIter = OperationsIter<'h>;

    fn into_iter(self) -> OperationsIter<'h> {
        self.iter()
    }
}

/// The operations of a history, from either end.
#[derive(Clone)]
pub struct OperationsIter<'h> {
    history: &'h History,
    ids: Range<usize>,
}

impl<'h> Iterator for OperationsIter<'h> {
    type Item = Operation<'h>;

    fn next(&mut self) -> Option<Operation<'h>> {
        self.ids.next().map(|id| self.history.operation(id))
    }

    fn nth(&mut self, count: usize) -> Option<Operation<'h>> {
        self.ids.nth(count).map(|id| self.history.operation(id))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ids.size_hint()
    }
}

impl DoubleEndedIterator for OperationsIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.ids.next_back().map(|id| self.history.operation(id))
    }
}

impl ExactSizeIterator for OperationsIter<'_> {}
