//! One offer, from its judgement to its end.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use files::collection::Collection;
use files::limits::GROUP_BYTES;
use rpc::v1::OfferResponse;
use rpc::v1::offer_response::State;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tonic::Status as Answer;

use super::place::{self, NoPlace, Place};
use super::{Entry, FETCHES_MAX, Offer, Offered, QUESTION_TIMEOUT, ReceiveEvent, Verdict};
use crate::peer::SinkError;
use crate::peer::download::{Download, DownloadError, Means, SourcePeer, Status, Wanted};
use crate::peer::folder::{self, FolderError};
use crate::peer::relay::Detour;
use crate::peer::serving::Contents;
use crate::peer::source::Permission;
use crate::peer::throttle::Throttle;

/// How often the one who offers is told how much is there.
const TELL_INTERVAL: Duration = Duration::from_millis(200);
/// How often the one who offers is tried again when it was lost as a source.
const RETRY: Duration = Duration::from_secs(2);
/// Groups of each fetch that may go before, where a rate is kept.
const GROUPS_AHEAD: u64 = 2;
/// What is read at least in a second of what another time has left.
const LEFT_BYTES_PER_S: u64 = 50_000_000;

/// An offer that is under way.
pub(super) struct Taking {
    offered: Offered,
    offer: Offer,
    entry: Entry,
    answers: Answers,
    /// What the one who offers was told last.
    stands: watch::Sender<State>,
}

type Answers = mpsc::Sender<Result<OfferResponse, Answer>>;

/// Why an offer is not taken.
struct Refusal {
    /// What the one who offers is told.
    told: String,
    /// What whoever runs this peer sees.
    seen: String,
}

impl Refusal {
    fn new(text: impl Into<String>) -> Self {
        let told = text.into();
        let seen = told.clone();
        Self { told, seen }
    }
}

/// How an offer that was wanted ended.
enum Taken {
    Received(PathBuf),
    Already(PathBuf),
}

impl Taking {
    /// Makes one of an offer that was entered; what becomes of it goes to `answers`.
    pub(super) fn new(offer: Offer, account: String, entry: Entry, answers: Answers) -> Self {
        Self {
            offered: Offered {
                id: entry.id,
                account,
                name: offer.name.clone(),
                root: offer.root,
                bytes: offer.total,
                is_folder: offer.is_folder,
            },
            offer,
            entry,
            answers,
            stands: watch::Sender::new(State::Fetched(0)),
        }
    }

    /// Judges and fetches, until it is done or the one who offers hangs up.
    pub(super) async fn run<C: Contents>(self, contents: Arc<C>) {
        let mut repeating = JoinSet::new();
        let every = self.entry.inbox.patience.beat;
        repeating.spawn(repeat(self.answers.clone(), self.stands.subscribe(), every));
        let ended = tokio::select! {
            ended = self.take(contents) => ended,
            () = self.answers.closed() => Err(Refusal::new("it was taken back")),
        };
        repeating.shutdown().await;
        let offered = self.offered.clone();
        let (state, event) = match ended {
            Ok(Taken::Received(path)) => (State::Done(true), ReceiveEvent::Received(offered, path)),
            Ok(Taken::Already(path)) => {
                (State::Already(true), ReceiveEvent::Already(offered, path))
            }
            Err(Refusal { told, seen }) => {
                (State::Refused(told), ReceiveEvent::Refused(offered, seen))
            }
        };
        // Neither has to be there any more.
        let _ = self.entry.inbox.tell.send(event).await;
        let _ = self.answers.send(answer(state)).await;
    }

    async fn take<C: Contents>(&self, contents: Arc<C>) -> Result<Taken, Refusal> {
        let inbox = &self.entry.inbox;
        let verdict = inbox.judge(&self.offered.account).await;
        if let Verdict::Refuse(why) = verdict {
            return Err(Refusal::new(why));
        }
        place::check(&self.offer, inbox.rules.largest).map_err(no_place)?;
        if verdict == Verdict::Ask {
            self.ask().await?;
        }
        let permit = inbox.fetches.acquire().await;
        let _permit = permit.map_err(|_| Refusal::new("this peer ends"))?;
        let place = tokio::task::block_in_place(|| match shared(&*contents, &self.offer) {
            Some(path) => Ok(Place::Already(path)),
            None => place::find(&self.entry, &self.offer),
        });
        match place.map_err(no_place)? {
            Place::Already(path) => Ok(Taken::Already(path)),
            Place::Free { target, left } => {
                let event = ReceiveEvent::Taking(self.offered.clone(), target.clone());
                let _ = inbox.tell.send(event).await;
                self.fetch(&target, left).await?;
                Ok(Taken::Received(target))
            }
        }
    }

    /// Tells the one who offers how it stands, and again until it stands otherwise.
    fn tell(&self, state: State) {
        // One that is not taken is followed by another.
        let _ = self.answers.try_send(answer(state.clone()));
        self.stands.send_replace(state);
    }

    /// Waits for somebody to say yes.
    async fn ask(&self) -> Result<(), Refusal> {
        let inbox = &self.entry.inbox;
        let Ok(_permit) = inbox.questions.try_acquire() else {
            return Err(Refusal::new(
                "too many wait to be answered; offer it again later",
            ));
        };
        self.tell(State::Asking(true));
        let (sender, said) = oneshot::channel();
        let _ = inbox
            .tell
            .send(ReceiveEvent::Asking(self.offered.clone(), sender))
            .await;
        match timeout(QUESTION_TIMEOUT, said).await {
            Ok(Ok(true)) => {
                self.tell(State::Fetched(0));
                Ok(())
            }
            Ok(Ok(false)) => Err(Refusal::new("they do not want it")),
            Ok(Err(_)) => Err(Refusal::new("nobody is there to be asked")),
            Err(_) => Err(Refusal::new("nobody has answered in time")),
        }
    }

    async fn fetch(&self, target: &Path, left: u64) -> Result<(), Refusal> {
        let (sender, sources) = mpsc::channel(1);
        let (status, shown) = watch::channel(Status::default());
        tokio::select! {
            fetched = self.download(target, sources, status) => fetched,
            stalled = self.follow(shown, left) => Err(stalled),
            never = self.feed(sender) => match never {},
        }
    }

    async fn download(
        &self,
        target: &Path,
        sources: mpsc::Receiver<SourcePeer>,
        status: watch::Sender<Status>,
    ) -> Result<(), Refusal> {
        let offer = &self.offer;
        let wanted = Wanted {
            root: offer.root,
            size: offer.size,
            collection: None,
            target: target.to_owned(),
            overwrite: false,
        };
        let means = Means {
            seed: self.entry.id,
            throttle: Arc::clone(&self.entry.inbox.throttle),
            ..Means::default()
        };
        if offer.is_folder {
            let agree = |list: &Collection| self.agree(list, target);
            let fetched = folder::fetch_if(wanted, means, sources, status, agree).await;
            return fetched.map(drop);
        }
        let download = Download {
            wanted,
            sources,
            status,
            means,
        };
        let fetched = download.run().await;
        fetched.map(drop).map_err(|error| of_download(&error))
    }

    /// Judges the list of a folder: it names no more than was offered, and there is room for what it names.
    fn agree(&self, list: &Collection, target: &Path) -> Result<(), Refusal> {
        let (is, most) = (list.size(), self.offer.total);
        if is > most {
            return Err(FolderError::TooLarge { is, most }.into());
        }
        let entries = list.entries().len() as u64;
        let room = tokio::task::block_in_place(|| {
            place::find_room(&self.entry, &self.offer, target, entries)
        });
        room.map_err(no_place)
    }

    /// Names the one who offers as a source, again and again in case that it is lost.
    async fn feed(&self, sources: mpsc::Sender<SourcePeer>) -> std::convert::Infallible {
        let source = SourcePeer {
            name: self.offered.account.clone(),
            addresses: self.offer.addresses.clone(),
            key: self.offer.key,
            permission: Permission::Secret(self.offer.secret.clone()),
            detour: self.entry.inbox.relay.clone().map(|relay| Detour {
                relay,
                peer: self.offer.key.peer(),
                is_sealed: self.offer.is_sealed,
            }),
        };
        loop {
            // Nobody is fed any more when it ends.
            let _ = sources.send(source.clone()).await;
            sleep(RETRY).await;
        }
    }

    /// Tells the one who offers how much is there; ends when nothing comes any more.
    async fn follow(&self, status: watch::Receiver<Status>, left: u64) -> Refusal {
        let patience = self.entry.inbox.patience;
        let silence = silence(patience.silence, &self.entry.inbox.throttle);
        let mut tick = interval(TELL_INTERVAL);
        let mut told = None;
        let mut moved = Instant::now() + Duration::from_secs(left / LEFT_BYTES_PER_S);
        let mut reached = moved;
        loop {
            tick.tick().await;
            let (bytes, is_reached) = {
                let status = status.borrow();
                (status.bytes, !status.sources.is_empty())
            };
            if told != Some(bytes) {
                told = Some(bytes);
                moved = moved.max(Instant::now());
                self.tell(State::Fetched(bytes));
            }
            // Between a folder's files nobody is spoken to; its download ends by itself when nobody is reached.
            if is_reached || self.offer.is_folder {
                reached = reached.max(Instant::now());
            }
            let is_lost = moved.max(reached).elapsed() > patience.unreached;
            // When all of it is here, the disk may take its time.
            if bytes < self.offer.total && (is_lost || moved.elapsed() > silence) {
                let lost = status.borrow().lost.last().map(|(_, why)| why.clone());
                let why = lost.map_or_else(String::new, |why| format!("; {why}"));
                let seconds = moved.elapsed().as_secs();
                return Refusal::new(format!("nothing came for {seconds} s{why}"));
            }
        }
    }
}

/// How long nothing may come, where a rate is kept: what all fetches have under way goes before.
fn silence(usual: Duration, throttle: &Throttle) -> Duration {
    let under_way = FETCHES_MAX as u64 * GROUPS_AHEAD * GROUP_BYTES;
    usual.saturating_add(throttle.time_of(under_way))
}

/// Says again and again how an offer stands: whoever makes it knows by that that it is not forgotten.
async fn repeat(answers: Answers, stands: watch::Receiver<State>, every: Duration) {
    loop {
        sleep(every).await;
        let state = stands.borrow().clone();
        // Where there is no room, it has not read what was said before.
        let _ = answers.try_send(answer(state));
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "what a stream of answers consists of"
)]
fn answer(state: State) -> Result<OfferResponse, Answer> {
    Ok(OfferResponse { state: Some(state) })
}

/// Where this peer shares the content, if it does.
fn shared<C: Contents>(contents: &C, offer: &Offer) -> Option<PathBuf> {
    let stored = contents.open(&offer.root).ok()??;
    let is_whole = stored.have.is_none() && stored.size == offer.size;
    is_whole.then(|| PathBuf::from(&offer.name))
}

fn no_place(no_place: NoPlace) -> Refusal {
    let seen = no_place.to_string();
    let told = match no_place {
        // Where the folder is, and what is wrong with it, is not theirs to know.
        NoPlace::Disk(_) => "the folder there cannot be read".to_owned(),
        NoPlace::Name(_)
        | NoPlace::Hidden(_)
        | NoPlace::Long(_)
        | NoPlace::Large { .. }
        | NoPlace::Quota { .. }
        | NoPlace::Full { .. }
        | NoPlace::UnderWay
        | NoPlace::Names => seen.clone(),
    };
    Refusal { told, seen }
}

fn of_download(error: &DownloadError) -> Refusal {
    let told = match error {
        DownloadError::Sink(SinkError::Exists(_)) => "a file of that name has just come".to_owned(),
        DownloadError::Sink(SinkError::Busy(_)) => "the same is being fetched already".to_owned(),
        DownloadError::Sink(SinkError::Disk { source, .. }) => of_disk(source),
        DownloadError::Size(_) | DownloadError::NoSource(_) => error.to_string(),
    };
    let seen = error.to_string();
    Refusal { told, seen }
}

impl From<FolderError> for Refusal {
    fn from(error: FolderError) -> Self {
        let told = match &error {
            FolderError::Download(error) => return of_download(error),
            FolderError::Exists(_) => "a folder of that name has just come".to_owned(),
            FolderError::Disk { source, .. } => of_disk(source),
            FolderError::Collection(_) | FolderError::TooLarge { .. } => error.to_string(),
        };
        let seen = error.to_string();
        Self { told, seen }
    }
}

/// What is wrong with the disk, without where.
fn of_disk(error: &io::Error) -> String {
    let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
    let text = if full.contains(&error.kind()) {
        "the disk there is full"
    } else {
        "it cannot be written there"
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    #[test]
    fn what_is_held_up_by_a_rate_has_not_stalled() {
        const USUAL: Duration = Duration::from_secs(30);
        assert_eq!(silence(USUAL, &Throttle::default()), USUAL);
        let slow = Throttle::new(NonZeroU64::new(4 << 10));
        assert!(silence(USUAL, &slow) > USUAL + slow.time_of(GROUP_BYTES));
    }
}
