//! What a disk does wrong while the power is on: syncs that fail, and bits that rot.

use squall_sim::engine::disk::{
    CrashProfile, Disk, DiskOptions, Errno, FileHandle, OpenFlags, SyncFailure,
};
use squall_sim::engine::{
    self, Config, DiskEffect, add_disk_effect, add_node, fault_observed, new_fault_tag,
    remove_disk_effects,
};
use squall_sim::fs::{self, File};
use squall_sim::keyed::Key;
use squall_sim::time::{Duration, sleep};

const READ_WRITE: OpenFlags = OpenFlags {
    write: true,
    create: true,
    ..OpenFlags::READ
};

fn file_with(disk: &mut Disk, bytes: &[u8]) -> FileHandle {
    let file = disk.open("f", READ_WRITE).unwrap();
    assert_eq!(disk.write_at(file, 0, bytes), Ok(bytes.len()));
    disk.sync_all(file).unwrap();
    let root = disk.open("/", OpenFlags::READ).unwrap();
    disk.sync_all(root).unwrap();
    file
}

fn read(disk: &Disk, file: FileHandle) -> Vec<u8> {
    let mut buffer = vec![0; 1 << 16];
    let length = disk.read_at(file, 0, &mut buffer).unwrap();
    buffer.truncate(length);
    buffer
}

fn after_power_loss(disk: &mut Disk, seed: u64) -> Vec<u8> {
    disk.power_loss(Key::root(seed), &CrashProfile::posix());
    let file = disk.open("f", READ_WRITE).unwrap();
    read(disk, file)
}

#[test]
fn what_a_failed_sync_left_behind_no_later_sync_writes() {
    for seed in 0..50 {
        let mut disk = Disk::default();
        let file = file_with(&mut disk, &[1; 2000]);
        disk.write_at(file, 0, &[2; 2000]).unwrap();
        assert_eq!(disk.fail_sync(file), Err(Errno::Io));
        assert_eq!(read(&disk, file), [2; 2000], "the page cache has it");
        assert_eq!(
            disk.sync_all(file),
            Ok(()),
            "the next sync says all is well"
        );
        assert_eq!(after_power_loss(&mut disk, seed), [1; 2000]);
    }
}

#[test]
fn what_is_written_again_after_a_failed_sync_is_written() {
    let mut disk = Disk::default();
    let file = file_with(&mut disk, &[1; 2048]);
    disk.write_at(file, 0, &[2; 2048]).unwrap();
    let _ = disk.fail_sync(file);
    disk.write_at(file, 512, &[3; 512]).unwrap();
    disk.sync_all(file).unwrap();
    let expected = [[1; 512], [3; 512], [1; 512], [1; 512]].concat();
    assert_eq!(after_power_loss(&mut disk, 7), expected);
}

#[test]
fn what_was_appended_before_a_failed_sync_is_zeros_once_the_size_is_durable() {
    let mut disk = Disk::default();
    let file = file_with(&mut disk, &[1; 512]);
    disk.write_at(file, 512, &[2; 512]).unwrap();
    let _ = disk.fail_sync(file);
    disk.write_at(file, 1024, &[3; 512]).unwrap();
    disk.sync_all(file).unwrap();
    let expected = [[1; 512], [0; 512], [3; 512]].concat();
    assert_eq!(after_power_loss(&mut disk, 7), expected);
}

/// A file of zeros whose second half was synced after its first.
fn zeros_in_two_syncs(disk: &mut Disk) -> FileHandle {
    let file = file_with(disk, &[0; 2048]);
    disk.write_at(file, 2048, &[0; 2048]).unwrap();
    disk.sync_all(file).unwrap();
    file
}

fn ones(bytes: &[u8]) -> u32 {
    bytes.iter().map(|byte| byte.count_ones()).sum()
}

#[test]
fn rot_flips_as_many_bits_as_it_says_before_what_was_synced_last() {
    let mut highest = 0;
    for seed in 0..50 {
        let mut disk = Disk::default();
        let file = zeros_in_two_syncs(&mut disk);
        assert_eq!(disk.corrupt(Key::root(seed), 1), 1);
        let bytes = read(&disk, file);
        assert_eq!(ones(&bytes), 1);
        let place = bytes.iter().position(|byte| *byte != 0).unwrap();
        highest = highest.max(place);
        assert_eq!(after_power_loss(&mut disk, seed), bytes, "rot is for good");
    }
    assert!((1024..2048).contains(&highest), "{highest}");
}

#[test]
fn rot_of_what_is_newer_in_the_page_cache_shows_once_that_is_lost() {
    let mut disk = Disk::default();
    let file = zeros_in_two_syncs(&mut disk);
    disk.write_at(file, 0, &[0xff; 4096]).unwrap();
    assert_eq!(disk.corrupt(Key::root(3), 1), 1);
    assert_eq!(read(&disk, file), [0xff; 4096]);
    let nothing = CrashProfile {
        nothing_per_mille: 1000,
        everything_per_mille: 0,
        ..CrashProfile::posix()
    };
    disk.power_loss(Key::root(3), &nothing);
    let file = disk.open("f", READ_WRITE).unwrap();
    assert_eq!(ones(&read(&disk, file)), 1);
}

#[test]
fn what_was_synced_last_does_not_rot() {
    let mut disk = Disk::default();
    file_with(&mut disk, &[0; 4096]);
    assert_eq!(disk.corrupt(Key::root(3), 5), 0);
}

#[test]
fn a_program_gets_eio_while_the_fault_lasts() {
    let outcome = engine::run(Config::new(5), || async {
        let node = add_node("n");
        let tag = new_fault_tag();
        add_disk_effect(node, tag, DiskEffect::SyncError { per_mille: 1000 });
        node.start(|| async {
            let file = File::create("f").await.unwrap();
            let failed = file.sync_all().await.unwrap_err();
            assert_eq!(failed.raw_os_error(), Some(Errno::Io.code()));
            sleep(Duration::from_secs(1)).await;
            file.sync_all().await.unwrap();
            fs::write("done", "").await.unwrap();
            sleep(Duration::from_secs(2)).await;
        });
        sleep(Duration::from_millis(500)).await;
        remove_disk_effects(tag);
        sleep(Duration::from_secs(2)).await;
        (node.is_up(), fault_observed(tag))
    });
    let outcome = outcome.unwrap();
    assert!(outcome.panics.is_empty(), "{:?}", outcome.panics);
    assert_eq!(outcome.output, (true, 1));
}

#[test]
fn each_handle_hears_of_a_failed_sync_once_and_a_new_one_never() {
    let mut disk = Disk::default();
    let file = file_with(&mut disk, &[1; 512]);
    let other = disk.open("f", READ_WRITE).unwrap();
    assert_eq!(disk.fail_sync(file), Err(Errno::Io));
    let late = disk.open("f", READ_WRITE).unwrap();
    assert_eq!(disk.sync_all(file), Ok(()), "it knows already");
    assert_eq!(disk.sync_all(late), Ok(()), "it was not there");
    disk.write_at(other, 0, &[2; 512]).unwrap();
    assert_eq!(disk.sync_data(other), Err(Errno::Io));
    assert_eq!(disk.sync_data(other), Ok(()));
    assert_eq!(
        after_power_loss(&mut disk, 1),
        [2; 512],
        "it was written nevertheless"
    );
}

#[test]
fn what_a_failed_sync_left_behind_is_gone_when_the_kernel_needs_memory() {
    let mut disk = Disk::default();
    let file = file_with(&mut disk, &[1; 1024]);
    disk.write_at(file, 0, &[2; 512]).unwrap();
    let _ = disk.fail_sync(file);
    disk.write_at(file, 4096, &[3; 512]).unwrap();
    assert_eq!(disk.drop_caches(), 1);
    let bytes = read(&disk, file);
    assert_eq!(bytes[..1024], [1; 1024]);
    assert_eq!(bytes[4096..], [3; 512], "dirty pages stay");
}

#[test]
fn on_btrfs_a_failed_sync_leaves_what_the_one_before_it_left() {
    let mut disk = Disk::new(DiskOptions {
        sync_failure: SyncFailure::Btrfs,
        ..DiskOptions::default()
    });
    let file = file_with(&mut disk, &[1; 1000]);
    disk.write_at(file, 500, &[2; 5000]).unwrap();
    assert_eq!(disk.fail_sync(file), Err(Errno::Io));
    assert_eq!(read(&disk, file), [1; 1000]);
    disk.write_at(file, 1500, &[3; 500]).unwrap();
    assert_eq!(disk.sync_all(file), Ok(()));
    let expected = [vec![1; 1000], vec![0; 500], vec![3; 500]].concat();
    assert_eq!(after_power_loss(&mut disk, 1), expected, "with a hole");
}

#[test]
fn a_write_past_the_cache_goes_in_whole_sectors() {
    let mut disk = Disk::default();
    let direct = OpenFlags {
        direct: true,
        ..READ_WRITE
    };
    let file = disk.open("f", direct).unwrap();
    assert_eq!(disk.write_at(file, 0, &[1; 100]), Err(Errno::Invalid));
    assert_eq!(disk.write_at(file, 100, &[1; 512]), Err(Errno::Invalid));
    assert_eq!(disk.write_at(file, 512, &[1; 1024]), Ok(1024));
    assert_eq!(disk.read_at(file, 1, &mut [0; 512]), Err(Errno::Invalid));
    assert_eq!(disk.read_at(file, 0, &mut [0; 100]), Err(Errno::Invalid));
    assert_eq!(disk.read_at(file, 0, &mut [0; 4096]), Ok(1536));
}
