//! A bare write and sync: the floor for a durable message; asked for over a loopback connection, the floor for its confirm.

mod loopback;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use thiserror::Error;

use crate::load::{Latency, summarize};

/// Describes the measurement.
#[derive(Clone, Debug)]
pub struct DiskOptions {
    /// Directory on the disk in question; the file in it is removed afterwards.
    pub directory: PathBuf,
    /// Bytes of one write.
    pub bytes: usize,
    /// How long writes go on.
    pub duration: Duration,
    /// Writes at the end of a growing file, which makes the file system store its length too; otherwise within
    /// space that was written before.
    pub append: bool,
    /// Asks a thread for each write over a loopback connection, as a client does that waits for its confirm.
    pub loopback: bool,
}

/// The figures.
#[derive(Clone, Debug, Serialize)]
pub struct DiskReport {
    /// Directory.
    pub directory: PathBuf,
    /// Bytes of one write.
    pub bytes: usize,
    /// Whether the file grew.
    pub append: bool,
    /// Whether each write was asked for over a loopback connection.
    pub loopback: bool,
    /// Writes per second, one after the other.
    pub writes_per_s: f64,
    /// From the write until fdatasync returned; over a loopback connection, from the request until its answer.
    pub latency: Latency,
}

/// Says why the measurement failed.
#[derive(Debug, Error)]
#[error("cannot {doing} {path}")]
pub struct DiskError {
    doing: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Space that is written round and round.
const RING_BYTES: usize = 16 << 20;

/// Writes and syncs, one after the other, for the given time.
///
/// # Errors
///
/// Fails when the directory cannot be written.
pub fn run(options: &DiskOptions) -> Result<DiskReport, DiskError> {
    let path = options
        .directory
        .join(format!(".chaski-bench-{}", std::process::id()));
    let result = measure(&path, options);
    // What cannot be removed was not created; the measurement's own error says more.
    std::fs::remove_file(&path).ok();
    let (elapsed, nanos) = result?;
    let writes_per_s = nanos.len() as f64 / elapsed.as_secs_f64();
    let latency = summarize(&nanos).ok_or_else(|| DiskError {
        doing: "measure",
        path,
        source: io::ErrorKind::TimedOut.into(),
    })?;
    Ok(DiskReport {
        directory: options.directory.clone(),
        bytes: options.bytes,
        append: options.append,
        loopback: options.loopback,
        writes_per_s,
        latency,
    })
}

fn measure(path: &Path, options: &DiskOptions) -> Result<(Duration, Vec<u64>), DiskError> {
    let fail = |doing| {
        move |source| DiskError {
            doing,
            path: path.to_owned(),
            source,
        }
    };
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(fail("create"))?;
    let block = vec![0x5A; options.bytes.max(1)];
    let slots = (RING_BYTES / block.len()).max(1);
    if !options.append {
        fill(&file, &block, slots).map_err(fail("fill"))?;
    }
    let write = move |slot: usize| {
        file.write_all_at(&block, (slot * block.len()) as u64)?;
        file.sync_data()
    };
    let slots = (!options.append).then_some(slots);
    if options.loopback {
        let mut asker = loopback::Asker::start(write).map_err(fail("connect to the writer of"))?;
        repeat(options.duration, slots, |slot| asker.ask(slot))
    } else {
        repeat(options.duration, slots, write)
    }
    .map_err(fail("write"))
}

/// Writes one slot after the other, round and round or on and on, and notes how long each took.
fn repeat(
    duration: Duration,
    slots: Option<usize>,
    mut write: impl FnMut(usize) -> io::Result<()>,
) -> io::Result<(Duration, Vec<u64>)> {
    let mut nanos = Vec::new();
    let start = Instant::now();
    while start.elapsed() < duration || nanos.is_empty() {
        let slot = slots.map_or(nanos.len(), |slots| nanos.len() % slots);
        let before = Instant::now();
        write(slot)?;
        nanos.push(u64::try_from(before.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    Ok((start.elapsed(), nanos))
}

fn fill(file: &File, block: &[u8], slots: usize) -> io::Result<()> {
    for slot in 0..slots {
        file.write_all_at(block, (slot * block.len()) as u64)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests;
