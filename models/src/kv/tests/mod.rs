//! The server and its client in storms, and by hand.

mod conversation;
mod session;
mod storm;

use storm::{Kind, Storm, run};

/// Storms of these seeds; the first complaint.
fn hunt(kind: Kind, mutant: Option<&str>, seeds: std::ops::Range<u64>) -> Option<String> {
    let mut complaints = seeds.map(|seed| (seed, run(Storm { seed, kind }, mutant)));
    let found = complaints.find(|(_, result)| result.is_err());
    found.map(|(seed, result)| format!("seed {seed}: {result:?}"))
}

#[test]
fn what_was_acknowledged_survives_power_losses_and_kills() {
    assert_eq!(hunt(Kind::Crashes, None, 0..60), None);
}

#[test]
fn what_was_acknowledged_survives_failed_syncs() {
    assert_eq!(hunt(Kind::SyncErrors, None, 0..40), None);
}

#[test]
fn rot_is_refused_and_never_served() {
    assert_eq!(hunt(Kind::Rot, None, 0..60), None);
}

#[test]
fn storms_reach_what_they_are_meant_to_reach() {
    let mut total = storm::Tally::default();
    for kind in [Kind::Crashes, Kind::SyncErrors, Kind::Rot] {
        for seed in 0..10 {
            total.add(run(Storm { seed, kind }, None).expect("a storm does no harm"));
        }
    }
    assert!(total.acknowledged > 500, "{total:?}");
    assert!(total.restored > 50, "{total:?}");
    assert!(total.checkpoints > 20, "{total:?}");
    assert!(total.torn > 5, "{total:?}");
    assert!(total.stopped > 5, "{total:?}");
    assert!(total.refused > 5, "{total:?}");
    assert!(total.groups_of_several > 50, "{total:?}");
}

/// A planted bug shows in its storm, and not in a world without that fault.
#[track_caller]
fn shows(mutant: &str, kind: Kind) {
    assert!(
        crate::mutants::find(mutant).is_some(),
        "{mutant} is planted"
    );
    let found = hunt(kind, Some(mutant), 0..400);
    assert!(found.is_some(), "{mutant} hides in {kind:?}");
    println!("{mutant}: {}", found.unwrap_or_default());
    if kind != Kind::Calm {
        assert_eq!(hunt(Kind::Calm, Some(mutant), 0..10), None);
    }
}

#[test]
fn nothing_shows_without_a_bug() {
    assert_eq!(hunt(Kind::Calm, None, 0..20), None);
}

#[test]
fn acknowledged_before_sync_shows() {
    shows("kv.acknowledged-before-sync", Kind::Crashes);
}

#[test]
fn sync_retried_shows() {
    shows("kv.sync-retried", Kind::SyncErrors);
}

#[test]
fn directory_not_synced_shows() {
    shows("kv.directory-not-synced", Kind::Crashes);
}

#[test]
fn checkpoint_not_synced_shows() {
    shows("kv.checkpoint-not-synced", Kind::Crashes);
}

#[test]
fn checksum_not_checked_shows() {
    shows("kv.checksum-not-checked", Kind::Crashes);
}

#[test]
fn broken_middle_cut_off_shows() {
    shows("kv.broken-middle-cut-off", Kind::Rot);
}

#[test]
fn visible_before_durable_shows() {
    shows("kv.visible-before-durable", Kind::Calm);
}

#[test]
fn conflict_not_checked_shows() {
    shows("kv.conflict-not-checked", Kind::Calm);
}

#[test]
fn read_latest_not_snapshot_shows() {
    shows("kv.read-latest-not-snapshot", Kind::Calm);
}

#[test]
fn watch_ignored_shows() {
    shows("kv.watch-ignored", Kind::Calm);
}
