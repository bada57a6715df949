//! What the files say, as a pure function of their bytes.
//!
//! A crash can only leave behind a **torn tail**: one unit that was written and not yet synced, at the end of
//! the last segment. A unit is what one fsync makes durable: a frame, or a segment's header with its
//! first frame. Any part of the unit may be on the disk, since sectors reach it in any order. Nothing was
//! promised on the strength of it, so it is cut off.
//!
//! Everything else that does not check is a **broken middle**. A unit is begun only when the one before
//! is durable. Hence a bad unit in front of a good one *was* durable once, and has been damaged since;
//! and so is a bad unit in any segment but the last. What it held may have been promised: nothing is cut off there.
//!
//! Damage to the very last unit looks like a torn tail, and nothing on one disk can tell them apart
//! (Alagappan et al., *Protocol-Aware Recovery*, FAST 2018, section 3.3.3, needs a second place to write to).

use std::ops::Range;

use squall_sim::mutant;

use super::damage::{Damage, Problem};
use super::extents::Extents;
use super::format::{
    Change, SEGMENT_HEADER_BYTES, SegmentHeader, decode_change, decode_snapshot, find_payload,
};
use super::names;
use crate::consensus::raft::{Entry, EntryId, HardState, Index, Snapshot};
use crate::storage::frame;

/// A segment's number and bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentFile {
    pub(super) sequence: u64,
    pub(super) bytes: Vec<u8>,
}

/// What is left after a crash, and what has to be done about it.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) log: LogState,
    pub(super) extents: Extents,
    pub(super) end: End,
    /// The log ends before the snapshot does, or contradicts it: the node stopped after a leader's
    /// snapshot had been written, and before the log was restarted behind it. That is still to be done.
    pub(super) is_left_over: bool,
}

/// How the last segment ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// There is no segment yet.
    New,
    /// It has not a single whole unit: the node stopped while it was begun.
    Void { sequence: u64 },
    /// It ends with this unit, all but the end of which is known to be durable; what follows is torn.
    Unit { sequence: u64, unit: Range<usize> },
}

/// The log as the frames up to some point make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogState {
    pub(super) hard_state: HardState,
    /// The index of the first entry, or of the next one if there is none.
    pub(super) first: Index,
    pub(super) entries: Vec<Entry>,
}

/// Reads segments whose numbers follow each other, oldest first. `snapshot` is the last entry that the
/// latest one covers.
pub(super) fn recover(
    segments: &[SegmentFile],
    snapshot: Option<EntryId>,
) -> Result<Recovered, Damage> {
    let mut log = LogState::default();
    let mut extents = Extents::default();
    let mut end = End::New;
    for (position, segment) in segments.iter().enumerate() {
        let mut reader = Reader {
            segment,
            is_first: position == 0,
            is_last: position + 1 == segments.len(),
            log: &mut log,
            extents: &mut extents,
        };
        end = reader.read()?;
    }
    let is_left_over = check_snapshot(&log, &extents, &end, snapshot)?;
    Ok(Recovered {
        log,
        extents,
        end,
        is_left_over,
    })
}

/// Reads the snapshot whose name says that it covers the entries up to `last`. It got its name when it
/// was durable, so that no crash can have hurt it.
pub(super) fn recover_snapshot(last: Index, bytes: &[u8]) -> Result<Snapshot, Damage> {
    let snapshot = decode_snapshot(bytes).and_then(|snapshot| {
        let found = snapshot.last.index;
        if found == last {
            Ok(snapshot)
        } else {
            let expected = last;
            Err(Problem::OtherSnapshot { expected, found })
        }
    });
    snapshot.map_err(|problem| Damage {
        file: names::snapshot(last),
        offset: 0,
        problem,
    })
}

/// Whether the log is left over from before the snapshot.
fn check_snapshot(
    log: &LogState,
    extents: &Extents,
    end: &End,
    snapshot: Option<EntryId>,
) -> Result<bool, Damage> {
    let covered = snapshot.map_or(Index::ZERO, |last| last.index);
    let damage = |file, problem| Damage {
        file,
        offset: 0,
        problem,
    };
    let Some(oldest) = extents.oldest() else {
        let is_new = matches!(end, End::New | End::Void { sequence: 1 });
        if is_new && snapshot.is_none() {
            return Ok(false);
        }
        let file = match *end {
            End::Void { sequence } => names::segment(sequence),
            End::New | End::Unit { .. } => names::snapshot(covered),
        };
        return Err(damage(file, Problem::HardStateLost));
    };
    if log.first > covered.next() {
        let problem = Problem::Gap {
            first: log.first,
            snapshot: covered,
        };
        return Err(damage(names::segment(oldest), problem));
    }
    Ok(snapshot.is_some_and(|last| !log.reaches(last)))
}

struct Reader<'a> {
    segment: &'a SegmentFile,
    is_first: bool,
    is_last: bool,
    log: &'a mut LogState,
    extents: &'a mut Extents,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<End, Damage> {
        let sequence = self.segment.sequence;
        let mut end = End::Void { sequence };
        let header = match SegmentHeader::decode(sequence, &self.segment.bytes) {
            Ok(header) => header,
            Err(problem) => {
                self.require_torn(0, SEGMENT_HEADER_BYTES, problem)?;
                return Ok(end);
            }
        };
        let mut start = 0;
        let mut offset = SEGMENT_HEADER_BYTES;
        while start == 0 || offset < self.segment.bytes.len() {
            let payload = match find_payload(sequence, offset, &self.segment.bytes) {
                Ok(payload) => payload,
                Err(problem) => {
                    self.require_torn(offset, offset, problem)?;
                    break;
                }
            };
            if start == 0 {
                self.begin(header).map_err(|it| self.damage(0, it))?;
            }
            let next = payload.end;
            self.apply(payload).map_err(|it| self.damage(offset, it))?;
            end = End::Unit {
                sequence,
                unit: start..next,
            };
            (start, offset) = (next, next);
        }
        Ok(end)
    }

    /// A segment says from what state it goes on: that is how the loss of all before, once it is not
    /// wanted any more, is told from the loss of some of it.
    fn begin(&mut self, header: SegmentHeader) -> Result<(), Problem> {
        if self.is_first {
            self.log.hard_state = header.hard_state;
            self.log.restart_at(header.next)?;
        }
        let expected = self.log.next();
        if header.next != expected {
            let found = header.next;
            return Err(Problem::NotContiguous { expected, found });
        }
        if header.hard_state != self.log.hard_state {
            return Err(Problem::OtherHardState {
                expected: self.log.hard_state,
                found: header.hard_state,
            });
        }
        self.extents.begin(header.sequence);
        Ok(())
    }

    fn apply(&mut self, payload: Range<usize>) -> Result<(), Problem> {
        let change = decode_change(&self.segment.bytes[payload])?;
        self.extents.apply(&change);
        self.log.apply(change)
    }

    /// The unit with the frame at `frame` is bad: passes if a crash can have left it so.
    fn require_torn(&self, offset: usize, frame: usize, problem: Problem) -> Result<(), Damage> {
        // What else may be wrong has a right checksum, and so was written like that.
        let can_be_torn = matches!(problem, Problem::Bytes(_) | Problem::Magic { .. });
        let is_at_end = mutant!("log.broken-middle-cut-off") || !self.has_frame_behind(frame);
        if self.is_last && can_be_torn && is_at_end {
            return Ok(());
        }
        Err(self.damage(offset, problem))
    }

    /// Nothing tells where the frame after a bad one begins, so every byte is tried.
    fn has_frame_behind(&self, frame: usize) -> bool {
        let end = self.segment.bytes.len().saturating_sub(frame::HEADER_BYTES);
        (frame + 1..=end)
            .any(|offset| find_payload(self.segment.sequence, offset, &self.segment.bytes).is_ok())
    }

    fn damage(&self, offset: usize, problem: Problem) -> Damage {
        Damage {
            file: names::segment(self.segment.sequence),
            offset: offset as u64,
            problem,
        }
    }
}

impl Default for LogState {
    fn default() -> Self {
        Self {
            hard_state: HardState::default(),
            first: Index(1),
            entries: Vec::new(),
        }
    }
}

impl LogState {
    /// The index of the next entry.
    pub(super) fn next(&self) -> Index {
        Index(self.first.0 + self.entries.len() as u64)
    }

    /// Whether the log goes on from what a snapshot up to `last` stands for.
    fn reaches(&self, last: EntryId) -> bool {
        let Some(position) = last.index.0.checked_sub(self.first.0) else {
            // The snapshot ends right before the first entry: the entries that it covers have been deleted.
            return true;
        };
        usize::try_from(position)
            .ok()
            .and_then(|position| self.entries.get(position))
            .is_some_and(|entry| entry.id == last)
    }

    pub(super) fn apply(&mut self, change: Change<'_>) -> Result<(), Problem> {
        if let Some(hard_state) = change.hard_state {
            self.hard_state = hard_state;
        }
        if let Some(index) = change.restart_at {
            self.restart_at(index)?;
        }
        if let Some(index) = change.truncate_from {
            self.truncate_from(index)?;
        }
        for entry in change.entries.into_owned() {
            let expected = self.next();
            if entry.id.index != expected {
                let found = entry.id.index;
                return Err(Problem::NotContiguous { expected, found });
            }
            self.entries.push(entry);
        }
        Ok(())
    }

    fn restart_at(&mut self, index: Index) -> Result<(), Problem> {
        if index == Index::ZERO || index.0 > INDEX_MAX {
            return Err(Problem::NotContiguous {
                expected: self.next(),
                found: index,
            });
        }
        self.first = index;
        self.entries.clear();
        Ok(())
    }

    fn truncate_from(&mut self, index: Index) -> Result<(), Problem> {
        if index == Index::ZERO || index > self.next() {
            return Err(Problem::NotContiguous {
                expected: self.next(),
                found: index,
            });
        }
        if index < self.first {
            // The cut goes through a segment that has been deleted since, which only what a snapshot covers is.
            return self.restart_at(index);
        }
        let keep = usize::try_from(index.0 - self.first.0).expect("no more than there are entries");
        self.entries.truncate(keep);
        Ok(())
    }
}

/// Sums cannot overflow below.
const INDEX_MAX: u64 = 1 << 62;
