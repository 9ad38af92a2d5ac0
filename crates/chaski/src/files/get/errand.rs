//! One thing that is fetched, from the first question to the end: held and given up from other terminals, and shown in this one.

use std::sync::Arc;
use std::time::Duration;

use client::api::Api;
use client::peer::SinkError;
use client::peer::download::{
    Download, DownloadError, Lie, Means, SourcePeer, Status, Wanted, discard,
};
use client::peer::finder::{self, Found};
use client::peer::folder::{self, FolderError};
use client::peer::transfers::{Running, Want};
use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval, sleep};

use crate::exit::{CommandError, Exit};
use crate::output;

/// How often it is looked whether others want something of it.
const LOOK: Duration = Duration::from_millis(250);
/// How long what was held may take to let go of the file.
const LET_GO: Duration = Duration::from_secs(5);

/// One thing that is fetched.
pub(super) struct Errand {
    pub(super) api: Arc<Api>,
    pub(super) found: Found,
    pub(super) link: Option<String>,
    pub(super) wanted: Wanted,
    pub(super) means: Means,
    pub(super) is_json: bool,
}

/// How an attempt ended.
enum Attempt {
    Fetched(Value),
    Failed(anyhow::Error),
    Cancelled,
    Interrupted,
}

impl Errand {
    /// Fetches it, and tells what came of it.
    pub(super) async fn run(mut self, mut transfer: Option<Running>) -> anyhow::Result<Value> {
        let (liars, told) = mpsc::unbounded_channel();
        self.means.liars = Some(liars);
        let is_json = self.is_json;
        let tell = move |lie: &Lie| show_lie(lie, is_json);
        let reporter = tokio::spawn(finder::report(self.api.clone(), told, tell));
        let (status, shown) = watch::channel(Status::default());
        let shower = tokio::spawn(show(self.found.clone(), shown, self.is_json));
        if let (Some(transfer), true) = (&transfer, self.is_json) {
            let found = &self.found;
            let event = json!({"event": "begun", "transfer": transfer.id(), "name": found.name,
                "root": found.root.to_string(), "size": found.size});
            output::raw(&format!("{event}\n"))?;
        }
        let ended = self.attend(&status, transfer.as_mut()).await;
        let bytes = status.borrow().bytes;
        drop(status);
        // They end with those who tell them.
        self.means.liars = None;
        let _ = (shower.await, reporter.await);
        self.end(ended, bytes, transfer)
    }

    /// Tries until it is there, or is not to be any more.
    async fn attend(
        &self,
        status: &watch::Sender<Status>,
        mut transfer: Option<&mut Running>,
    ) -> Attempt {
        let mut is_first = true;
        loop {
            let ended = self.attempt(status, &mut transfer, is_first).await;
            if let Some(ended) = ended {
                return ended;
            }
            is_first = false;
            let Some(transfer) = &mut transfer else {
                continue;
            };
            let text = format!("held; `chaski transfers resume {}` goes on", transfer.id());
            output::note(&text);
            // What cannot be noted is shown wrongly, and held all the same.
            let _ = transfer.pause(true);
            let mut look = interval(LOOK);
            loop {
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => return Attempt::Interrupted,
                    _ = look.tick() => {}
                }
                match transfer.wanted() {
                    Want::Pause => {}
                    Want::Run => break,
                    Want::Cancel => return Attempt::Cancelled,
                }
            }
            let _ = transfer.pause(false);
        }
    }

    /// Fetches until that ends, or is to be held: then nothing came of it.
    async fn attempt(
        &self,
        status: &watch::Sender<Status>,
        transfer: &mut Option<&mut Running>,
        is_first: bool,
    ) -> Option<Attempt> {
        let fetching = self.fetch(status, is_first);
        tokio::pin!(fetching);
        let mut look = interval(LOOK);
        loop {
            tokio::select! {
                fetched = &mut fetching => {
                    return Some(fetched.map_or_else(Attempt::Failed, Attempt::Fetched));
                }
                _ = tokio::signal::ctrl_c() => return Some(Attempt::Interrupted),
                _ = look.tick() => {}
            }
            let Some(transfer) = transfer else {
                continue;
            };
            let (bytes, rate) = {
                let status = status.borrow();
                (status.bytes, status.rate)
            };
            transfer.progress(bytes, rate);
            match transfer.wanted() {
                Want::Run => {}
                Want::Pause => return None,
                Want::Cancel => return Some(Attempt::Cancelled),
            }
        }
    }

    /// Fetches; the file may still be let go of by what was held before.
    async fn fetch(&self, status: &watch::Sender<Status>, is_first: bool) -> anyhow::Result<Value> {
        let until = Instant::now() + LET_GO;
        loop {
            let (api, link) = (self.api.clone(), self.link.clone());
            let sources = finder::sources(api, &self.found, link);
            match self.fetch_once(sources, status.clone()).await {
                Err(DownloadError::Sink(SinkError::Busy(_)))
                    if !is_first && Instant::now() < until =>
                {
                    sleep(LOOK).await;
                }
                Err(error) => return Err(not_fetched(error)),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(fetched)) => return Ok(fetched),
            }
        }
    }

    async fn fetch_once(
        &self,
        sources: mpsc::Receiver<SourcePeer>,
        status: watch::Sender<Status>,
    ) -> Result<anyhow::Result<Value>, DownloadError> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (wanted, means) = (self.wanted.clone(), self.means.clone());
        if self.found.is_folder {
            return match folder::fetch(wanted, means, sources, status).await {
                Ok(fetched) => Ok(Ok(json!({"files": fetched.files, "bytes": fetched.bytes,
                    "recovered": fetched.recovered, "ms": millis(fetched.time)}))),
                Err(FolderError::Download(error)) => Err(error),
                Err(error @ FolderError::Exists(_)) => {
                    Ok(Err(
                        CommandError::new(Exit::Exists, error.to_string()).into()
                    ))
                }
                Err(
                    error @ (FolderError::Collection(_)
                    | FolderError::TooLarge { .. }
                    | FolderError::Disk { .. }),
                ) => Ok(Err(error.into())),
            };
        }
        let bytes = wanted.size;
        let download = Download {
            wanted,
            sources,
            status,
            means,
        };
        let fetched = download.run().await?;
        Ok(Ok(
            json!({"files": 1, "bytes": bytes, "recovered": fetched.recovered,
            "ms": millis(fetched.time), "liars": fetched.liars.len()}),
        ))
    }

    /// Notes how it ended.
    fn end(&self, ended: Attempt, bytes: u64, transfer: Option<Running>) -> anyhow::Result<Value> {
        match ended {
            Attempt::Fetched(mut fetched) => {
                if let Some(transfer) = transfer {
                    fetched["transfer"] = transfer.id().into();
                    transfer.end(fetched["bytes"].as_u64().unwrap_or_default(), None)?;
                }
                Ok(fetched)
            }
            Attempt::Failed(error) => {
                if let Some(transfer) = transfer {
                    transfer.end(bytes, Some(format!("{error:#}")))?;
                }
                Err(error)
            }
            Attempt::Cancelled => {
                let (target, root) = (&self.wanted.target, self.wanted.root);
                discard(target, root)?;
                if let Some(catalog) = &self.means.catalog {
                    catalog.give_up_partial(&root)?;
                }
                if let Some(transfer) = transfer {
                    transfer.forget()?;
                }
                let text = "given up, as it was asked; nothing of it is kept";
                Err(CommandError::new(Exit::Failed, text).into())
            }
            Attempt::Interrupted => {
                let text = "interrupted; what is there is kept: run the same command to go on";
                Err(CommandError::new(Exit::Failed, text).into())
            }
        }
    }
}

/// Shows who sent what was not the content.
fn show_lie(lie: &Lie, is_json: bool) {
    if is_json {
        let (peer, root) = (lie.key.peer(), lie.root.to_string());
        let event = json!({"event": "liar", "peer": peer, "root": root});
        // Whoever reads has gone; the download goes on.
        let _ = output::raw(&format!("{event}\n"));
    }
}

/// Shows how far it is, until the download ends.
async fn show(found: Found, mut status: watch::Receiver<Status>, is_json: bool) {
    let bar = if is_json {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(found.size)
    };
    let style = "{bar:24} {bytes}/{total_bytes} {msg}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    let mut lost = 0;
    while status.changed().await.is_ok() {
        let status = status.borrow_and_update().clone();
        if let Some(total) = status.total {
            bar.set_length(total);
        }
        bar.set_position(status.bytes);
        bar.set_message(behind_bar(&status));
        // The last ones are told; those before them were told when they were.
        let news = status.lost_count.saturating_sub(lost);
        for (name, why) in status
            .lost
            .iter()
            .skip(status.lost.len().saturating_sub(news))
        {
            bar.suspend(|| output::note(&format!("{name}: {why}")));
        }
        lost = status.lost_count;
        if is_json {
            let sources: Vec<_> = status
                .sources
                .iter()
                .map(|(name, rate)| json!({"name": name, "rate": rate}))
                .collect();
            let event = json!({"event": "progress", "bytes": status.bytes, "rate": status.rate,
                "total": status.total, "remaining_ms": status.remaining_ms, "sources": sources, "relayed": status.relayed});
            // Whoever reads has gone; the download goes on.
            let _ = output::raw(&format!("{event}\n"));
        }
    }
    bar.finish_and_clear();
}

/// Rate, time and sources. The bar itself would take what an earlier download had left for what came.
fn behind_bar(status: &Status) -> String {
    let left = status.remaining_ms.map_or_else(String::new, |ms| {
        format!(", {} left", HumanDuration(Duration::from_millis(ms)))
    });
    let relayed = match status.relayed {
        0 => String::new(),
        relayed => format!(", {relayed} through the server"),
    };
    let (rate, sources) = (HumanBytes(status.rate), status.sources.len());
    format!("{rate}/s{left}, from {sources}{relayed}")
}

fn not_fetched(error: DownloadError) -> anyhow::Error {
    let exit = match &error {
        DownloadError::Sink(SinkError::Exists(_)) => Exit::Exists,
        DownloadError::NoSource(_) => Exit::Unreachable,
        DownloadError::Sink(SinkError::Busy(_) | SinkError::Disk { .. })
        | DownloadError::Size(_) => Exit::Failed,
    };
    CommandError::new(exit, error.to_string()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_tells_rate_time_and_sources() {
        let mut status = Status {
            rate: 2 << 20,
            remaining_ms: Some(12_000),
            sources: vec![("anna/desk".into(), 1), ("ben/desk".into(), 1)],
            relayed: 1,
            ..Status::default()
        };
        let text = "2.00 MiB/s, 12 seconds left, from 2, 1 through the server";
        assert_eq!(behind_bar(&status), text);
        (status.remaining_ms, status.relayed) = (None, 0);
        assert_eq!(behind_bar(&status), "2.00 MiB/s, from 2");
    }
}
