//! Taking what other peers bring: each offer is judged by the rules of whoever runs this peer, and what is wanted is fetched from the one
//! who offers it, checked as any download is.
//!
//! ```text
//!   Offer ──▶ ticket ──▶ rules ──▶ somebody is asked ──▶ room, name ──▶ fetched ──▶ done
//!               │          │               │                 │             │
//!               ▼          ▼               ▼                 ▼             ▼
//!             denied    refused         refused       refused, already   refused
//! ```
//! Whoever the rules refuse learns nothing of what is here. An offer ends when the one who makes it hangs up; what was fetched stays beside
//! the target, and the same offer goes on with it later.
//!
//! It must never overwrite a file, write out of its folder, nor more into it than may lie there.
//!
//! Start reading at [`Inbox::receive`], then `taking`.

mod place;
mod rules;
mod taking;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use files::content::{Root, Shape};
use files::limits::COLLECTION_BYTES_MAX;
use rpc::v1::{OfferRequest, OfferResponse};
use tokio::sync::{Semaphore, SetOnce, mpsc, oneshot};
use tokio::time::timeout;
use tonic::Status;

use super::identity::Fingerprint;
use super::limits::OFFER_BEAT;
use super::relay::Relay;
use super::serving::{Contents, Gate};
use super::throttle::Throttle;
use rules::Verdict;
pub use rules::{Accept, Rules};
use taking::Taking;

/// Offers that are judged, asked about or fetched at the same time.
const OFFERS_MAX: usize = 32;
/// The same of one account.
const OFFERS_PER_ACCOUNT_MAX: usize = 8;
/// Offers that are fetched at the same time; others wait for them.
const FETCHES_MAX: usize = 4;
/// Questions that wait to be answered.
const QUESTIONS_MAX: usize = 8;
/// How long somebody may take to answer.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(120);
/// Where the one who offers may be.
const ADDRESSES_MAX: usize = 16;
/// How long an offer waits until it is known which account this peer is of.
const OWN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the one who offers may give nothing while it cannot be reached.
const UNREACHED_MAX: Duration = Duration::from_secs(30);
/// The same while it is spoken to: it may keep a low rate, and share it among many, and a group comes at once.
const SILENCE_MAX: Duration = Duration::from_secs(300);
/// Answers on their way to the one who offers.
const ANSWERS_MAX: usize = 16;

/// What somebody wants to bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// A number of its own, as long as the process lives.
    pub id: u64,
    /// The account that offers it.
    pub account: String,
    /// What it is called; fit to be printed only if it was taken.
    pub name: String,
    /// The content.
    pub root: Root,
    /// All of its bytes.
    pub bytes: u64,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// What happens to offers.
#[derive(Debug)]
pub enum ReceiveEvent {
    /// Somebody has to say whether it is taken. When the answer is not wanted any more, its channel is closed.
    Asking(Offered, oneshot::Sender<bool>),
    /// It is being fetched, to this place.
    Taking(Offered, PathBuf),
    /// It is there.
    Received(Offered, PathBuf),
    /// It was there before.
    Already(Offered, PathBuf),
    /// It was not taken, or could not be.
    Refused(Offered, String),
}

/// The folder where offers go, with the rules for them.
#[derive(Debug)]
pub struct Inbox {
    folder: PathBuf,
    rules: Rules,
    /// Whether somebody is there to be asked.
    is_attended: bool,
    own: SetOnce<String>,
    /// The server, through which those can be called who cannot be reached directly.
    relay: Option<Relay>,
    /// The rate that all fetches keep together.
    throttle: Arc<Throttle>,
    next: AtomicU64,
    offers: Arc<Semaphore>,
    fetches: Semaphore,
    questions: Semaphore,
    /// A leaf: held for a look-up.
    running: Mutex<HashMap<u64, Running>>,
    /// Held while a place is looked for, which reads the disk; taken before `running`.
    placing: Mutex<()>,
    tell: mpsc::Sender<ReceiveEvent>,
    patience: Patience,
}

/// How long those who offer wait, and are waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// How often they are told again how it stands.
    beat: Duration,
    /// How long nothing may come from one that cannot be reached.
    unreached: Duration,
    /// How long nothing may come from one that is spoken to.
    silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            beat: OFFER_BEAT,
            unreached: UNREACHED_MAX,
            silence: SILENCE_MAX,
        }
    }
}

/// An offer that is under way.
#[derive(Debug)]
struct Running {
    account: String,
    /// Where it goes, and what it takes of the quota, once that is known.
    place: Option<(PathBuf, Root, u64)>,
}

impl Inbox {
    /// Makes one for a folder that is there. `is_attended` says whether `tell` leads to somebody who answers questions.
    #[must_use]
    pub fn new(
        folder: PathBuf,
        rules: Rules,
        is_attended: bool,
        tell: mpsc::Sender<ReceiveEvent>,
    ) -> Self {
        Self {
            folder,
            rules,
            is_attended,
            own: SetOnce::new(),
            relay: None,
            throttle: Arc::default(),
            next: AtomicU64::new(1),
            offers: Arc::new(Semaphore::new(OFFERS_MAX)),
            fetches: Semaphore::new(FETCHES_MAX),
            questions: Semaphore::new(QUESTIONS_MAX),
            running: Mutex::default(),
            placing: Mutex::default(),
            tell,
            patience: Patience::default(),
        }
    }

    /// Fetches through the server from those who cannot be reached directly.
    #[must_use]
    pub fn with_relay(self, relay: Relay) -> Self {
        Self {
            relay: Some(relay),
            ..self
        }
    }

    /// Keeps a rate, with whoever else shares it.
    #[must_use]
    pub fn with_throttle(self, throttle: Arc<Throttle>) -> Self {
        Self { throttle, ..self }
    }

    /// Says which account this peer is of: what that brings is taken without a question.
    pub fn set_own(&self, login: String) {
        // It stays the same as long as the process lives.
        let _ = self.own.set(login);
    }

    /// Answers an offer; the answers end when nothing more becomes of it.
    pub(super) fn receive<C: Contents>(
        self: &Arc<Self>,
        gate: &Gate,
        contents: &Arc<C>,
        request: &OfferRequest,
        is_sealed: bool,
    ) -> Result<mpsc::Receiver<Result<OfferResponse, Status>>, Status> {
        let mut offer = Offer::read(request).map_err(Status::invalid_argument)?;
        offer.is_sealed = is_sealed;
        let ticket = gate
            .receive(&request.ticket, offer.root)
            .map_err(|denied| Status::permission_denied(denied.to_string()))?;
        let permit = self.offers.clone().try_acquire_owned();
        let permit = permit.map_err(|_| busy("this peer has too many offers"))?;
        let entry = self.enter(ticket.account.clone())?;
        let (answers, outbox) = mpsc::channel(ANSWERS_MAX);
        let taking = Taking::new(offer, ticket.account, entry, answers);
        let contents = Arc::clone(contents);
        tokio::spawn(async move {
            taking.run(contents).await;
            drop(permit);
        });
        Ok(outbox)
    }

    fn enter(self: &Arc<Self>, account: String) -> Result<Entry, Status> {
        let mut running = self.running();
        let others = running.values().filter(|other| other.account == account);
        if others.count() >= OFFERS_PER_ACCOUNT_MAX {
            return Err(busy("you have too many offers to this peer"));
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let place = None;
        running.insert(id, Running { account, place });
        Ok(Entry {
            inbox: Arc::clone(self),
            id,
        })
    }

    async fn judge(&self, account: &str) -> Verdict {
        // An offer may come before the server has said who we are.
        let own = timeout(OWN_TIMEOUT, self.own.wait()).await.ok();
        let own = own.map(String::as_str);
        match self.rules.judge(account, own) {
            Verdict::Ask if !self.is_attended => Verdict::Refuse(
                "nobody is there to be asked; they take files by themselves with --contact or --accept",
            ),
            verdict @ (Verdict::Take | Verdict::Ask | Verdict::Refuse(_)) => verdict,
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<u64, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn busy(text: &str) -> Status {
    Status::resource_exhausted(format!("{text} under way; offer it again later"))
}

/// An offer among those that are under way, until this is dropped.
struct Entry {
    inbox: Arc<Inbox>,
    id: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.inbox.running().remove(&self.id);
    }
}

/// An offer as it was made.
struct Offer {
    root: Root,
    name: String,
    size: u64,
    total: u64,
    is_folder: bool,
    addresses: Vec<String>,
    key: Fingerprint,
    secret: Vec<u8>,
    /// It came over the sealed line: so does what it offers.
    is_sealed: bool,
}

impl Offer {
    /// Reads it; the error says what makes no sense.
    fn read(request: &OfferRequest) -> Result<Self, &'static str> {
        let bytes = |field: &[u8]| <[u8; 32]>::try_from(field).ok();
        let root = bytes(&request.root).ok_or("a root has 32 bytes")?;
        let key = bytes(&request.key).ok_or("the hash of a key has 32 bytes")?;
        if bytes(&request.secret).is_none() {
            return Err("a secret has 32 bytes");
        }
        Shape::new(request.size).map_err(|_| "no content is so large")?;
        if request.addresses.len() > ADDRESSES_MAX {
            return Err("an offer says where it can be fetched, at 16 addresses at most");
        }
        if request.collection && request.size > COLLECTION_BYTES_MAX as u64 {
            return Err("no list of a folder is so long");
        }
        let total = if request.collection {
            request.total
        } else {
            request.size
        };
        Ok(Self {
            root: Root::from_bytes(root),
            name: request.name.clone(),
            size: request.size,
            total,
            is_folder: request.collection,
            addresses: request.addresses.clone(),
            key: Fingerprint::from_bytes(key),
            secret: request.secret.clone(),
            is_sealed: false,
        })
    }
}
