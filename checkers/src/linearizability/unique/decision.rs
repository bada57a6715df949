//! What an algorithm for unique values answers.

/// The answer of an algorithm for unique values. Operations are told by their index in its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The operations can have happened in this order. Uncertain ones that are missing here did not.
    Order(Vec<u32>),
    /// They cannot have happened in any order.
    Conflict(Conflict),
    /// The input is not of the kind that this algorithm decides; the text says why.
    Undecided(String),
}

/// A few operations that together are impossible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// See [`crate::verdict::Anomaly::class`].
    pub(crate) class: &'static str,
    /// One sentence in the terms of the object. Events are told by their index.
    pub(crate) sentence: String,
    /// Whose certain ends make it impossible, whatever the others did: indices in the input, ascending.
    pub(crate) operations: Vec<u32>,
    /// Others that are needed for that, but that say nothing to a reader one by one; ascending.
    pub(crate) suspects: Vec<u32>,
    /// Whether each of both was shown to be needed.
    pub(crate) is_minimal: bool,
}

impl Conflict {
    pub(super) fn new(class: &'static str, sentence: String, operations: &[u32]) -> Self {
        let mut operations = operations.to_vec();
        operations.sort_unstable();
        operations.dedup();
        Self {
            class,
            sentence,
            operations,
            suspects: Vec::new(),
            is_minimal: false,
        }
    }

    pub(super) fn with_suspects(self, suspects: Vec<u32>) -> Self {
        Self { suspects, ..self }
    }

    /// The same, with no operation named but these.
    pub(super) fn within(mut self, certain: &[u32]) -> Self {
        self.operations.retain(|named| certain.contains(named));
        self.suspects.retain(|suspect| certain.contains(suspect));
        self
    }

    /// All that is needed, ascending.
    pub(super) fn core(&self) -> Vec<u32> {
        let mut core = [&self.operations[..], &self.suspects].concat();
        core.sort_unstable();
        core.dedup();
        core
    }
}
