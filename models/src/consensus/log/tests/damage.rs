//! What recovery makes of bytes: torn tails are cut off, broken middles are refused, and nothing makes it panic.

use std::borrow::Cow;
use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index as Place;
use squall_sim::mutant;

use super::{check, entry, first_cases, hard_state, snapshot};
use crate::consensus::log::format::{
    self, Change, SEGMENT_HEADER_BYTES, SegmentHeader, encode_frame,
};
use crate::consensus::log::names::Found;
use crate::consensus::log::recover::{End, LogState, SegmentFile, recover, recover_snapshot};
use crate::consensus::raft::{EntryId, HardState, Index, Term};

/// Segments with these changes, and where their units are.
#[derive(Clone, Debug)]
struct Written {
    segments: Vec<SegmentFile>,
    units: Vec<Vec<Range<usize>>>,
    /// The log before each unit of the last segment, and at the end.
    history: Vec<LogState>,
}

fn write(segments: &[Vec<Change<'static>>]) -> Written {
    let mut written = Written {
        segments: Vec::new(),
        units: Vec::new(),
        history: Vec::new(),
    };
    let mut log = LogState::default();
    for (sequence, changes) in (1..).zip(segments) {
        let header = SegmentHeader {
            sequence,
            next: log.next(),
            hard_state: log.hard_state,
        };
        let mut bytes = header.encode();
        let mut units = Vec::new();
        let mut history = vec![log.clone()];
        for change in changes {
            let start = units.last().map_or(0, |unit: &Range<usize>| unit.end);
            let frame = encode_frame(sequence, bytes.len() as u64, &change.encode());
            bytes.extend(frame);
            units.push(start..bytes.len());
            log.apply(change.clone()).unwrap();
            history.push(log.clone());
        }
        written.segments.push(SegmentFile { sequence, bytes });
        written.units.push(units);
        written.history = history;
    }
    written
}

fn appends(term: u64, indexes: Range<u64>) -> Change<'static> {
    Change {
        hard_state: Some(hard_state(term)),
        entries: indexes.map(|index| entry(term, index, 50)).collect(),
        ..Change::default()
    }
}

/// Two segments of two units each.
fn two_by_two() -> Written {
    let replace = Change {
        truncate_from: Some(Index(4)),
        ..appends(2, 4..6)
    };
    write(&[
        vec![appends(1, 1..3), appends(1, 3..4)],
        vec![appends(1, 4..5), replace],
    ])
}

/// What is recovered, in a line.
fn outcome(segments: &[SegmentFile], snapshot: Option<EntryId>) -> String {
    let recovered = match recover(segments, snapshot) {
        Ok(recovered) => recovered,
        Err(damage) => return damage.to_string().replace("0000000000000000000", ""),
    };
    let end = match recovered.end {
        End::New => "new".to_owned(),
        End::Void { sequence } => format!("{sequence} is void"),
        End::Unit { sequence, unit } => format!("{sequence} ends at {}", unit.end),
    };
    let log = &recovered.log;
    let left_over = if recovered.is_left_over {
        ", left over"
    } else {
        ""
    };
    format!("{}..{}, {end}{left_over}", log.first.0, log.next().0)
}

/// Does something to the segments, and says what is then recovered.
fn after(harm: impl FnOnce(&mut Vec<SegmentFile>, &[Vec<Range<usize>>])) -> String {
    let mut written = two_by_two();
    harm(&mut written.segments, &written.units);
    outcome(&written.segments, None)
}

/// Changes one bit in the middle.
fn flip(bytes: &mut [u8]) {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
}

#[test]
fn torn_tails_are_cut_off() {
    let whole = "1..6, 2 ends at 249";
    let cut = "1..5, 2 ends at 121";
    let void = "1..4, 2 is void";
    assert_eq!(after(|_, _| {}), whole);
    let at_the_end = |harm: fn(&mut Vec<u8>, Range<usize>)| {
        after(move |segments, units| harm(&mut segments[1].bytes, units[1][1].clone()))
    };
    assert_eq!(at_the_end(|bytes, unit| bytes.truncate(unit.start)), cut);
    assert_eq!(
        at_the_end(|bytes, unit| bytes.truncate(unit.start + 5)),
        cut
    );
    assert_eq!(at_the_end(|bytes, unit| bytes.truncate(unit.end - 1)), cut);
    assert_eq!(at_the_end(|bytes, unit| bytes[unit].fill(0)), cut);
    assert_eq!(at_the_end(|bytes, unit| flip(&mut bytes[unit])), cut);
    let first_bytes = |bytes: &mut Vec<u8>, unit: Range<usize>| bytes[unit][..20].fill(0);
    assert_eq!(at_the_end(first_bytes), cut);
    assert_eq!(at_the_end(|bytes, _| bytes.extend([0; 999])), whole);
    assert_eq!(at_the_end(|bytes, _| bytes.extend([77; 999])), whole);
    // A frame is one at its own place alone.
    let misplaced = |bytes: &mut Vec<u8>, unit: Range<usize>| {
        let frame = bytes[SEGMENT_HEADER_BYTES..unit.start].to_vec();
        bytes.truncate(unit.start);
        bytes.extend(frame);
    };
    assert_eq!(at_the_end(misplaced), cut);
    // And in its own segment alone.
    let of_another_segment = after(|segments, units| {
        let frame = segments[0].bytes[SEGMENT_HEADER_BYTES..units[0][0].end].to_vec();
        segments[1].bytes.truncate(SEGMENT_HEADER_BYTES);
        segments[1].bytes.extend(frame);
    });
    assert_eq!(of_another_segment, void);

    let at_the_beginning = |harm: fn(&mut Vec<u8>)| {
        after(move |segments, units| {
            segments[1].bytes.truncate(units[1][0].end);
            harm(&mut segments[1].bytes);
        })
    };
    assert_eq!(at_the_beginning(Vec::clear), void);
    assert_eq!(at_the_beginning(|bytes| bytes.fill(0)), void);
    assert_eq!(at_the_beginning(|bytes| bytes.truncate(30)), void);
    assert_eq!(at_the_beginning(|bytes| bytes.truncate(48)), void);
    assert_eq!(at_the_beginning(|bytes| bytes.truncate(55)), void);
    assert_eq!(at_the_beginning(|bytes| flip(&mut bytes[..48])), void);
    assert_eq!(at_the_beginning(|bytes| flip(&mut bytes[48..])), void);
}

#[test]
fn broken_middles_are_refused() {
    let found = [
        after(|segments, units| flip(&mut segments[1].bytes[units[1][0].clone()])),
        after(|segments, _| segments[1].bytes[48] ^= 0x80),
        after(|segments, _| segments[1].bytes[0] = b'?'),
        after(|segments, units| flip(&mut segments[0].bytes[units[0][1].clone()])),
        after(|segments, _| segments[0].bytes.truncate(200)),
        after(|segments, _| segments[0].bytes.clear()),
        after(|segments, units| segments[0].bytes.truncate(units[0][1].start)),
        after(|segments, _| segments[1].bytes = segments[0].bytes.clone()),
        after(|segments, _| drop(segments.remove(0))),
    ];
    let expected = [
        "log-2, byte 48: expected bytes with checksum a8767d9a, found d5bb30a5",
        "log-2, byte 48: expected bytes with checksum ba960a09, found e9ad8fd3",
        "log-2, byte 0: expected \"SQUALLOG\" at the beginning, found \"?QUALLOG\"",
        "log-1, byte 175: expected bytes with checksum 0b0c6a1c, found 8bfc7d03",
        "log-1, byte 175: expected 61 bytes, found 13",
        "log-1, byte 0: expected 48 bytes, found 0",
        "log-2, byte 0: expected a change to a log that goes on at entry 3, found one at entry 4",
        "log-2, byte 0: expected segment 2, found segment 1",
        "log-2, byte 0: expected a log without gaps from entry 0 on, where the snapshot ends, \
         found one from entry 4 on",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_lost_end_of_a_segment_is_noticed_by_the_hard_state_too() {
    let vote = Change {
        hard_state: Some(hard_state(2)),
        ..Change::default()
    };
    let mut written = write(&[vec![appends(1, 1..3), vote], vec![appends(2, 3..4)]]);
    let end = written.units[0][1].start;
    written.segments[0].bytes.truncate(end);
    assert!(outcome(&written.segments, None).starts_with("log-2, byte 0: expected to go on from"));
}

#[test]
fn the_log_and_the_snapshot_must_meet() {
    let written = two_by_two();
    let all = &written.segments;
    let end = "2 ends at 249";
    let at = |term, index| Some(snapshot(term, index).last);
    assert_eq!(outcome(all, at(1, 2)), format!("1..6, {end}"));
    assert_eq!(outcome(all, at(2, 5)), format!("1..6, {end}"));
    // A leader's, and the log is of before it.
    assert_eq!(outcome(all, at(2, 6)), format!("1..6, {end}, left over"));
    assert_eq!(outcome(all, at(3, 5)), format!("1..6, {end}, left over"));
    // The second segment goes on at 4.
    assert_eq!(outcome(&all[1..], at(1, 3)), format!("4..6, {end}"));
    assert_eq!(outcome(&all[1..], at(2, 4)), format!("4..6, {end}"));
    assert_eq!(
        outcome(&all[1..], at(1, 2)),
        "log-2, byte 0: expected a log without gaps from entry 2 on, where the snapshot ends, \
         found one from entry 4 on"
    );
    assert_eq!(outcome(&[], None), "1..1, new");
    let lost = "expected a log that has the node's term and vote, found none";
    assert_eq!(
        outcome(&[], at(1, 2)),
        format!("snapshot-2, byte 0: {lost}")
    );
    let void = |sequence| SegmentFile {
        sequence,
        bytes: Vec::new(),
    };
    assert_eq!(outcome(&[void(1)], None), "1..1, 1 is void");
    assert_eq!(outcome(&[void(7)], None), format!("log-7, byte 0: {lost}"));
}

#[test]
fn versions_to_come_are_refused() {
    let mut written = two_by_two();
    let header = &mut written.segments[1].bytes[..SEGMENT_HEADER_BYTES];
    header[8] = 2;
    let crc = crc32fast::hash(&header[..44]);
    header[44..].copy_from_slice(&crc.to_le_bytes());
    written.segments[1].bytes.truncate(50);
    assert_eq!(
        outcome(&written.segments, None),
        "log-2, byte 0: expected version 1 of the format, found 2"
    );
}

#[test]
fn a_snapshot_is_whole_or_refused() {
    let snapshot = snapshot(3, 8);
    let bytes = format::encode_snapshot(&snapshot);
    assert_eq!(recover_snapshot(Index(8), &bytes), Ok(snapshot));
    assert_eq!(
        recover_snapshot(Index(9), &bytes).unwrap_err().to_string(),
        "snapshot-00000000000000000009, byte 0: expected the snapshot up to entry 9, found the \
         one up to entry 8"
    );
    for length in 0..bytes.len() {
        assert!(recover_snapshot(Index(8), &bytes[..length]).is_err());
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(recover_snapshot(Index(8), &flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn segments_before_a_gap_are_leftovers() {
    let paths = [
        "/log/log-00000000000000000009",
        "/log/log-00000000000000000010",
        "/log/log-00000000000000000004",
        "/log/log-00000000000000000007",
        "/log/snapshot-00000000000000000002",
        "/log/snapshot.tmp",
        // Not ours.
        "/log/log-00000000000000000000",
        "/log/log-99999999999999999999",
        "/log/log-11",
        "/log/log-+0000000000000000001",
        "/log/lost+found",
    ];
    let mut found = Found::among(&paths.map(Into::into));
    assert_eq!(found.take_deleted_segments(), [4, 7]);
    assert_eq!(found.segments, [9, 10]);
    assert_eq!(found.snapshots, [Index(2)]);
    assert!(found.has_temporary);
    assert_eq!(Found::default().take_deleted_segments(), Vec::<u64>::new());
}

/// Changes that make a log, in segments.
fn logs() -> impl Strategy<Value = Written> {
    let change = (1..3_u64, 0..3_u64, 0..4_u64);
    vec(vec(change, 1..5), 1..4).prop_map(|segments| {
        let (mut term, mut last) = (1, 0);
        let mut change = |(ahead, cut, count): (u64, u64, u64)| {
            let from = last.max(cut) - cut + 1;
            term += ahead;
            last = from - 1 + count;
            Change {
                truncate_from: Some(Index(from)),
                ..appends(term, from..last + 1)
            }
        };
        let segments: Vec<Vec<Change<'static>>> = segments
            .into_iter()
            .map(|changes| changes.into_iter().map(&mut change).collect())
            .collect();
        write(&segments)
    })
}

/// A flipped bit is found, or it is in the last unit, which then counts as torn.
fn check_flipped_bit((written, place, bit): (Written, Place, u8)) -> Result<(), String> {
    let mut segments = written.segments.clone();
    let at = place.index(segments.iter().map(|it| it.bytes.len()).sum());
    let (position, offset) = locate(&segments, at);
    segments[position].bytes[offset] ^= 1 << bit;
    let is_last =
        position + 1 == segments.len() && written.units[position].last().unwrap().contains(&offset);
    let units = written.history.len() - 1;
    match recover(&segments, None) {
        Err(_) if !is_last => Ok(()),
        Ok(recovered) if is_last && recovered.log == written.history[units - 1] => Ok(()),
        other => Err(format!("byte {offset} of segment {position}: {other:?}")),
    }
}

fn locate(segments: &[SegmentFile], mut at: usize) -> (usize, usize) {
    for (position, segment) in segments.iter().enumerate() {
        if at < segment.bytes.len() {
            return (position, at);
        }
        at -= segment.bytes.len();
    }
    unreachable!("a place in one of them")
}

fn flips() -> impl Strategy<Value = (Written, Place, u8)> {
    (logs(), any::<Place>(), 0..8_u8)
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    check(2_000, flips(), check_flipped_bit);
}

#[test]
fn a_broken_middle_that_is_cut_off_loses_what_was_stored() {
    mutant::activate(Some("log.broken-middle-cut-off"));
    let is_found = first_cases(20, flips()).any(|flip| check_flipped_bit(flip).is_err());
    mutant::activate(None);
    assert!(is_found);
}

#[test]
fn whatever_happens_to_the_bytes_the_log_is_one_that_was() {
    let edit = prop_oneof![
        (any::<Place>(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (any::<Place>(), any::<Place>()).prop_map(|(from, to)| Edit::Zero(from, to)),
        any::<Place>().prop_map(Edit::Truncate),
        vec(any::<u8>(), 0..200).prop_map(Edit::Extend),
        any::<Place>().prop_map(Edit::Repeat),
    ];
    let case = (logs(), any::<bool>(), vec((any::<Place>(), edit), 1..6));
    check(2_000, case, |(written, only_last, edits)| {
        let mut segments = written.segments.clone();
        for (which, edit) in edits {
            let last = segments.len() - 1;
            let position = if only_last {
                last
            } else {
                which.index(segments.len())
            };
            edit.apply(&mut segments[position].bytes);
        }
        match recover(&segments, None) {
            Ok(recovered) if !written.history.contains(&recovered.log) => {
                Err(format!("{:?}", recovered.log))
            }
            _ => Ok(()),
        }
    });
}

#[derive(Clone, Debug)]
enum Edit {
    Set(Place, u8),
    Zero(Place, Place),
    Truncate(Place),
    Extend(Vec<u8>),
    /// What follows is there twice.
    Repeat(Place),
}

impl Edit {
    fn apply(self, bytes: &mut Vec<u8>) {
        let length = bytes.len() + 1;
        match self {
            Self::Set(at, byte) => bytes
                .iter_mut()
                .skip(at.index(length))
                .take(1)
                .for_each(|it| *it = byte),
            Self::Zero(from, to) => {
                let (from, to) = (from.index(length), to.index(length));
                bytes[from.min(to)..from.max(to)].fill(0);
            }
            Self::Truncate(at) => bytes.truncate(at.index(length)),
            Self::Extend(more) => bytes.extend(more),
            Self::Repeat(at) => bytes.extend_from_within(at.index(length)..),
        }
    }
}

/// Nobody writes such frames, but their checksums are right.
#[test]
fn nonsense_with_right_checksums_is_refused_without_a_panic() {
    let number = || prop_oneof![0..5_u64, Just(1 << 62), any::<u64>()];
    let change = (
        proptest::option::of(number()),
        proptest::option::of(number()),
        vec((number(), number()), 0..3),
    );
    let change = change.prop_map(|(restart_at, truncate_from, entries)| Change {
        hard_state: None,
        restart_at: restart_at.map(Index),
        truncate_from: truncate_from.map(Index),
        entries: Cow::Owned(
            entries
                .into_iter()
                .map(|(term, index)| entry(term, index, 1))
                .collect(),
        ),
    });
    let payload = prop_oneof![
        change.prop_map(|change| change.encode()),
        vec(any::<u8>(), 0..50),
    ];
    let case = (vec(vec(payload, 0..4), 0..4), number(), number());
    check(2_000, case, |(segments, next, covered)| {
        let files: Vec<SegmentFile> = (1..)
            .zip(segments)
            .map(|(sequence, payloads)| nonsense(sequence, next, &payloads))
            .collect();
        let last = EntryId {
            term: Term(1),
            index: Index(covered % (1 << 62)),
        };
        let _ = recover(&files, Some(last).filter(|_| covered > 0));
        Ok(())
    });
}

fn nonsense(sequence: u64, next: u64, payloads: &[Vec<u8>]) -> SegmentFile {
    let header = SegmentHeader {
        sequence,
        next: Index(next),
        hard_state: HardState::default(),
    };
    let mut bytes = header.encode();
    for payload in payloads {
        bytes.extend(encode_frame(sequence, bytes.len() as u64, payload));
    }
    SegmentFile { sequence, bytes }
}
