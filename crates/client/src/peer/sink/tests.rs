use files::content::Outline;
use tempfile::TempDir;

use super::*;

const GROUP: usize = files::limits::GROUP_BYTES as usize;

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at / 7 % 251) as u8).collect()
}

fn opened(folder: &TempDir, outline: &Outline) -> Sink {
    let target = folder.path().join("a file");
    let sink = Sink::open(&target, outline.top().clone(), false).expect("nothing is in the way");
    for segment in 0..outline.shape().segments() {
        let list = outline.segment(segment).expect("it is there");
        sink.take_segment(segment, &list.encode())
            .expect("it is the content's");
    }
    sink
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
        sink.write(group, groups[group as usize])
            .expect("it is right");
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
    let error = sink.write(0, &wrong).expect_err("a lie");
    assert!(matches!(error, WriteError::Wrong(_)), "{error}");
    // The right bytes in the wrong place are wrong as well.
    assert!(sink.write(1, &bytes[..GROUP]).is_err());
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
        first
            .write(group, groups[group as usize])
            .expect("it is right");
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
    sink.write(0, b"new").expect("it is right");
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
