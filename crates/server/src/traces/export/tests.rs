use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::{BATCH_MAX, Exporter, OPEN_MAX, WAITING_MAX};
use crate::traces::SpanFates;
use crate::traces::rig::Kept;

/// A collector that takes a batch when it is told to, and refuses it if it is told so.
#[derive(Debug)]
struct Slow {
    asked: SyncSender<usize>,
    answers: Mutex<Receiver<bool>>,
}

impl SpanExporter for Slow {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.asked.send(batch.len()).expect("the test listens");
        let answers = self.answers.lock().expect("nobody panicked");
        if answers.recv().unwrap_or(true) {
            Ok(())
        } else {
            Err(OTelSdkError::InternalFailure("no".to_owned()))
        }
    }
}

fn end_spans(exporter: &Exporter, count: usize) {
    for _ in 0..count {
        let name = "publish q".to_owned();
        let span = exporter
            .traces()
            .begin(name, SpanKind::Producer, None, Vec::new());
        span.expect("there is room").end("stored");
    }
}

#[test]
fn a_slow_collector_delays_nobody_and_what_is_too_much_is_counted() {
    let (asked, asks) = sync_channel(1_000);
    let (answer, answers) = sync_channel(1_000);
    let slow = Slow {
        asked,
        answers: Mutex::new(answers),
    };
    let exporter = Exporter::over(slow, 0.0);
    end_spans(&exporter, BATCH_MAX);
    // It has taken a batch and thinks about it.
    let first = asks.recv().expect("a batch");
    let still_waiting = BATCH_MAX - first;
    end_spans(&exporter, WAITING_MAX - still_waiting + 7);
    let fates = exporter.traces().spans();
    let expected = SpanFates {
        dropped: 7,
        ..SpanFates::default()
    };
    assert_eq!(fates, expected);

    // It refuses that one, and takes the others.
    answer.send(false).expect("it listens");
    drop(answer);
    exporter.flush();
    let fates = exporter.traces().spans();
    let failed = u64::try_from(first).expect("a few");
    assert_eq!(fates.failed, failed);
    let all = u64::try_from(BATCH_MAX + WAITING_MAX - still_waiting).expect("a few");
    assert_eq!(fates.exported, all - failed);
    assert_eq!(fates.dropped, 7);
}

#[test]
fn so_many_spans_are_open_and_no_more() {
    let exporter = Exporter::over(Kept::default(), 0.0);
    let traces = exporter.traces();
    let begin = || traces.begin(String::new(), SpanKind::Consumer, None, Vec::new());
    let mut open: Vec<_> = (0..OPEN_MAX).map(|_| begin()).collect();
    assert!(open.iter().all(Option::is_some));
    assert!(begin().is_none());
    assert_eq!(traces.spans().dropped, 1);
    open.pop();
    assert!(begin().is_some());
}
