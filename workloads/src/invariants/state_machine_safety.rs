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
    state: u64,
}

/// What a server says that it has applied at an index.
#[derive(Clone, Copy, Debug)]
pub struct Application {
    pub term: u64,
    /// A hash of the command.
    pub command: u64,
    /// A hash of the state after it.
    pub state: u64,
}

impl StateMachineSafety {
    /// A server has applied something at an index.
    pub fn applies(
        &mut self,
        server: u32,
        index: u64,
        application: Application,
    ) -> Option<Anomaly> {
        let Application {
            term,
            command,
            state,
        } = application;
        let first = self.applied.entry(index).or_insert(Applied {
            server,
            term,
            command,
            state,
        });
        let Applied {
            server: other,
            term: other_term,
            ..
        } = *first;
        if first.command != command || other_term != term {
            let sentence = format!(
                "At index {index} server n{other} applied an entry of term {other_term} and server \
                 n{server} another, of term {term}: what is committed must never change."
            );
            return Some(broken(
                "state-machine-safety",
                "two-commands-at-one-index",
                sentence,
            ));
        }
        (first.state != state).then(|| {
            let sentence = format!(
                "Servers n{other} and n{server} applied the same entries up to index {index}, and came \
                 to different states: what is applied must depend on the log alone."
            );
            broken("state-machine-safety", "states-that-differ", sentence)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_must_apply_the_same_to_the_same_effect() {
        let application = |term, command, state| Application {
            term,
            command,
            state,
        };
        let mut invariant = StateMachineSafety::default();
        assert_eq!(invariant.applies(0, 1, application(1, 7, 9)), None);
        assert_eq!(invariant.applies(1, 1, application(1, 7, 9)), None);
        let class_of = |anomaly: Option<Anomaly>| anomaly.map(|anomaly| anomaly.class);
        let two_commands = Some("two-commands-at-one-index".to_owned());
        assert_eq!(
            class_of(invariant.applies(2, 1, application(2, 7, 9))),
            two_commands
        );
        assert_eq!(
            class_of(invariant.applies(2, 1, application(1, 8, 9))),
            two_commands
        );
        let states = Some("states-that-differ".to_owned());
        assert_eq!(
            class_of(invariant.applies(2, 1, application(1, 7, 8))),
            states
        );
    }
}
