//! The names of the files in a log's directory.

use std::path::PathBuf;

use crate::consensus::raft::Index;

/// What a snapshot is called until it is whole.
pub(super) const TEMPORARY: &str = "snapshot.tmp";

const SEGMENT: &str = "log-";
const SNAPSHOT: &str = "snapshot-";
const DIGITS: usize = 20;
/// No log lives to see such a number, and sums cannot overflow below.
const NUMBER_MAX: u64 = 1 << 62;

pub(super) fn segment(sequence: u64) -> String {
    format!("{SEGMENT}{sequence:0DIGITS$}")
}

/// By the last entry that it covers.
pub(super) fn snapshot(last: Index) -> String {
    format!("{SNAPSHOT}{:0DIGITS$}", last.0)
}

/// What of the log's own is in its directory; other files are no business of the log's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// In order.
    pub(super) segments: Vec<u64>,
    /// In order.
    pub(super) snapshots: Vec<Index>,
    pub(super) has_temporary: bool,
}

impl Found {
    pub(super) fn among(paths: &[PathBuf]) -> Self {
        let names = || {
            paths
                .iter()
                .filter_map(|path| path.file_name().and_then(|name| name.to_str()))
        };
        let numbers = |prefix| {
            let mut numbers: Vec<u64> = names().filter_map(|name| number(prefix, name)).collect();
            numbers.sort_unstable();
            numbers
        };
        Self {
            segments: numbers(SEGMENT),
            snapshots: numbers(SNAPSHOT).into_iter().map(Index).collect(),
            has_temporary: names().any(|name| name == TEMPORARY),
        }
    }

    /// Splits off the segments in front of the last gap.
    ///
    /// Segments are deleted oldest first, but the power may go before that is durable, and then any of
    /// them come back. Those in front of a gap were deleted.
    pub(super) fn take_deleted_segments(&mut self) -> Vec<u64> {
        let gap = self
            .segments
            .windows(2)
            .rposition(|pair| pair[0] + 1 != pair[1]);
        let run = self.segments.split_off(gap.map_or(0, |gap| gap + 1));
        std::mem::replace(&mut self.segments, run)
    }
}

fn number(prefix: &str, name: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?;
    let is_number = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = is_number.then(|| digits.parse().ok())??;
    (1..=NUMBER_MAX).contains(&number).then_some(number)
}
