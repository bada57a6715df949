//! Transactions of appends and reads in columns: what the judge needs, 13 bytes a micro-operation and 4
//! an element of a read, and nothing for a read that shows the beginning of the one stored before it.

use crate::history::Outcome;
use std::ops::Range;

/// What one step of a transaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MicroOperation<'a> {
    Append {
        key: u32,
        element: u32,
    },
    /// The elements from the first to the last one appended.
    Read {
        key: u32,
        list: &'a [u32],
    },
    /// A read of which nobody knows what it returned.
    UnknownRead {
        key: u32,
    },
}

impl MicroOperation<'_> {
    /// The list that it reads or appends to.
    pub fn key(&self) -> u32 {
        match *self {
            Self::Append { key, .. } | Self::Read { key, .. } | Self::UnknownRead { key } => key,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Append,
    Read,
    UnknownRead,
}

/// Who did a transaction, when, and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub process: u64,
    pub outcome: Outcome,
    /// Indices among the events of the history; of a transaction whose outcome is `Info` the second
    /// is not looked at.
    pub invoked: u32,
    pub completed: u32,
}

/// Transactions in the order of their invocations, numbered from 0, and their micro-operations, numbered
/// from 0 through all transactions. Keys are numbers from 0 on, without large gaps; elements are any.
#[derive(Clone, Debug, Default)]
pub struct Transactions {
    headers: Vec<Header>,
    /// The micro-operation after the last one of each transaction.
    ends: Vec<u32>,
    functions: Vec<Function>,
    keys: Vec<u32>,
    /// Of an append the element, of a read where in `elements` its list begins.
    values: Vec<u32>,
    lengths: Vec<u32>,
    elements: Vec<u32>,
    /// The list of each key that was stored last: start and length.
    stored: Vec<(u32, u32)>,
}

impl Transactions {
    /// Begins the next transaction.
    ///
    /// # Panics
    /// If it was invoked before the one before.
    pub fn begin(&mut self, header: Header) {
        let last = self.headers.last();
        assert!(
            last.is_none_or(|last| last.invoked < header.invoked),
            "transactions stand in the order of their invocations"
        );
        self.headers.push(header);
        self.ends.push(self.operation_count());
    }

    /// Adds an append to the transaction begun last.
    pub fn append(&mut self, key: u32, element: u32) {
        self.push(Function::Append, key, element, 0);
    }

    /// Adds a read of which nobody knows what it returned.
    pub fn unknown_read(&mut self, key: u32) {
        self.push(Function::UnknownRead, key, 0, 0);
    }

    /// Adds a read to the transaction begun last.
    ///
    /// # Panics
    /// If all lists that had to be stored have 2^32 elements or more.
    pub fn read(&mut self, key: u32, list: &[u32]) {
        let start = self.store(key, list);
        self.push(Function::Read, key, start, list.len() as u32);
    }

    fn push(&mut self, function: Function, key: u32, value: u32, length: u32) {
        self.functions.push(function);
        self.keys.push(key);
        self.values.push(value);
        self.lengths.push(length);
        if self.stored.len() <= key as usize {
            self.stored.resize(key as usize + 1, (0, 0));
        }
        let end = self.ends.last_mut().expect("a transaction was begun");
        *end += 1;
    }

    /// Where the list stands among the elements: if it begins as the one stored last for its key does,
    /// it stands there already, or needs only the rest.
    fn store(&mut self, key: u32, list: &[u32]) -> u32 {
        let (start, length) = self.stored.get(key as usize).copied().unwrap_or_default();
        let stored = &self.elements[start as usize..][..length as usize];
        if stored.starts_with(list) {
            return start;
        }
        let is_last = start as usize + stored.len() == self.elements.len();
        let (start, rest) = if is_last && list.starts_with(stored) {
            (start as usize, &list[stored.len()..])
        } else {
            (self.elements.len(), list)
        };
        self.elements.extend_from_slice(rest);
        assert!(
            u32::try_from(self.elements.len()).is_ok(),
            "2^32 elements or more"
        );
        if self.stored.len() <= key as usize {
            self.stored.resize(key as usize + 1, (0, 0));
        }
        self.stored[key as usize] = (start as u32, list.len() as u32);
        start as u32
    }

    /// How many transactions there are.
    pub fn count(&self) -> u32 {
        self.headers.len() as u32
    }

    /// How many micro-operations they have.
    pub fn operation_count(&self) -> u32 {
        self.functions.len() as u32
    }

    /// One more than the largest key.
    pub fn key_count(&self) -> u32 {
        self.stored.len() as u32
    }

    /// How many micro-operations the first `count` transactions have, and how many elements their reads
    /// show together.
    pub(super) fn size_of(&self, count: u32) -> u64 {
        let lengths = self.lengths[..self.operations_before(count) as usize].iter();
        lengths.map(|&length| 1 + u64::from(length)).sum()
    }

    /// How many micro-operations a transaction has, and how many elements its reads show together.
    pub(super) fn size_of_one(&self, transaction: u32) -> u64 {
        let operations = self.operations_of(transaction);
        let lengths = &self.lengths[operations.start as usize..operations.end as usize];
        lengths.iter().map(|&length| 1 + u64::from(length)).sum()
    }

    pub fn header(&self, transaction: u32) -> &Header {
        &self.headers[transaction as usize]
    }

    /// The micro-operations of a transaction.
    pub fn operations_of(&self, transaction: u32) -> Range<u32> {
        self.operations_before(transaction)..self.ends[transaction as usize]
    }

    /// How many micro-operations the transactions before this one have.
    pub(super) fn operations_before(&self, transaction: u32) -> u32 {
        match transaction {
            0 => 0,
            _ => self.ends[transaction as usize - 1],
        }
    }

    /// The transaction that a micro-operation is of.
    pub fn transaction_of(&self, operation: u32) -> u32 {
        self.ends.partition_point(|&end| end <= operation) as u32
    }

    /// What a read showed; nothing for other micro-operations.
    pub(super) fn list(&self, read: u32) -> &[u32] {
        match self.operation(read) {
            MicroOperation::Read { list, .. } => list,
            _ => &[],
        }
    }

    /// A micro-operation by its number.
    pub fn operation(&self, operation: u32) -> MicroOperation<'_> {
        let index = operation as usize;
        let (key, value) = (self.keys[index], self.values[index]);
        match self.functions[index] {
            Function::Append => MicroOperation::Append {
                key,
                element: value,
            },
            Function::Read => MicroOperation::Read {
                key,
                list: &self.elements[value as usize..][..self.lengths[index] as usize],
            },
            Function::UnknownRead => MicroOperation::UnknownRead { key },
        }
    }
}

/// What is known of transactions when the events up to one have been seen: what completes later may
/// have happened. That is how the first event is found which a history cannot do with.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) transactions: &'a Transactions,
    /// The events before this one have been seen.
    until: u32,
    /// How many transactions had begun by then.
    begun: u32,
}

impl<'a> Known<'a> {
    pub(super) fn all(transactions: &'a Transactions) -> Self {
        Self {
            transactions,
            until: u32::MAX,
            begun: transactions.count(),
        }
    }

    /// What the events before this one tell.
    pub(super) fn before(transactions: &'a Transactions, event: u32) -> Self {
        let headers = &transactions.headers;
        Self {
            transactions,
            until: event,
            begun: headers.partition_point(|header| header.invoked < event) as u32,
        }
    }

    /// How many transactions had begun. Of the others something may be known too: what they appended
    /// may have been read.
    pub(super) fn begun(&self) -> u32 {
        self.begun
    }

    pub(super) fn outcome(&self, transaction: u32) -> Outcome {
        let header = self.transactions.header(transaction);
        if header.completed < self.until {
            header.outcome
        } else {
            Outcome::Info
        }
    }

    pub(super) fn is_ok(&self, transaction: u32) -> bool {
        self.outcome(transaction) == Outcome::Ok
    }
}
