//! What recovery makes of logs that were cut, torn and damaged.

use proptest::collection::vec;
use proptest::prelude::*;

use super::damage::Problem;
use super::format::{
    Checkpoint, LOG_HEADER_BYTES, decode_checkpoint, encode_checkpoint, encode_frame,
    encode_log_header,
};
use super::recover::recover;
use crate::kv::store::{Commit, Value, Writes};
use crate::storage::BadBytes;

const GENERATION: u64 = 7;
const BASE: u64 = 41;

/// A log, and where each of its frames ends, with how many commits there are by then.
struct Log {
    bytes: Vec<u8>,
    ends: Vec<(usize, usize)>,
    commits: Vec<Commit>,
}

fn log_of(groups: &[Vec<u8>]) -> Log {
    let mut log = Log {
        bytes: encode_log_header(GENERATION, BASE),
        ends: vec![(LOG_HEADER_BYTES, 0)],
        commits: Vec::new(),
    };
    for sizes in groups {
        let first = log.commits.len();
        for size in sizes {
            let version = BASE + log.commits.len() as u64 + 1;
            let value = Value::Bytes(vec![version as u8; usize::from(*size)]);
            let writes = Writes::from([(vec![*size], Some(value)), (vec![0], None)]);
            log.commits.push(Commit { version, writes });
        }
        let offset = log.bytes.len() as u64;
        let frame = encode_frame(GENERATION, offset, &log.commits[first..]);
        log.bytes.extend(frame);
        log.ends.push((log.bytes.len(), log.commits.len()));
    }
    log
}

fn example() -> Log {
    log_of(&[vec![3, 9], vec![], vec![40], vec![1, 2, 3], vec![5]])
}

/// A log that is known up to `from` may lose what follows, wholly or to a frame's end; never more.
#[track_caller]
fn check_cut(log: &Log, bytes: &[u8], length: usize) {
    let recovered = recover(GENERATION, BASE, bytes).expect("a cut is no damage");
    let whole = log.ends.iter().rfind(|(end, _)| *end <= length);
    match (recovered, whole) {
        (None, None) => {}
        (Some(recovered), Some((end, count))) => {
            assert_eq!(recovered.unit.end, *end);
            assert_eq!(recovered.commits, log.commits[..*count]);
        }
        (recovered, whole) => panic!("{recovered:?}, expected {whole:?}"),
    }
}

#[test]
fn every_cut_leaves_the_whole_frames_before_it() {
    let log = example();
    for length in 0..=log.bytes.len() {
        check_cut(&log, &log.bytes[..length], length);
        let mut zeros = log.bytes[..length].to_vec();
        zeros.extend(vec![0; 600]);
        // A whole frame may end in the zeros that are there anyway.
        let next = log
            .ends
            .iter()
            .find(|(end, _)| *end > length)
            .map(|it| it.0);
        let is_whole = next.is_some_and(|end| log.bytes[length..end].iter().all(|byte| *byte == 0));
        if !is_whole {
            check_cut(&log, &zeros, length);
        }
    }
}

#[test]
fn every_flipped_bit_is_refused_or_cuts_off_the_last_frame() {
    let log = example();
    let (last, kept) = log.ends[log.ends.len() - 2];
    for position in 0..log.bytes.len() * 8 {
        let mut bytes = log.bytes.clone();
        bytes[position / 8] ^= 1 << (position % 8);
        let start = log.ends.iter().rfind(|(end, _)| *end <= position / 8);
        let start = start.map_or(0, |(end, _)| *end);
        match recover(GENERATION, BASE, &bytes) {
            Ok(Some(recovered)) if start == last => {
                assert_eq!(recovered.commits, log.commits[..kept], "bit {position}");
                assert_eq!(recovered.unit.end, last);
            }
            Ok(recovered) => panic!("bit {position} makes {recovered:?}"),
            Err(damage) => {
                assert_eq!(damage.offset, start as u64, "bit {position}");
                assert_eq!(damage.file, "wal-00000000000000000007");
            }
        }
    }
}

#[test]
fn a_seal_keeps_damage_to_the_last_commit_from_passing_for_a_torn_tail() {
    let log = log_of(&[vec![5], vec![]]);
    let mut bytes = log.bytes.clone();
    bytes[LOG_HEADER_BYTES + 14] ^= 1;
    let damage = recover(GENERATION, BASE, &bytes).expect_err("it is sealed");
    assert!(matches!(
        damage.problem,
        Problem::Bytes(BadBytes::Checksum { .. })
    ));
}

#[test]
fn a_frame_is_bound_to_its_place_and_generation() {
    let log = log_of(&[vec![5]]);
    let frame = &log.bytes[LOG_HEADER_BYTES..];
    let misplaced = [&log.bytes, frame].concat();
    let recovered = recover(GENERATION, BASE, &misplaced).expect("a torn tail");
    assert_eq!(recovered.map(|it| it.commits), Some(log.commits.clone()));
    let later = [&encode_log_header(GENERATION + 1, BASE), frame].concat();
    let recovered = recover(GENERATION + 1, BASE, &later).expect("a torn tail");
    assert_eq!(recovered.map(|it| it.commits), Some(Vec::new()));
}

#[test]
fn a_log_of_another_checkpoint_is_refused() {
    let log = example();
    let damage = recover(GENERATION, BASE + 1, &log.bytes).expect_err("it goes on from another");
    let (expected, found) = (BASE + 1, BASE);
    assert_eq!(damage.problem, Problem::NotContiguous { expected, found });
    let damage = recover(GENERATION + 1, BASE, &log.bytes).expect_err("it is another's");
    assert!(matches!(damage.problem, Problem::OtherGeneration { .. }));
}

#[test]
fn a_checkpoint_is_read_whole_or_refused() {
    let entries = (0..20_u8).map(|key| (vec![key], Value::Bytes(vec![key; 9])));
    let checkpoint = Checkpoint {
        version: 9,
        entries: entries.collect(),
    };
    let bytes = encode_checkpoint(3, &checkpoint);
    assert_eq!(decode_checkpoint(3, &bytes), Ok(checkpoint));
    assert!(decode_checkpoint(4, &bytes).is_err());
    for length in 0..bytes.len() {
        assert!(decode_checkpoint(3, &bytes[..length]).is_err());
    }
    for position in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[position / 8] ^= 1 << (position % 8);
        assert!(decode_checkpoint(3, &bytes).is_err(), "bit {position}");
    }
}

proptest! {
    #[test]
    fn a_torn_last_frame_is_cut_off_whatever_is_left_of_it(
        groups in vec(vec(0..200_u8, 0..5), 1..6),
        keep in vec(any::<bool>(), 1..40),
    ) {
        let log = log_of(&groups);
        let (start, kept) = log.ends[log.ends.len() - 2];
        let mut bytes = log.bytes.clone();
        // Pieces of the last frame that never reached the disk read as zeros.
        for (piece, keep) in bytes[start..].chunks_mut(16).zip(keep.iter().cycle()) {
            if !keep {
                piece.fill(0);
            }
        }
        let recovered = recover(GENERATION, BASE, &bytes).expect("a torn tail").expect("a header");
        let count = if bytes == log.bytes { log.commits.len() } else { kept };
        prop_assert_eq!(recovered.commits, &log.commits[..count]);
    }

    #[test]
    fn garbage_is_no_log(bytes in vec(any::<u8>(), 0..400)) {
        prop_assert_eq!(recover(GENERATION, BASE, &bytes), Ok(None));
        let mut log = encode_log_header(GENERATION, BASE);
        log.extend(&bytes);
        let recovered = recover(GENERATION, BASE, &log).expect("a torn tail").expect("a header");
        prop_assert_eq!(recovered.commits, vec![]);
    }
}
