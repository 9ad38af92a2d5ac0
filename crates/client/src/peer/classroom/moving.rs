//! Files that move because an older client said a name: fetched as `chaski get` does, sent as `chaski put` does without `--to`; and where no peer
//! of ours has it or takes it, a peer of the older system is asked.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::code::{Code, of_download, of_find, of_older, of_outcome, of_receivers};
use super::older::{self, Ask};
use super::place::Place;
use super::{Classroom, ClassroomEvent};
use crate::peer::SinkError;
use crate::peer::download::{Download, DownloadError, Means, Status, Wanted};
use crate::peer::finder::{self, Found};
use crate::peer::limits::{OLDER_PEERS_MAX, PLAIN_LET_GO, PLAIN_LOOK};
use crate::peer::put::{Parcel, Picks};

/// Why a file that is found is not fetched.
const NO_FOLDER: &str =
    "it is there, and this peer has no folder for it; start it with --receive DIR";

impl Classroom {
    /// Fetches a file of this name, which is a safe one, into the folder.
    pub(super) async fn fetch(self: &Arc<Self>, name: &str, place: &Place) -> Code {
        let (classroom, asked) = (Arc::clone(self), name.to_owned());
        let found = place.block(move || {
            // Not looked for if it is here.
            (!classroom.has(&asked)).then(|| finder::find_file(&classroom.api, &asked))
        });
        match found.await {
            Ok(Some(Ok(found))) => match &self.terms.folder {
                Some(folder) => self.download(found, folder.join(name), name).await,
                None => self.failed(name, NO_FOLDER, Code::ABSENT).await,
            },
            Ok(None) => Code::PRESENT,
            Ok(Some(Err(error))) => match of_find(&error) {
                Code::ABSENT => self.ask_older(Ask::Download, name).await,
                code => self.failed(name, error, code).await,
            },
            Err(ended) => self.failed(name, ended, Code::AWAY).await,
        }
    }

    async fn download(&self, found: Found, path: PathBuf, name: &str) -> Code {
        let event = ClassroomEvent::Fetching {
            name: name.to_owned(),
            bytes: found.size,
        };
        self.tell(event).await;
        let (liars, told) = mpsc::unbounded_channel();
        // It ends with the download, which tells of them.
        tokio::spawn(finder::report(Arc::clone(&self.api), told, |_| {}));
        let wanted = Wanted {
            root: found.root,
            size: found.size,
            collection: None,
            target: path.clone(),
            overwrite: false,
        };
        let means = Means {
            // Any number will do: it spreads those who fetch the same.
            seed: getrandom::u64().unwrap_or_default(),
            catalog: Some(Arc::clone(&self.catalog)),
            liars: Some(liars),
            throttle: Arc::clone(&self.terms.throttle),
        };
        match self.download_alone(&found, &wanted, &means).await {
            Ok(()) => {
                let name = name.to_owned();
                self.tell(ClassroomEvent::Fetched { name, path }).await;
                Code::DONE
            }
            Err(error) => {
                let code = of_download(&error);
                self.failed(name, error, code).await
            }
        }
    }

    /// Fetches as soon as no other call does; one that was given up may have to finish what it writes.
    async fn download_alone(
        &self,
        found: &Found,
        wanted: &Wanted,
        means: &Means,
    ) -> Result<(), DownloadError> {
        let until = Instant::now() + PLAIN_LET_GO;
        loop {
            let download = Download {
                wanted: wanted.clone(),
                sources: finder::sources(Arc::clone(&self.api), found, None),
                status: watch::channel(Status::default()).0,
                means: means.clone(),
            };
            match download.run().await {
                Err(DownloadError::Sink(SinkError::Busy(_))) if Instant::now() < until => {
                    sleep(PLAIN_LOOK).await;
                }
                ended => return ended.map(|_| ()),
            }
        }
    }

    /// Sends a file that is shared under this name to another live peer, which the server picks.
    pub(super) async fn send(self: &Arc<Self>, name: &str, place: &Place) -> Code {
        let (classroom, asked) = (Arc::clone(self), name.to_owned());
        let parcel = place.block(move || classroom.parcel(&asked)).await;
        let Some(parcel) = parcel.ok().flatten() else {
            return Code::ABSENT;
        };
        let offers = self.offers();
        let mut picks = Picks::default();
        loop {
            let (offers_too, parcel_too) = (offers.clone(), parcel.clone());
            let asked = place.keep(async move {
                let next = picks.next(&offers_too, &parcel_too).await;
                (picks, next)
            });
            let next = match asked.await {
                Ok((others, next)) => {
                    picks = others;
                    next
                }
                Err(_) => return Code::AWAY,
            };
            let receiver = match next {
                Ok(Some(receiver)) => receiver,
                Ok(None) => break,
                Err(error) => match of_receivers(&error) {
                    Code::ABSENT => break,
                    code => return self.failed(name, error, code).await,
                },
            };
            let to = receiver.at.name.clone();
            let outcome = offers.offer(&parcel, receiver, |_| {}).await;
            let Some(code) = of_outcome(&outcome) else {
                continue;
            };
            if code == Code::DONE {
                let name = name.to_owned();
                self.tell(ClassroomEvent::Sent { name, to }).await;
            }
            return code;
        }
        self.ask_older(Ask::Upload, name).await
    }

    /// A file of this name that is shared with everyone: whoever takes it is picked by the server. Waits for the disk.
    pub(super) fn parcel(&self, name: &str) -> Option<Parcel> {
        let named = self.given(name)?;
        Some(Parcel {
            name: name.to_owned(),
            root: named.root,
            size: named.size,
            is_folder: false,
            total: named.size,
            files: 1,
        })
    }

    /// Calls a peer of the older system, as the list of those names it. No bytes move.
    async fn ask_older(&self, ask: Ask, name: &str) -> Code {
        let own = self.addresses();
        // Without an address of its own, it goes by its id: nobody else has that.
        let known_as = own.first().unwrap_or(&self.terms.peer);
        let mut named = self.index.named(ask, name, known_as).await;
        named.retain(|url| !own.iter().any(|own| older::is_same(own, url)));
        let mut last = Code::ABSENT;
        for at in named.into_iter().take(OLDER_PEERS_MAX) {
            let Some(status) = older::call(&at, ask, name).await else {
                continue;
            };
            let event = ClassroomEvent::Asked {
                name: name.to_owned(),
                at,
                status,
                is_upload: ask == Ask::Upload,
            };
            self.tell(event).await;
            last = of_older(status);
            if last == Code::DONE {
                break;
            }
        }
        last
    }

    async fn failed(&self, name: &str, reason: impl Display, code: Code) -> Code {
        let event = ClassroomEvent::Failed {
            name: name.to_owned(),
            reason: reason.to_string(),
        };
        self.tell(event).await;
        code
    }
}
