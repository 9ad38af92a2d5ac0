//! What is asked of a peer and what it answers, over one connection after the other: while the peer is spoken to through the server, its
//! addresses are tried again and again, and when one answers, what is asked from then on goes there. What was asked before is still
//! answered where it was asked, so nothing is asked twice.

use std::time::Duration;

use rpc::v1::{FetchRequest, FetchResponse};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::Status;

use super::answers::Answers;
use super::{Connection, Source, SourceError, connect, fetch, reach, sealed};
use crate::peer::download::SourcePeer;
use crate::peer::identity::Fingerprint;
use crate::peer::limits::{ANSWER_TIMEOUT, DIRECT_RETRY};

/// What is heard of a peer.
pub(in crate::peer) enum Heard {
    /// An answer.
    Answer(FetchResponse),
    /// It is spoken to directly from now on: nothing that was opened before is open there.
    Moved,
}

/// A peer that is spoken to.
pub(in crate::peer) struct Talk {
    source: Source,
    /// The way through the server, until everything that was asked there is answered.
    before: Option<(Answers, Connection)>,
    /// There is no other way than through the server.
    is_sealed: bool,
    /// Looks for a direct path, as long as there is none: one task at most, which ends with this.
    search: JoinSet<Source>,
    key: Fingerprint,
    addresses: Vec<String>,
}

impl Talk {
    /// Connects, and opens a stream; once connected, the peer may take so long to say that it is there.
    ///
    /// # Errors
    /// It cannot be reached, or does not want to.
    pub(in crate::peer) async fn open(
        peer: &SourcePeer,
        patience: Duration,
    ) -> Result<Self, SourceError> {
        let sealed = peer.detour.as_ref().filter(|detour| detour.is_sealed);
        let (source, is_relayed) = match sealed {
            Some(detour) => (sealed::fetch(detour, peer.key, patience).await?, false),
            None => {
                let (addresses, detour) = (&peer.addresses, peer.detour.as_ref());
                let (client, is_relayed) = reach(addresses, peer.key, detour).await?;
                let source = timeout(patience, fetch(client)).await;
                (source.map_err(|_| SourceError::Silent)??, is_relayed)
            }
        };
        let mut talk = Self {
            source,
            before: None,
            is_sealed: sealed.is_some(),
            search: JoinSet::new(),
            key: peer.key,
            addresses: peer.addresses.clone(),
        };
        if is_relayed {
            talk.begin_search();
        }
        Ok(talk)
    }

    /// Whether what is asked goes through the server.
    pub(in crate::peer) fn is_relayed(&self) -> bool {
        self.is_sealed || !self.search.is_empty()
    }

    /// Takes where the peer listens now.
    pub(in crate::peer) fn aim(&mut self, addresses: &[String]) {
        if !self.search.is_empty() && self.addresses != addresses {
            self.addresses = addresses.to_vec();
            self.begin_search();
        }
    }

    fn begin_search(&mut self) {
        let (addresses, key) = (self.addresses.clone(), self.key);
        self.search = JoinSet::new();
        self.search.spawn(search(addresses, key));
    }

    /// Asks for something.
    ///
    /// # Errors
    /// The connection is lost.
    pub(in crate::peer) async fn ask(&self, request: FetchRequest) -> Result<(), SourceError> {
        let sent = self.source.requests.send(request).await;
        sent.map_err(|_| SourceError::Lost("the connection is lost".to_owned()))
    }

    /// Waits for what comes next; none when the peer has ended the stream.
    ///
    /// # Concurrency
    /// Cancel safe.
    ///
    /// # Errors
    /// The connection is lost, or the peer has ended it for a reason.
    pub(in crate::peer) async fn hear(&mut self) -> Result<Option<Heard>, SourceError> {
        loop {
            let Self {
                source,
                before,
                search,
                ..
            } = self;
            tokio::select! {
                answer = source.answers.message() => {
                    return Ok(answer.map_err(lost)?.map(Heard::Answer));
                }
                answer = answer_of(before) => match answer.map_err(lost)? {
                    Some(answer) => return Ok(Some(Heard::Answer(answer))),
                    None => self.before = None,
                },
                Some(Ok(source)) = search.join_next(), if !search.is_empty() => {
                    let before = std::mem::replace(&mut self.source, source);
                    // Without its requests, the peer ends that stream behind the last answer.
                    self.before = Some((before.answers, before.connection));
                    return Ok(Some(Heard::Moved));
                }
            }
        }
    }
}

fn lost(status: Status) -> SourceError {
    SourceError::Lost(status.message().to_owned())
}

async fn answer_of(
    before: &mut Option<(Answers, Connection)>,
) -> Result<Option<FetchResponse>, Status> {
    match before {
        Some((answers, _)) => answers.message().await,
        None => std::future::pending().await,
    }
}

/// Tries the addresses until one of them answers.
async fn search(addresses: Vec<String>, key: Fingerprint) -> Source {
    loop {
        sleep(DIRECT_RETRY).await;
        if let Ok(client) = connect(&addresses, key).await
            && let Ok(Ok(source)) = timeout(ANSWER_TIMEOUT, fetch(client)).await
        {
            return source;
        }
    }
}
