//! Client sessions: what makes a retry harmless (dissertation, section 6.3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::raft::Index;
use super::{Answer, Execute};

/// A session's name: the index of the log entry that opened it, and so never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// All sessions that have not expired.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sessions {
    sessions: BTreeMap<SessionId, Session>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    /// The last entry that used the session. It stands for the time, of which nodes have no common one.
    used: Index,
    /// The client knows the answers to all lower sequence numbers.
    lowest_unacknowledged: u64,
    /// The other answers, by sequence number.
    answers: BTreeMap<u64, Answer>,
}

/// Where an operation stands when it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has not been carried out.
    First,
    /// It has been, with this answer.
    Answered(Answer),
    /// It has been, and the client knows the answer.
    Acknowledged,
    /// There is no room for another answer.
    Crowded,
    /// Without its session nothing can be told.
    Unknown,
}

impl Sessions {
    /// Opens a session. If there are `most` already, those that were used least lately expire.
    pub(super) fn open(&mut self, index: Index, most: usize) -> SessionId {
        while self.sessions.len() >= most {
            let oldest = self.sessions.iter().min_by_key(|(_, session)| session.used);
            let oldest = *oldest.expect("`most` is not zero").0;
            self.sessions.remove(&oldest);
        }
        let id = SessionId(index.0);
        let session = Session {
            used: index,
            lowest_unacknowledged: 0,
            answers: BTreeMap::new(),
        };
        self.sessions.insert(id, session);
        id
    }

    /// Finds out whether an operation is new, and drops the answers that its client has acknowledged.
    pub(super) fn standing(&mut self, index: Index, execute: &Execute, most: usize) -> Standing {
        let Some(session) = self.sessions.get_mut(&execute.session) else {
            return Standing::Unknown;
        };
        session.used = index;
        session.acknowledge(execute.lowest_unacknowledged.min(execute.sequence));
        if execute.sequence < session.lowest_unacknowledged {
            return Standing::Acknowledged;
        }
        match session.answers.get(&execute.sequence) {
            Some(answer) => Standing::Answered(answer.clone()),
            None if session.answers.len() >= most => Standing::Crowded,
            None => Standing::First,
        }
    }

    pub(super) fn remember(&mut self, id: SessionId, sequence: u64, answer: Answer) {
        let session = self
            .sessions
            .get_mut(&id)
            .expect("its standing was asked for");
        let before = session.answers.insert(sequence, answer);
        assert!(before.is_none(), "an operation was carried out twice");
    }

    /// Keeps the sessions but forgets what was answered: a retry is then carried out again.
    pub(super) fn forget_answers(&mut self) {
        for session in self.sessions.values_mut() {
            session.answers.clear();
        }
    }
}

impl Session {
    fn acknowledge(&mut self, lowest_unacknowledged: u64) {
        if lowest_unacknowledged > self.lowest_unacknowledged {
            self.lowest_unacknowledged = lowest_unacknowledged;
            self.answers = self.answers.split_off(&lowest_unacknowledged);
        }
    }
}
