//! The store on the machine's own disk.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use crate::disk::{Disk, OpenMode, RealDisk};
use crate::frame::FrameBuffer;
use crate::{Failure, Hooks, Options, QueueId, QueueState, Sequence, ShardLog, Store, inspect};

fn open(dir: &Path) -> Result<(Store, crate::Recovery), Failure> {
    let options = Options {
        journal_bytes: 256 << 10,
        segment_bytes: 64 << 10,
        ..Options::default()
    };
    Store::open(Arc::new(RealDisk::new()), dir, options, Hooks::default())
}

fn wait_durable(shard: &mut ShardLog) {
    let position = shard.submit();
    let (sender, receiver) = std::sync::mpsc::channel();
    shard.set_waker(Arc::new(move || {
        let _ = sender.send(());
    }));
    while shard.durable() < position {
        receiver
            .recv_timeout(std::time::Duration::from_secs(20))
            .expect("the store makes progress");
    }
}

/// A data directory with settled messages 0 to 299 of queue 1, of which 0 to 9 are acked, and 5 unsettled ones.
fn sample(dir: &Path) {
    let (mut store, recovery) = open(dir).unwrap();
    assert!(recovery.queues.is_empty());
    let mut shard = store.shard(0);
    let mut log = store.queue_log(QueueId(1));
    for number in 0..300_u64 {
        shard.append_message(&[(QueueId(1), Sequence(number))], &[&[7; 2000]]);
        if number % 20 == 19 {
            wait_durable(&mut shard);
            let mut settling = log.settle(&mut shard);
            for number in number - 19..=number {
                settling.push(Sequence(number), true, 0, &[&[7; 2000]]);
            }
            settling.finish().unwrap();
            if let Some(request) = shard.settle_request() {
                let state = QueueState {
                    log: &mut log,
                    next: Sequence(number + 1),
                };
                shard.settle_done(request, &mut std::iter::once(state));
            }
        }
    }
    log.ack(&mut shard, Sequence(0), Sequence(9));
    for number in 300..305_u64 {
        shard.append_message(&[(QueueId(1), Sequence(number))], &[b"short"]);
    }
    shard.submit();
    store.close().unwrap();
}

#[test]
fn a_real_directory_is_recovered_and_inspected() {
    let dir = TempDir::new().unwrap();
    sample(dir.path());
    let before = inspect(&RealDisk::new(), dir.path()).unwrap();
    assert!(!before.locked);
    assert_eq!(before.damage, []);
    let (store, mut recovery) = open(dir.path()).unwrap();
    assert_eq!(recovery.damage, []);
    assert_eq!(recovery.queues.len(), 1);
    let mut queue = recovery.queues.remove(0);
    assert_eq!(queue.next, Sequence(305));
    let mut settled = Vec::new();
    queue
        .log
        .read(Sequence(0), usize::MAX, &mut settled)
        .unwrap();
    assert_eq!(settled.len() + queue.messages.len(), 295);
    assert!(
        settled
            .iter()
            .all(|record| record.payload.as_ref() == [7; 2000])
    );
    let counted = before.queues.first().unwrap();
    assert_eq!(
        (counted.settled, counted.unsettled),
        (settled.len() as u64, queue.messages.len() as u64)
    );
    assert!(inspect(&RealDisk::new(), dir.path()).unwrap().locked);
    assert!(store.free_bytes().unwrap() > 0);
    store.close().unwrap();
}

#[test]
fn a_directory_is_open_once() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(dir.path()).unwrap();
    let second = open(dir.path()).err().unwrap();
    assert!(matches!(second, Failure::Locked { .. }), "{second}");
    store.close().unwrap();
    open(dir.path()).unwrap().0.close().unwrap();
}

#[test]
fn inspection_names_every_flipped_byte_and_changes_nothing() {
    let dir = TempDir::new().unwrap();
    sample(dir.path());
    let segment = dir.path().join("queues/0000000001-000002.segment");
    let whole = std::fs::read(&segment).unwrap();
    for byte in (0..whole.len()).step_by(331) {
        let mut damaged = whole.clone();
        damaged[byte] ^= 4;
        std::fs::write(&segment, &damaged).unwrap();
        let found = inspect(&RealDisk::new(), dir.path()).unwrap();
        assert_eq!(found.damage.len(), 1, "byte {byte}: {:?}", found.damage);
        assert_eq!(std::fs::read(&segment).unwrap(), damaged);
    }
    assert!(!dir.path().join("quarantine").exists());
}

#[test]
fn what_is_no_file_of_ours_is_refused_and_left() {
    for planted in [
        "journal/0000000001.journal",
        "queues/0000000001-000001.segment",
    ] {
        let dir = TempDir::new().unwrap();
        sample(dir.path());
        let names = |sub: &str| -> Vec<_> {
            let entries = std::fs::read_dir(dir.path().join(sub)).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let path = dir.path().join(planted);
        let elsewhere = dir.path().join("elsewhere");
        let _ = std::fs::rename(&path, &elsewhere);
        std::fs::write(&elsewhere, b"precious").unwrap();
        for kind in ["link", "directory"] {
            if kind == "link" {
                symlink(&elsewhere, &path).unwrap();
            } else {
                std::fs::create_dir(&path).unwrap();
            }
            let before = (names("journal"), names("queues"));
            let refused = open(dir.path()).err().unwrap();
            let reason = std::error::Error::source(&refused).unwrap().to_string();
            assert!(reason.contains(kind), "{planted}: {refused}: {reason}");
            assert_eq!(
                (names("journal"), names("queues")),
                before,
                "nothing is deleted"
            );
            assert_eq!(std::fs::read(&elsewhere).unwrap(), b"precious");
            if kind == "link" {
                std::fs::remove_file(&path).unwrap();
            }
        }
    }
}

#[test]
fn a_huge_sparse_journal_file_is_refused() {
    let dir = TempDir::new().unwrap();
    sample(dir.path());
    let path = dir.path().join("journal/0000000900.journal");
    std::fs::File::create(&path)
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let refused = open(dir.path()).err().unwrap();
    assert!(matches!(refused, Failure::Unexpected { .. }), "{refused}");
    assert!(path.exists());
}

#[test]
fn a_write_through_reads_back_whatever_its_alignment() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    let disk = RealDisk::new();
    let file = disk.open(&path, OpenMode::Create).unwrap();
    file.allocate(64 << 10).unwrap();
    let mut block = FrameBuffer::default();
    block.hold(&[0xB1; 8192]);
    // Whole blocks, and what the disk cannot take as it is: parts of a block at odd places, over both.
    file.write_through(block.as_slice(), 4096).unwrap();
    file.write_through(&[0xC2; 100], 4090).unwrap();
    file.write_through(&block.as_slice()[1..], 16 << 10)
        .unwrap();
    let mut content = vec![0; 64 << 10];
    assert_eq!(file.read_at(&mut content, 0).unwrap(), 64 << 10);
    let mut expected = vec![0; 64 << 10];
    expected[4096..12288].fill(0xB1);
    expected[4090..4190].fill(0xC2);
    expected[16 << 10..(16 << 10) + 8191].fill(0xB1);
    assert!(content == expected, "the file holds what was written");
    // Past the page cache, at any place and to the end of a file that ends within a block.
    file.truncate((64 << 10) - 5).unwrap();
    for (offset, bytes) in [
        (0, 64 << 10),
        (0, 100),
        (4096, 12 << 10),
        (4090, 200),
        (60 << 10, 8192),
    ] {
        let mut read = vec![0xFF; bytes];
        let count = file.read_through(&mut read, offset as u64).unwrap();
        let end = ((64 << 10) - 5).min(offset + bytes);
        assert_eq!(count, end - offset, "{bytes} bytes at {offset}");
        assert!(
            read[..count] == expected[offset..end],
            "{bytes} bytes at {offset}"
        );
    }
}
