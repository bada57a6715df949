//! Tests of the log as a whole.

use squall_sim::engine;

use super::DurableLog;
use crate::consensus::raft::{
    Entry, EntryId, HardState, Index, NodeId, Payload, Ready, Restored, Term,
};

#[test]
fn what_was_stored_is_restored() {
    let outcome = engine::run(engine::Config::new(1), || async {
        let (mut log, restored) = DurableLog::open("/data/log").await.unwrap();
        assert_eq!(restored.entries, Restored::default().entries);
        let hard_state = HardState {
            term: Term(1),
            voted_for: Some(NodeId(0)),
        };
        let entry = Entry {
            id: EntryId {
                term: Term(1),
                index: Index(1),
            },
            payload: Payload::Command(vec![1, 2, 3]),
        };
        let ready = Ready {
            hard_state: Some(hard_state),
            entries: vec![entry.clone()],
            ..Ready::default()
        };
        log.store(&ready).await.unwrap();
        log.store(&Ready::default()).await.unwrap();
        drop(log);
        let (_, restored) = DurableLog::open("/data/log").await.unwrap();
        assert_eq!(restored.hard_state, hard_state);
        assert_eq!(restored.entries, vec![entry]);
    });
    assert_eq!(outcome.unwrap().panics, vec![]);
}
