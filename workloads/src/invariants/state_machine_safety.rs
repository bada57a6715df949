//! State machine safety: at one index all servers apply the same (Raft, figure 3).

use std::collections::BTreeMap;

use squall_checkers::verdict::Anomaly;

use super::broken;

/// What has been applied where.
#[derive(Debug, Default)]
pub struct StateMachineSafety {
    applied: BTreeMap<u64, Applied>,
}

#[derive(Debug)]
struct Applied {
    server: u32,
    term: u64,
    command: u64,
}

impl StateMachineSafety {
    /// A server has applied the command of this hash, of an entry of this term, at an index.
    pub fn applies(&mut self, server: u32, index: u64, term: u64, command: u64) -> Option<Anomaly> {
        let first = self.applied.entry(index).or_insert(Applied {
            server,
            term,
            command,
        });
        let Applied {
            server: other,
            term: other_term,
            command: other_command,
        } = *first;
        (other_term != term || other_command != command).then(|| {
            let sentence = format!(
                "At index {index} server n{other} applied an entry of term {other_term} and server \
                 n{server} another, of term {term}: what is committed must never change."
            );
            broken(
                "state-machine-safety",
                "two-commands-at-one-index",
                sentence,
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_must_apply_the_same() {
        let mut invariant = StateMachineSafety::default();
        assert_eq!(invariant.applies(0, 1, 1, 7), None);
        assert_eq!(invariant.applies(1, 1, 1, 7), None);
        assert!(invariant.applies(2, 1, 2, 7).is_some());
        assert!(invariant.applies(2, 1, 1, 8).is_some());
    }
}
