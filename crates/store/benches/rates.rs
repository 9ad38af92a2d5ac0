//! How fast the store is on this machine: `cargo bench -p store`. The directory is `CHASKI_BENCH_DIR`, or a temporary one.

#![expect(clippy::print_stdout, reason = "it reports to whoever started it")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use store::disk::RealDisk;
use store::{Hooks, Options, QueueId, QueueState, Sequence, ShardLog, Store};

const QUEUE: QueueId = QueueId(1);

struct Shard {
    store: Store,
    log: ShardLog,
    bell: Receiver<()>,
}

fn open(dir: &Path) -> (Shard, store::Recovery) {
    let disk = Arc::new(RealDisk::new());
    let (mut store, recovery) = Store::open(disk, dir, Options::default(), Hooks::default())
        .expect("the directory can be opened");
    let mut log = store.shard(0);
    let (sender, bell) = channel();
    log.set_waker(Arc::new(move || {
        let _ = sender.send(());
    }));
    (Shard { store, log, bell }, recovery)
}

impl Shard {
    /// Waits until at most `behind` batches are not durable.
    fn wait(&self, behind: u64) {
        while self.log.durable().0 + behind < self.log.submitted().0 {
            let _ = self.bell.recv_timeout(Duration::from_millis(100));
        }
    }
}

impl Shard {
    fn append_only(&mut self, body: &[u8]) {
        const COUNT: u64 = 2_000;
        let (mut best, mut sequence) = (Duration::MAX, 0);
        for _ in 0..50 {
            let start = Instant::now();
            for _ in 0..COUNT {
                self.log
                    .append_message(&[(QUEUE, Sequence(sequence))], &[&body[..24], &body[24..]]);
                sequence += 1;
            }
            best = best.min(start.elapsed());
            self.log.append_purge(QUEUE, Sequence(sequence));
            self.log.submit();
            self.wait(0);
            self.answer(sequence);
        }
        println!(
            "append_message, {} B: {:.0} ns each (best of 50 batches)",
            body.len(),
            best.as_secs_f64() * 1e9 / COUNT as f64
        );
    }

    /// Nothing is live: answers with the queue's number alone.
    fn answer(&mut self, next: u64) {
        if let Some(request) = self.log.settle_request() {
            let mut log = self.store.queue_log(QUEUE);
            let state = QueueState {
                log: &mut log,
                next: Sequence(next),
            };
            self.log.settle_done(request, &mut std::iter::once(state));
        }
    }

    /// Messages that are acked before their file is full.
    fn flow(&mut self, body: &[u8], batch: u64, seconds: f64) {
        let start = Instant::now();
        let mut sequence = 10_000_000;
        while start.elapsed().as_secs_f64() < seconds {
            for _ in 0..batch {
                self.log
                    .append_message(&[(QUEUE, Sequence(sequence))], &[body]);
                sequence += 1;
            }
            self.log
                .append_ack(QUEUE, Sequence(sequence - batch), Sequence(sequence - 1));
            self.log.submit();
            self.wait(2);
            self.answer(sequence);
        }
        self.wait(0);
        let (count, elapsed) = (sequence - 10_000_000, start.elapsed().as_secs_f64());
        println!(
            "durable flow, {} B in batches of {batch}: {:.0} messages/s, {:.0} MB/s, {} journal files",
            body.len(),
            count as f64 / elapsed,
            count as f64 * body.len() as f64 / elapsed / 1e6,
            self.store.journal_files()
        );
    }
}

fn backlog(dir: &Path, body: &[u8], count: u64) {
    let (mut shard, _) = open(dir);
    let mut log = shard.store.queue_log(QUEUE);
    let start = Instant::now();
    let mut sequence = 0;
    let mut unsettled = 0;
    while sequence < count {
        for _ in 0..1000 {
            shard
                .log
                .append_message(&[(QUEUE, Sequence(sequence))], &[body]);
            sequence += 1;
        }
        shard.log.submit();
        shard.wait(4);
        if let Some(request) = shard.log.settle_request() {
            while unsettled < sequence {
                let mut settling = log.settle(&mut shard.log);
                while unsettled < sequence && settling.bytes() < 1 << 20 {
                    settling.push(Sequence(unsettled), true, 0, &[body]);
                    unsettled += 1;
                }
                settling.finish().expect("there is room");
            }
            let state = QueueState {
                log: &mut log,
                next: Sequence(sequence),
            };
            shard.log.settle_done(request, &mut std::iter::once(state));
        }
    }
    shard.wait(0);
    let elapsed = start.elapsed().as_secs_f64();
    println!(
        "backlog of {count} x {} B: {:.0} messages/s, {} settled",
        body.len(),
        count as f64 / elapsed,
        log.live_count()
    );
    drop(log);
    shard.store.close().expect("it did not fail");
    let start = Instant::now();
    let (shard, mut recovery) = open(dir);
    println!(
        "recovery: {:?}, {} records of the journal",
        start.elapsed(),
        recovery.records
    );
    let mut log = recovery.queues.remove(0).log;
    let (mut out, mut from, mut read) = (Vec::new(), Sequence(0), 0);
    let start = Instant::now();
    loop {
        log.read(from, 64 << 10, &mut out).expect("it can be read");
        let Some(last) = out.last() else { break };
        from = last.sequence.next();
        read += out.len();
        out.clear();
    }
    println!(
        "read back: {:.0} messages/s",
        read as f64 / start.elapsed().as_secs_f64()
    );
    let start = Instant::now();
    for number in 0..1000 {
        let sequence = Sequence(number * 7919 % log.live_count());
        assert!(log.fetch(sequence).expect("it can be read").is_some());
    }
    println!("fetch: {:?} each", start.elapsed() / 1000);
    shard.store.close().expect("it did not fail");
}

fn main() {
    let temporary = tempfile::tempdir().expect("a temporary directory can be made");
    let dir = std::env::var_os("CHASKI_BENCH_DIR")
        .map_or_else(|| temporary.path().to_path_buf(), PathBuf::from);
    let body = vec![7; 1024];
    let (mut shard, _) = open(&dir.join("flow"));
    shard.append_only(&body);
    for batch in [1, 100, 1000, 8000] {
        shard.flow(&body, batch, 1.5);
    }
    shard.flow(&vec![7; 65_536], 100, 1.5);
    shard.store.close().expect("it did not fail");
    backlog(&dir.join("small"), &[7; 128], 1_000_000);
    backlog(&dir.join("large"), &body, 300_000);
}
