//! Shows what becomes of what is put: JSON events, or bars on a terminal and a line for each receiver.

use std::io::{IsTerminal as _, stderr};
use std::path::Path;
use std::time::{Duration, Instant};

use client::peer::put::{Outcome, Parcel, Receiver, Told};
use client::peer::share::LeftOut;
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::output;

/// How often JSON tells how much is hashed.
const HASHED_INTERVAL: Duration = Duration::from_millis(200);

/// How many offers ended how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    took: usize,
    already: usize,
    closed: usize,
    refused: usize,
    lost: usize,
}

impl Counts {
    pub(super) const fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Took => self.took += 1,
            Outcome::Already => self.already += 1,
            Outcome::Closed => self.closed += 1,
            Outcome::Refused(_) => self.refused += 1,
            Outcome::Lost(_) => self.lost += 1,
        }
    }

    /// The worst of them says how the command ended; that it was there already counts if all had it, that a peer takes no files at all if
    /// there was no other.
    pub(super) const fn exit(self) -> Exit {
        match self {
            Self { refused: 1.., .. } => Exit::Refused,
            Self { lost: 1.., .. } => Exit::Unreachable,
            Self { took: 1.., .. } => Exit::Done,
            Self { already: 1.., .. } => Exit::Exists,
            Self { closed: 1.., .. } => Exit::Refused,
            // Nobody could be asked.
            Self { .. } => Exit::NotFound,
        }
    }
}

/// A receiver as it is shown.
struct Shown {
    name: String,
    peer: String,
    bar: ProgressBar,
    began: Instant,
}

/// Where and how it is shown.
pub(super) struct Show {
    is_json: bool,
    bars: MultiProgress,
    hashing: ProgressBar,
    hashed: u64,
    hashed_at: Instant,
    receivers: Vec<Shown>,
}

impl Show {
    pub(super) fn new(is_json: bool) -> Self {
        let bars = MultiProgress::new();
        if is_json || !stderr().is_terminal() {
            bars.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        Self {
            is_json,
            hashing: ProgressBar::hidden(),
            bars,
            hashed: 0,
            hashed_at: Instant::now(),
            receivers: Vec::new(),
        }
    }

    /// Something is hashed from now on.
    pub(super) fn packing(&mut self, path: &Path) {
        let bar = ProgressBar::no_length().with_message(path.display().to_string());
        style(&bar, "{spinner} {bytes} {bytes_per_sec} {msg}");
        self.hashing.finish_and_clear();
        self.hashing = self.bars.add(bar);
    }

    pub(super) fn hashed(&mut self, bytes: u64) {
        self.hashing.inc(bytes);
        self.hashed += bytes;
        if self.hashed_at.elapsed() >= HASHED_INTERVAL {
            self.hashed_at = Instant::now();
            self.tell_hashed();
        }
    }

    fn tell_hashed(&self) {
        self.event(&json!({"event": "hashing", "bytes": self.hashed}));
    }

    pub(super) fn left_out(&self, what: &str, reason: &LeftOut) {
        self.event(&json!({"event": "left-out", "path": what, "reason": reason.to_string()}));
        if !self.is_json {
            self.print(|| output::note(&format!("left out: {what}: {reason}")));
        }
    }

    pub(super) fn packed(&self) {
        self.hashing.finish_and_clear();
        self.tell_hashed();
    }

    /// A parcel is offered from now on.
    pub(super) fn offering(&mut self, parcel: &Parcel, receivers: &[Receiver]) {
        let width = receivers.iter().map(|it| it.at.name.chars().count()).max();
        let style_of = format!(
            "{{prefix:{}}} {{bar:24}} {{bytes}}/{{total_bytes}} {{bytes_per_sec}} {{eta}} {{msg}}",
            width.unwrap_or(0)
        );
        let shown = receivers.iter().map(|receiver| {
            let bar = ProgressBar::new(parcel.total).with_prefix(receiver.at.name.clone());
            style(&bar, &style_of);
            Shown {
                name: receiver.at.name.clone(),
                peer: receiver.peer.clone(),
                bar: self.bars.add(bar),
                began: Instant::now(),
            }
        });
        self.receivers = shown.collect();
        let named = self.receivers.iter();
        let named: Vec<Value> = named
            .map(|it| json!({"peer": it.peer, "name": it.name}))
            .collect();
        self.event(&json!({"event": "offering", "name": parcel.name, "root": parcel.root.to_string(),
            "bytes": parcel.total, "files": parcel.files, "folder": parcel.is_folder, "receivers": named}));
    }

    /// A receiver does something.
    pub(super) fn told(&self, parcel: &Parcel, index: usize, told: Told) {
        let Some(shown) = self.receivers.get(index) else {
            return;
        };
        let mut event = of(parcel, shown);
        match told {
            Told::Asking => {
                shown.bar.set_message("somebody is asked");
                event["event"] = "asking".into();
            }
            Told::Fetched(bytes) => {
                shown.bar.set_message("");
                shown.bar.set_position(bytes);
                event["event"] = "progress".into();
                event["bytes"] = bytes.into();
                event["total"] = parcel.total.into();
            }
        }
        self.event(&event);
    }

    /// An offer has ended.
    pub(super) fn outcome(&self, parcel: &Parcel, index: usize, outcome: &Outcome) {
        let Some(shown) = self.receivers.get(index) else {
            return;
        };
        shown.bar.finish_and_clear();
        let (name, text, why) = match outcome {
            Outcome::Took => ("took", "has it", None),
            Outcome::Already => ("already", "had it already", None),
            Outcome::Closed => ("closed", "takes no files", None),
            Outcome::Refused(why) => ("refused", "does not take it", Some(why)),
            Outcome::Lost(why) => ("lost", "cannot be reached", Some(why)),
        };
        let mut event = of(parcel, shown);
        event["event"] = name.into();
        let took = shown.began.elapsed();
        event["ms"] = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).into();
        if let Some(why) = why {
            event["reason"] = why.clone().into();
        }
        self.event(&event);
        if self.is_json {
            return;
        }
        let name = &shown.name;
        self.print(|| match why {
            None if *outcome == Outcome::Closed => output::note(&format!("{name} {text}")),
            Some(why) => output::note(&format!("{name} {text}: {}: {why}", parcel.name)),
            None => {
                let bytes = HumanBytes(parcel.total);
                // Whoever reads no more does not keep others from fetching.
                let _ = output::line(&format!(
                    "{name} {text}: {} ({bytes}, {:.2} s)",
                    parcel.name,
                    took.as_secs_f64()
                ));
            }
        });
    }

    /// Everything has ended.
    pub(super) fn ended(&self, counts: &Counts) {
        self.event(
            &json!({"event": "ended", "took": counts.took, "already": counts.already, "closed": counts.closed,
            "refused": counts.refused, "lost": counts.lost}),
        );
    }

    fn event(&self, event: &Value) {
        if self.is_json {
            // Whoever reads no more does not keep others from fetching.
            let _ = output::raw(&format!("{event}\n"));
        }
    }

    fn print(&self, work: impl FnOnce()) {
        self.bars.suspend(work);
    }
}

fn of(parcel: &Parcel, shown: &Shown) -> Value {
    json!({"event": "", "name": parcel.name, "root": parcel.root.to_string(), "peer": shown.peer,
        "receiver": shown.name})
}

fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_outcome_is_the_exit_code() {
        let exit = |outcomes: &[Outcome]| {
            let mut counts = Counts::default();
            outcomes.iter().for_each(|outcome| counts.add(outcome));
            counts.exit()
        };
        let refused = || Outcome::Refused("no".to_owned());
        let lost = || Outcome::Lost("gone".to_owned());
        assert_eq!(exit(&[]), Exit::NotFound);
        assert_eq!(exit(&[Outcome::Took]), Exit::Done);
        assert_eq!(exit(&[Outcome::Already, Outcome::Already]), Exit::Exists);
        assert_eq!(exit(&[Outcome::Already, Outcome::Took]), Exit::Done);
        assert_eq!(exit(&[Outcome::Closed, Outcome::Took]), Exit::Done);
        assert_eq!(exit(&[Outcome::Closed]), Exit::Refused);
        assert_eq!(exit(&[Outcome::Took, lost()]), Exit::Unreachable);
        assert_eq!(exit(&[Outcome::Took, lost(), refused()]), Exit::Refused);
    }
}
