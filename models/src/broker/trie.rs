//! Who is interested in a subject: a tree of words, with a branch for each wildcard.
//!
//! Finding the matches of a subject costs as many steps as the tree has paths that it matches, not
//! as many as there are subscriptions.

use std::collections::{BTreeMap, BTreeSet};

/// Values by the filters that they are interested in.
#[derive(Debug)]
pub struct Trie<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    words: BTreeMap<String, Self>,
    /// What follows a `*` in this place.
    any: Option<Box<Self>>,
    /// Filters that end here.
    here: BTreeSet<T>,
    /// Filters with a `>` in this place.
    rest: BTreeSet<T>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self {
            words: BTreeMap::new(),
            any: None,
            here: BTreeSet::new(),
            rest: BTreeSet::new(),
        }
    }
}

impl<T> Default for Trie<T> {
    fn default() -> Self {
        Self {
            root: Node::default(),
        }
    }
}

impl<T: Copy + Ord> Trie<T> {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an interest. The filter has to be valid: see [`is_filter`](super::subject::is_filter).
    pub fn insert(&mut self, filter: &str, value: T) {
        let mut node = &mut self.root;
        for word in filter.split('.') {
            node = match word {
                ">" => {
                    node.rest.insert(value);
                    return;
                }
                "*" => node.any.get_or_insert_default(),
                word => node.words.entry(word.to_owned()).or_default(),
            };
        }
        node.here.insert(value);
    }

    /// Takes an interest away, and the branches that only it needed.
    pub fn remove(&mut self, filter: &str, value: T) {
        let words: Vec<&str> = filter.split('.').collect();
        self.root.remove(&words, value);
    }

    /// The values whose filters match a subject, each once, in order.
    pub fn matches(&self, subject: &str) -> BTreeSet<T> {
        let words: Vec<&str> = subject.split('.').collect();
        let mut found = BTreeSet::new();
        self.root.collect(&words, &mut found);
        found
    }

    pub fn is_empty(&self) -> bool {
        self.root.is_empty()
    }
}

impl<T: Copy + Ord> Node<T> {
    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.any.is_none() && self.here.is_empty() && self.rest.is_empty()
    }

    fn remove(&mut self, words: &[&str], value: T) {
        let Some((word, behind)) = words.split_first() else {
            self.here.remove(&value);
            return;
        };
        match *word {
            ">" => {
                self.rest.remove(&value);
            }
            "*" => {
                if let Some(any) = &mut self.any {
                    any.remove(behind, value);
                    if any.is_empty() {
                        self.any = None;
                    }
                }
            }
            word => {
                if let Some(node) = self.words.get_mut(word) {
                    node.remove(behind, value);
                    if node.is_empty() {
                        self.words.remove(word);
                    }
                }
            }
        }
    }

    fn collect(&self, words: &[&str], found: &mut BTreeSet<T>) {
        let Some((word, behind)) = words.split_first() else {
            found.extend(&self.here);
            return;
        };
        found.extend(&self.rest);
        if let Some(node) = self.words.get(*word) {
            node.collect(behind, found);
        }
        if let Some(any) = &self.any {
            any.collect(behind, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::broker::subject;

    fn words(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
        vec(proptest::sample::select(choices), 1..5).prop_map(|words| words.join("."))
    }

    proptest! {
        #[test]
        fn agrees_with_trying_every_filter(
            changes in vec((words(&["a", "b", "*", ">"]), 0..6_u8, prop::bool::weighted(0.3)), 0..40),
            subjects in vec(words(&["a", "b", "c"]), 1..8),
        ) {
            let mut trie = Trie::new();
            let mut naive = BTreeSet::new();
            for (filter, value, is_removal) in changes {
                if !subject::is_filter(&filter) {
                    continue;
                }
                if is_removal {
                    trie.remove(&filter, value);
                    naive.remove(&(filter, value));
                } else {
                    trie.insert(&filter, value);
                    naive.insert((filter, value));
                }
            }
            for subject in subjects {
                let expected: BTreeSet<u8> = naive
                    .iter()
                    .filter(|(filter, _)| subject::matches(filter, &subject))
                    .map(|(_, value)| *value)
                    .collect();
                prop_assert_eq!(trie.matches(&subject), expected);
            }
            for (filter, value) in naive {
                trie.remove(&filter, value);
            }
            prop_assert!(trie.is_empty());
        }
    }
}
