//! The names of the files in a store's directory.

use std::path::PathBuf;

/// What a checkpoint is called until it is whole.
pub(super) const TEMPORARY: &str = "checkpoint.tmp";

const LOG: &str = "wal-";
const CHECKPOINT: &str = "checkpoint-";
const DIGITS: usize = 20;
/// No store lives to see such a number, and sums cannot overflow below.
const NUMBER_MAX: u64 = 1 << 62;

pub(super) fn log(number: u64) -> String {
    format!("{LOG}{number:0DIGITS$}")
}

pub(super) fn checkpoint(number: u64) -> String {
    format!("{CHECKPOINT}{number:0DIGITS$}")
}

/// What of the store's own is in its directory; other files are no business of the store's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// In order.
    pub(super) logs: Vec<u64>,
    /// In order.
    pub(super) checkpoints: Vec<u64>,
    pub(super) has_temporary: bool,
}

impl Found {
    pub(super) fn among(paths: &[PathBuf]) -> Self {
        let names = || {
            let name = |path: &'_ PathBuf| Some(path.file_name()?.to_str()?.to_owned());
            paths.iter().filter_map(name)
        };
        let numbers = |prefix| {
            let mut numbers: Vec<u64> = names().filter_map(|name| number(prefix, &name)).collect();
            numbers.sort_unstable();
            numbers
        };
        Self {
            logs: numbers(LOG),
            checkpoints: numbers(CHECKPOINT),
            has_temporary: names().any(|name| name == TEMPORARY),
        }
    }

    /// The generation that counts: that of the latest checkpoint.
    pub(super) fn generation(&self) -> u64 {
        self.checkpoints.last().copied().unwrap_or(0)
    }
}

fn number(prefix: &str, name: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?;
    let is_number = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = is_number.then(|| digits.parse().ok())??;
    (number <= NUMBER_MAX).then_some(number)
}
