use std::sync::mpsc::channel;

use files::content::Outline;
use tempfile::TempDir;

use super::*;
use crate::peer::limits::DISK_ALIGNMENT;

const GROUP: usize = files::limits::GROUP_BYTES as usize;

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at / 7 % 251) as u8).collect()
}

/// Writes a group and waits until it is written.
fn put(sink: &Arc<Sink>, group: u32, bytes: &[u8]) -> Result<(), WriteError> {
    let (sender, written) = channel();
    sink.write(group, Bytes::copy_from_slice(bytes), move |result| {
        sender.send(result).expect("it is waited for");
    });
    written.recv().expect("it is told")
}

/// Bytes where the disk takes them from.
fn aligned(bytes: &[u8]) -> Bytes {
    let mut memory = vec![0; bytes.len() + DISK_ALIGNMENT];
    let begin = memory.as_ptr().align_offset(DISK_ALIGNMENT);
    memory[begin..begin + bytes.len()].copy_from_slice(bytes);
    Bytes::from(memory).slice(begin..begin + bytes.len())
}

fn opened(folder: &TempDir, outline: &Outline) -> Arc<Sink> {
    let target = folder.path().join("a file");
    let sink = Sink::open(&target, outline.top().clone(), false).expect("nothing is in the way");
    for segment in 0..outline.shape().segments() {
        let list = outline.segment(segment).expect("it is there");
        sink.take_segment(segment, &list.encode())
            .expect("it is the content's");
    }
    Arc::new(sink)
}

#[test]
fn groups_that_come_at_the_same_time_and_twice_are_all_told_and_all_right() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = content(GROUP * 40);
    let outline = Outline::of(&bytes).expect("a content");
    let sink = opened(&folder, &outline);
    let (sender, written) = channel();
    std::thread::scope(|scope| {
        for first in 0..8 {
            let (sink, sender, bytes) = (&sink, &sender, &bytes);
            scope.spawn(move || {
                // Each group comes from two of the threads.
                for group in (first % 4..40).step_by(4) {
                    let sender = sender.clone();
                    let data = aligned(&bytes[group * GROUP..(group + 1) * GROUP]);
                    sink.write(group as u32, data, move |result| {
                        sender.send((group, result)).expect("it is waited for");
                    });
                }
            });
        }
    });
    drop(sender);
    let mut told = vec![0; 40];
    for (group, result) in written {
        result.expect("it is right");
        told[group] += 1;
    }
    assert_eq!(told, [2; 40]);
    assert!(sink.have().is_all());
    sink.finish(false).expect("the disk takes it");
    let file = fs::read(folder.path().join("a file")).expect("a file");
    assert!(file == bytes);
}

#[test]
fn a_content_comes_in_any_order_and_appears_as_a_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = content(GROUP * 3 + 17);
    let outline = Outline::of(&bytes).expect("a content");
    let sink = opened(&folder, &outline);
    let groups: Vec<_> = bytes.chunks(GROUP).collect();
    for group in [3, 0, 2, 1] {
        assert!(!folder.path().join("a file").exists());
        put(&sink, group, groups[group as usize]).expect("it is right");
    }
    assert!(sink.have().is_all());
    sink.finish(false).expect("the disk takes it");
    assert_eq!(
        fs::read(folder.path().join("a file")).expect("a file"),
        bytes
    );
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
}

#[test]
fn what_is_not_the_contents_is_not_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = content(GROUP * 2);
    let outline = Outline::of(&bytes).expect("a content");
    let sink = opened(&folder, &outline);
    let mut wrong = bytes[..GROUP].to_vec();
    wrong[9] ^= 1;
    let error = put(&sink, 0, &wrong).expect_err("a lie");
    assert!(matches!(error, WriteError::Wrong(_)), "{error}");
    // The right bytes in the wrong place are wrong as well.
    assert!(put(&sink, 1, &bytes[..GROUP]).is_err());
    assert_eq!(sink.have().count(), 0);
    let mut list = outline.segment(0).expect("a list").encode();
    list[0] ^= 1;
    assert!(sink.take_segment(0, &list).is_err());
}

#[test]
fn an_interrupted_download_goes_on_with_what_is_right() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = content(GROUP * 5);
    let outline = Outline::of(&bytes).expect("a content");
    let groups: Vec<_> = bytes.chunks(GROUP).collect();
    let first = opened(&folder, &outline);
    for group in [0, 1, 4] {
        put(&first, group, groups[group as usize]).expect("it is right");
    }
    // As a crash might tear it.
    let part = part_path(&folder.path().join("a file"), outline.root());
    drop(first);
    let file = OpenOptions::new()
        .write(true)
        .open(part)
        .expect("it is there");
    file.write_all_at(b"torn", GROUP as u64)
        .expect("it is written");

    let again = opened(&folder, &outline);
    assert_eq!(again.left().expect("it can be read"), [0]);
    assert_eq!(again.recover(0).expect("it can be read"), 2 * GROUP as u64);
    let there: Vec<_> = again.have().runs().collect();
    assert_eq!(there, [0..1, 4..5]);
}

#[test]
fn nothing_is_overwritten_and_nobody_is_disturbed() {
    let folder = tempfile::tempdir().expect("a folder");
    let outline = Outline::of(b"new").expect("a content");
    let target = folder.path().join("a file");
    let sink = opened(&folder, &outline);
    put(&sink, 0, b"new").expect("it is right");
    let second = Sink::open(&target, outline.top().clone(), false);
    assert!(matches!(second, Err(SinkError::Busy(_))));
    fs::write(&target, "old").expect("it is written");
    assert!(matches!(sink.finish(false), Err(SinkError::Exists(_))));
    assert_eq!(fs::read(&target).expect("a file"), b"old");
    drop(sink);
    let third = Sink::open(&target, outline.top().clone(), false);
    assert!(matches!(third, Err(SinkError::Exists(_))));
    let forced = Sink::open(&target, outline.top().clone(), true).expect("it was asked for");
    forced.recover(0).expect("it can be read");
    assert!(forced.have().is_all());
    forced.finish(true).expect("the disk takes it");
    assert_eq!(fs::read(&target).expect("a file"), b"new");
}

#[test]
fn a_long_name_has_a_part_with_a_name_that_fits() {
    let root = Root::of(b"");
    let long = "n".repeat(255);
    let part = part_path(Path::new(&long), root);
    let name = part.file_name().expect("a name");
    assert_eq!(name.len(), 255);
    assert!(name.to_string_lossy().ends_with(".chaski-part"));
}
