//! The state as bytes: a format number, then the state in postcard's format. Equal states give equal bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use squall_sim::mutant;
use thiserror::Error;

use super::super::raft::Index;
use super::session::Sessions;
use super::{Limits, Service};

/// Why bytes are not a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    #[error("the snapshot is empty")]
    Empty,
    #[error("the snapshot has format {found}, this build reads format {FORMAT}")]
    Format { found: u8 },
    #[error("the snapshot cannot be decoded: {0}")]
    Malformed(postcard::Error),
    #[error("{count} bytes follow the snapshot")]
    TrailingBytes { count: usize },
}

/// All of the state that commands can change.
#[derive(Serialize, Deserialize)]
struct State {
    applied: Index,
    values: BTreeMap<String, String>,
    /// Without the sessions a retry that comes after a restart would be carried out again.
    sessions: Sessions,
}

impl Service {
    /// The state, for [`Service::restore`].
    pub fn snapshot(&self) -> Vec<u8> {
        let mut state = State {
            applied: self.applied,
            values: self.values.clone(),
            sessions: self.sessions.clone(),
        };
        if mutant!("service.session-forgotten") {
            state.sessions.forget_answers();
        }
        postcard::to_extend(&state, vec![FORMAT])
            .expect("the state has nothing that cannot be encoded")
    }

    /// The state that the bytes stand for.
    pub fn restore(limits: Limits, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let (format, bytes) = bytes.split_first().ok_or(SnapshotError::Empty)?;
        if *format != FORMAT {
            return Err(SnapshotError::Format { found: *format });
        }
        let (state, rest) =
            postcard::take_from_bytes::<State>(bytes).map_err(SnapshotError::Malformed)?;
        if !rest.is_empty() {
            return Err(SnapshotError::TrailingBytes { count: rest.len() });
        }
        Ok(Self {
            limits,
            applied: state.applied,
            values: state.values,
            sessions: state.sessions,
        })
    }
}

const FORMAT: u8 = 1;
