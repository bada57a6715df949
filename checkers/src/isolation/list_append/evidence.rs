//! Why one transaction came before another, in words.

use super::names::Names;
use super::transactions::{MicroOperation, Transactions};
use super::versions::Versions;
use crate::history::Outcome;
use crate::isolation::graph::{Edge, Kinds};

pub(super) struct Evidence<'a> {
    pub(super) transactions: &'a Transactions,
    pub(super) versions: &'a Versions,
    pub(super) names: &'a Names,
}

/// A sentence without its full stop, and the transaction whose read shows what it says, if that is
/// neither of the two.
pub(super) struct Clause {
    pub(super) sentence: String,
    pub(super) shown_by: Option<u32>,
}

impl From<String> for Clause {
    fn from(sentence: String) -> Self {
        Self {
            sentence,
            shown_by: None,
        }
    }
}

impl Evidence<'_> {
    /// Why the edge is there.
    pub(super) fn clause(&self, edge: Edge) -> Clause {
        let Edge { from, to, kind } = edge;
        let clause = match kind {
            Kinds::WRITE_WRITE => self.write_write(from, to),
            Kinds::WRITE_READ => self.write_read(from, to),
            Kinds::READ_WRITE => self.read_write(from, to),
            Kinds::PROCESS => self.process(from, to),
            _ => Some(self.realtime(from, to)),
        };
        clause.expect("an edge is there for a reason")
    }

    fn write_write(&self, from: u32, to: u32) -> Option<Clause> {
        self.transactions.operations_of(to).find_map(|operation| {
            let MicroOperation::Append { key, element } = self.transactions.operation(operation)
            else {
                return None;
            };
            match self.versions.place_of(operation) {
                Some(place) => self.next_after(from, to, key, element, place),
                None => self.after_all(from, to, key, element),
            }
        })
    }

    /// The element stands right after one that `from` appended.
    fn next_after(&self, from: u32, to: u32, key: u32, element: u32, place: u32) -> Option<Clause> {
        let mut earlier = (0..place as usize).rev();
        let (before, writer) = earlier.find_map(|before| {
            let writer = self.versions.committed_writer(key, before);
            writer.map(|writer| (before, writer))
        })?;
        (writer == from).then(|| {
            let last = self.versions.list(self.transactions, key)[before];
            self.clause_of_list(
                key,
                format!(
                    "transaction {to} appended {} to key {} after transaction {from} had appended {}",
                    self.names.element(element),
                    self.names.key(key),
                    self.names.element(last),
                ),
            )
        })
    }

    /// No read shows the element, and the last one read is of `from`.
    fn after_all(&self, from: u32, to: u32, key: u32, element: u32) -> Option<Clause> {
        let list = self.versions.list(self.transactions, key);
        let is_last = self.versions.last_writer(key, list.len()) == Some(from);
        let is_unobserved = self.versions.unobserved(key).contains(&to);
        (is_last && is_unobserved).then(|| {
            self.clause_of_list(
                key,
                format!(
                    "transaction {to} appended {} to key {}, of which the longest read, {}, shows the last append of transaction {from} but not that one",
                    self.names.element(element),
                    self.names.key(key),
                    self.names.list(list),
                ),
            )
        })
    }

    fn clause_of_list(&self, key: u32, sentence: String) -> Clause {
        let longest = self.versions.longest_read(key);
        Clause {
            sentence,
            shown_by: longest.map(|read| self.transactions.transaction_of(read)),
        }
    }

    fn reads(&self, transaction: u32) -> impl Iterator<Item = (u32, &[u32])> {
        let operations = self.transactions.operations_of(transaction);
        operations.filter_map(|operation| match self.transactions.operation(operation) {
            MicroOperation::Read { key, list }
                if self.versions.list(self.transactions, key).starts_with(list) =>
            {
                Some((key, list))
            }
            _ => None,
        })
    }

    fn write_read(&self, from: u32, to: u32) -> Option<Clause> {
        let is_last =
            |&(key, list): &(u32, &[u32])| self.versions.last_writer(key, list.len()) == Some(from);
        let (key, list) = self.reads(to).find(is_last)?;
        let mut writing = self.versions.writing_transactions(key)[..list.len()].iter();
        let place = writing.rposition(|&writer| writer == from)?;
        let sentence = format!(
            "transaction {to}'s read of key {}, {}, shows transaction {from}'s append of {}",
            self.names.key(key),
            self.names.list(list),
            self.names.element(list[place]),
        );
        Some(sentence.into())
    }

    fn read_write(&self, from: u32, to: u32) -> Option<Clause> {
        let (key, list, element) = self.reads(from).find_map(|(key, list)| {
            let element = match self.versions.next_writer(key, list.len()) {
                Some(next) if next == to => self.appended(to, key, list.len()),
                None if self.versions.unobserved(key).contains(&to) => {
                    self.appended(to, key, list.len())
                }
                _ => None,
            };
            element.map(|element| (key, list, element))
        })?;
        let sentence = format!(
            "transaction {from}'s read of key {}, {}, does not show transaction {to}'s append of {}",
            self.names.key(key),
            self.names.list(list),
            self.names.element(element),
        );
        // If nobody knows how it ended, only a read shows that it took place.
        match self.transactions.header(to).outcome {
            Outcome::Ok => Some(sentence.into()),
            _ => Some(self.clause_of_list(key, sentence)),
        }
    }

    /// What the transaction appended to the key at a place from `length` on.
    fn appended(&self, transaction: u32, key: u32, length: usize) -> Option<u32> {
        let mut operations = self.transactions.operations_of(transaction);
        operations.find_map(|operation| match self.transactions.operation(operation) {
            MicroOperation::Append { key: own, element } if own == key => {
                let place = self.versions.place_of(operation);
                let is_later = place.is_none_or(|place| place as usize >= length);
                is_later.then_some(element)
            }
            _ => None,
        })
    }

    fn process(&self, from: u32, to: u32) -> Option<Clause> {
        let process = self.transactions.header(from).process;
        let sentence =
            format!("process {process} did transaction {from} before it began transaction {to}");
        Some(sentence.into())
    }

    fn realtime(&self, from: u32, to: u32) -> Clause {
        let returned = self.transactions.header(from).completed;
        let invoked = self.transactions.header(to).invoked;
        let sentence = format!(
            "transaction {from} returned at {} before transaction {to} was invoked at {}",
            self.names.event(returned),
            self.names.event(invoked),
        );
        sentence.into()
    }
}
