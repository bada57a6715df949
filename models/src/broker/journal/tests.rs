//! Every cut and every flipped bit of a segment.

use super::format::encode_frame;
use super::recover::{Recovered, recover};
use super::*;
use crate::broker::streams::stream::StreamConfig;

/// A segment of a snapshot and three frames; where they end, and their records.
fn segment() -> (Vec<u8>, Vec<usize>, Vec<Record>) {
    let record = |name| Record::StreamCreated(StreamConfig::new(name, &["a.>"]));
    let records = vec![
        Record::Snapshot(Snapshot::default()),
        record("first"),
        record("second"),
        record("third"),
    ];
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for record in &records {
        let frame = encode_frame(7, bytes.len() as u64, std::slice::from_ref(record));
        bytes.extend(frame);
        ends.push(bytes.len());
    }
    (bytes, ends, records)
}

fn read(bytes: &[u8]) -> Result<Recovered, Damage> {
    recover("journal", 7, bytes)
}

#[test]
fn every_cut_keeps_the_whole_frames_before_it() {
    let (bytes, ends, records) = segment();
    for cut in 0..=bytes.len() {
        let whole = ends.iter().filter(|end| **end <= cut).count();
        match read(&bytes[..cut]) {
            Ok(recovered) => {
                assert_eq!(recovered.records, records[..whole], "cut at {cut}");
                assert_eq!(recovered.last.end, ends[whole - 1]);
            }
            Err(damage) => assert_eq!((whole, damage.offset), (0, 0), "cut at {cut}"),
        }
    }
}

#[test]
fn every_flipped_bit_is_refused_or_at_the_torn_end() {
    let (bytes, ends, records) = segment();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let frame = ends.iter().filter(|end| **end <= bit / 8).count();
        let begin = if frame == 0 { 0 } else { ends[frame - 1] };
        match read(&flipped) {
            Ok(recovered) => {
                assert_eq!(frame, 3, "bit {bit} is not in the last frame");
                assert_eq!(recovered.records, records[..3]);
            }
            Err(damage) => {
                assert!(frame < 3, "a flipped bit in the last frame is a torn end");
                assert_eq!(damage.offset, begin as u64, "bit {bit}");
            }
        }
    }
}

#[test]
fn a_frame_is_one_at_its_place_only() {
    let (bytes, ends, _) = segment();
    let mut moved = bytes[..ends[1]].to_vec();
    moved.extend_from_slice(&bytes[ends[0]..ends[1]]);
    assert_eq!(read(&moved).map(|it| it.last.end), Ok(ends[1]));
    assert!(
        recover("journal", 8, &bytes).is_err(),
        "of another generation"
    );
}

#[test]
fn a_checksum_that_is_not_checked_is_noticed() {
    let (mut bytes, _, _) = segment();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    mutant::activate(Some("broker.checksum-not-checked"));
    let recovered = read(&bytes);
    mutant::activate(None);
    assert_ne!(recovered.map(|it| it.records.len()), Ok(3));
}
