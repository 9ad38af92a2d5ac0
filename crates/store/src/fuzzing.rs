//! The entry point for fuzzing: bytes that an attacker chose where recovery expects a data directory.

use std::path::Path;
use std::sync::Arc;

use crate::disk::Disk;
use crate::disk::faulty::FaultyDisk;
use crate::frame::{FILE_HEADER_BYTES, FLAG_SETTLED, FRAME_HEADER_BYTES, FileHeader, FrameHeader};
use crate::ids::{QueueId, Sequence};
use crate::queue::segment;
use crate::record::{self, Turn};
use crate::{Hooks, Options, Store};

const DIR: &str = "/data";
const SALT: u64 = 7;

/// Recovers a directory made of `data`, reads all it holds, and recovers it again.
///
/// The first byte chooses what the rest is: a whole journal file, the records of sealed frames (so that what lies behind the
/// checksums is reached), or a state and the segment that it describes.
///
/// # Panics
/// When recovery finds other messages the second time. That is what fuzzing looks for.
pub fn recover_bytes_for_fuzzing(data: &[u8]) {
    let Some((mode, data)) = data.split_first() else {
        return;
    };
    let disk = FaultyDisk::new(1);
    let journal = Path::new(DIR).join("journal/0000000001.journal");
    match mode % 3 {
        0 => disk.put(&journal, data),
        1 => disk.put(&journal, &sealed(data.split(|byte| *byte == b'\n'))),
        _ => {
            let at = data
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or(data.len());
            let (state, content) = data.split_at(at);
            let turn = Turn {
                shard: 0,
                rotation: 1,
            };
            let (mut settled, mut states) = (Vec::new(), Vec::new());
            record::put_settled(&mut settled, turn);
            record::put_state(&mut states, turn, |body| body.extend_from_slice(state));
            disk.put(
                &journal,
                &sealed([states, settled].iter().map(Vec::as_slice)),
            );
            let queue = QueueId(1);
            let mut file = segment::encode_header(queue, 1, SALT).to_vec();
            file.extend_from_slice(content);
            let path = Path::new(DIR)
                .join("queues")
                .join(segment::file_name(queue, 1));
            disk.put(&path, &file);
        }
    }
    let first = read_all(&disk);
    let second = read_all(&disk.crash(1));
    assert_eq!(first, second, "recovering twice finds the same");
}

/// Makes a journal file of frames that pass every checksum.
fn sealed<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let header = FileHeader {
        file: 1,
        salt: SALT,
        first_frame: 1,
        bytes: FILE_HEADER_BYTES,
    };
    let mut frames = Vec::new();
    for (sequence, payload) in (1..).zip(payloads) {
        let mut frame = vec![0; FRAME_HEADER_BYTES];
        frame.extend_from_slice(payload);
        FrameHeader::seal(&mut frame, (1, SALT), sequence, 1, FLAG_SETTLED);
        frames.extend_from_slice(&frame);
    }
    let bytes = FILE_HEADER_BYTES + frames.len() as u64;
    let mut file = FileHeader { bytes, ..header }.encode();
    file.append(&mut frames);
    file
}

/// Opens the store and returns the live messages of every queue.
fn read_all(disk: &FaultyDisk) -> Option<Vec<(QueueId, Vec<Sequence>)>> {
    let hooks = Hooks {
        failed: Arc::new(|_| {}),
    };
    let options = Options {
        journal_bytes: 64 << 10,
        ..Options::default()
    };
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (store, recovery) = Store::open(shared, Path::new(DIR), options, hooks).ok()?;
    let queues = recovery.queues.into_iter().map(|mut recovered| {
        let mut found = Vec::new();
        let read = recovered.log.read(Sequence(0), usize::MAX, &mut found);
        assert!(read.is_ok(), "the disk in memory does not fail");
        let settled = found.iter().map(|record| record.sequence);
        let unsettled = recovered.messages.iter().map(|message| message.sequence);
        let live: Vec<_> = settled.chain(unsettled).collect();
        assert!(live.is_sorted(), "messages come in order");
        if let Some(first) = found.first() {
            let again = recovered.log.fetch(first.sequence);
            assert!(
                matches!(again, Ok(Some(record)) if record == *first),
                "fetch and read agree"
            );
        }
        (recovered.queue, live)
    });
    // A queue that was only named in damaged bytes may be forgotten.
    let queues = queues.filter(|(_, live)| !live.is_empty()).collect();
    let closed = store.close();
    assert!(closed.is_ok(), "the disk in memory does not fail");
    Some(queues)
}
